"""The training loop."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from bench import checkpoint
from bench.checkpoint import Epoch, History, State, copied
from bench.errors import BenchError, DivergedError, UsageError
from bench.losses import Loss, find_loss
from bench.metrics.psnr import capped_psnr
from bench.operators import Operator
from bench.optimizers import make_optimizer, make_schedule
from bench.problem import Batch, TrainingProblem
from bench.progress import Progress
from bench.recipe import Recipe
from bench.runs.timing import synchronise

__all__ = ["Epoch", "History", "Progress", "Trainer"]

#: Steps between two reports on a GPU, where looking at the loss makes the processor wait.
REPORT_EVERY = 20


def _silent(progress: Progress) -> None:
    pass


def _unheard(history: History) -> None:
    pass


@dataclass
class Trainer:
    """Trains one network by a recipe.

    Attributes:
        recipe: optimiser, schedule, loss and so on.
        report: called after every step (on a GPU, every 20).
        checkpoint: file that is written after every epoch, and gone on from if it is there.
        fingerprint: the run that the checkpoint belongs to.
        follow: called with the epochs so far, when training begins or goes on, and after each epoch.
        started: when this start of the run began, by ``time.perf_counter``.
        earlier: seconds that the run had taken when the checkpoint was written.
    """

    recipe: Recipe = field(default_factory=Recipe)
    report: Callable[[Progress], None] = _silent
    checkpoint: Path | None = None
    fingerprint: str = ""
    follow: Callable[[History], None] = _unheard
    started: float = field(default_factory=time.perf_counter)
    earlier: float = 0.0

    _loss: Loss = field(init=False)

    @property
    def seconds(self) -> float:
        """Wall time that the run has taken so far, starts before the checkpoint included."""
        return self.earlier + time.perf_counter() - self.started

    def train(self, module: nn.Module, problem: TrainingProblem) -> History:
        """Train ``module`` and leave it with the weights of its best epoch by validation PSNR.

        Killed and started again with its checkpoint, it ends with the weights it would have had.

        Raises:
            BenchError: memory does not hold one image, or the network keeps what cannot be saved.
            DivergedError: the loss became infinite or NaN.
            CheckpointError: the checkpoint is damaged, or of another run.
            UsageError: bfloat16 on a GPU that has none.
        """
        low, high = problem.value_range
        self._loss = find_loss(self.recipe.loss, high - low)
        state = self._start(module, problem)
        self.follow(state.history)
        while not self._finished(state.history):
            epoch = len(state.history) + 1
            loss, seconds = self._epoch(state, problem, epoch)
            with self._averaged(state):
                quality = self._converging(self.validate(module, problem), epoch)
                if quality > max((e.validation_psnr for e in state.history), default=-float("inf")):
                    state.best = copied(module)
            lr, count = float(state.schedule.get_last_lr()[0]), problem.train_count
            state.history.append(Epoch(epoch, loss, quality, lr, seconds, count, state.pieces))
            self._save(state)
            self.follow(state.history)
        module.load_state_dict(state.best)
        return state.history

    @torch.no_grad()
    def validate(self, module: nn.Module, problem: TrainingProblem) -> float:
        """Mean PSNR over the validation split, exact images at 100 dB."""
        module.eval()
        low, high = problem.value_range
        scores = [
            capped_psnr(self.infer(module, y, operator), x, high - low)
            for y, x, operator in problem.validation_batches(self.recipe.batch_size)
        ]
        return float(torch.cat(scores).mean())

    def infer(self, module: nn.Module, y: Tensor, operator: Operator) -> Tensor:
        """The module's output, computed in the recipe's precision, as float32 or complex64."""
        with self._precision(y.device):
            out: Tensor = module(y, operator)
        return out if out.is_complex() else out.float()

    def _start(self, module: nn.Module, problem: TrainingProblem) -> State:
        """Optimiser and schedule for the module; taken up where the checkpoint left them."""
        recipe = self.recipe
        bfloat16 = recipe.precision == "bfloat16"
        if bfloat16 and problem.device.type == "cuda" and not torch.cuda.is_bf16_supported():
            raise UsageError("this GPU has no bfloat16; choose --precision float32")
        channels_last(module)
        optimizer = make_optimizer(module.parameters(), recipe)
        steps = recipe.epochs * -(-problem.train_count // recipe.batch_size)
        shadow = copied(module) if recipe.ema else {}
        state = State(module, optimizer, make_schedule(optimizer, recipe, steps), copied(module), shadow)
        if self.checkpoint and self.checkpoint.exists():
            checkpoint.load(self.checkpoint, state, self.fingerprint)
            self.earlier = state.seconds
        else:
            # What cannot be saved is found now, not after the first epoch.
            self._save(state)
        return state

    def _save(self, state: State) -> None:
        if self.checkpoint:
            state.seconds = self.seconds
            checkpoint.save(self.checkpoint, state, self.fingerprint)

    def _finished(self, history: History) -> bool:
        """Whether all epochs are done, or none has been better for ``patience`` epochs."""
        if len(history) >= self.recipe.epochs:
            return True
        best = max(range(len(history)), key=lambda i: history[i].validation_psnr, default=0)
        return 0 < self.recipe.patience < len(history) - best

    def _epoch(self, state: State, problem: TrainingProblem, epoch: int) -> tuple[float, float]:
        """One pass over the training images: mean loss, and seconds spent."""
        recipe, done = self.recipe, 0
        total = torch.zeros((), device=problem.device)
        steps = -(-problem.train_count // recipe.batch_size)
        last = state.history[-1].validation_psnr if state.history else float("nan")
        every = REPORT_EVERY if problem.device.type == "cuda" else 1
        state.module.train()
        started = time.perf_counter()
        batches = problem.training_batches(recipe.batch_size, epoch, augment=recipe.augment)
        for step, batch in enumerate(batches, 1):
            total += self._step(state, batch) * len(batch.x)
            done += len(batch.x)
            if step % every == 0 or step == steps:
                loss = self._finite(float(total) / done, epoch, step)
                self.report(Progress(step, steps, epoch, recipe.epochs, loss, last))
        synchronise(problem.device)
        return float(total) / done, time.perf_counter() - started

    def _step(self, state: State, batch: Batch) -> Tensor:
        """One step of the optimiser; a batch too large for the GPU is taken in twice as many pieces.

        The gradient stays that of the batch's mean loss, but batch normalisation sees each piece by itself:
        the record says how many pieces there were.
        """
        while True:
            try:
                loss = self._gradient(state, batch)
                break
            except torch.OutOfMemoryError as error:
                if state.pieces >= len(batch.x):
                    raise BenchError(
                        "the device's memory does not hold one image; choose a smaller model or "
                        "smaller images, or --precision bfloat16"
                    ) from error
                state.pieces *= 2
                torch.cuda.empty_cache()
            except RuntimeError as error:
                if "can't allocate memory" not in str(error):
                    raise
                raise BenchError(
                    f"memory does not hold a batch of {len(batch.x)}; "
                    "try a smaller --batch-size or a smaller model"
                ) from error
        if self.recipe.clip:
            nn.utils.clip_grad_norm_(state.module.parameters(), self.recipe.clip)
        state.optimizer.step()
        state.schedule.step()
        state.average(self.recipe.ema)
        return loss

    def _gradient(self, state: State, batch: Batch) -> Tensor:
        """Gradient of the batch's mean loss, accumulated over its pieces."""
        y, x, operator = batch
        state.optimizer.zero_grad(set_to_none=True)
        total = torch.zeros((), device=x.device)
        first = 0
        for part_y, part_x in zip(y.chunk(state.pieces), x.chunk(state.pieces), strict=True):
            out = self.infer(state.module, part_y, operator.items(first, first + len(part_y)))
            loss = self._loss(*_comparable(out, part_x)) * (len(part_x) / len(x))
            loss.backward()
            total += loss.detach()
            first += len(part_y)
        return total

    def _precision(self, device: torch.device) -> torch.autocast:
        return torch.autocast(device.type, torch.bfloat16, enabled=self.recipe.precision == "bfloat16")

    @contextmanager
    def _averaged(self, state: State) -> Iterator[None]:
        """The module with its averaged weights, if the recipe averages them."""
        if not self.recipe.ema:
            yield
            return
        own = copied(state.module)
        state.module.load_state_dict(state.shadow)
        yield
        state.module.load_state_dict(own)

    def _finite(self, loss: float, epoch: int, step: int) -> float:
        if not math.isfinite(loss):
            raise self._diverged(f"the loss became {loss} in epoch {epoch}, by step {step}")
        return loss

    def _converging(self, quality: float, epoch: int) -> float:
        """The validation PSNR, where every image of it is finite."""
        if not quality > -math.inf:
            raise self._diverged(
                f"reconstructions of the validation images are not finite after epoch {epoch}"
            )
        return quality

    def _diverged(self, what: str) -> DivergedError:
        smaller = f"Try a smaller learning rate than {self.recipe.lr:g} (--lr), or --clip 1."
        return DivergedError(f"{what}: training diverged. {smaller}")


def _comparable(image: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Images for a loss, which is of real numbers: of complex ones real and imaginary parts as channels.

    Raises:
        BenchError: the network gives real images where the true ones are complex.
    """
    if not truth.is_complex():
        return image, truth
    if not image.is_complex():
        raise BenchError("the network gives real images, and the dataset's are complex")
    return torch.cat([image.real, image.imag], 1), torch.cat([truth.real, truth.imag], 1)


def channels_last(module: nn.Module) -> nn.Module:
    """``module`` with its images' weights in the layout that convolutions are fastest in.

    Other than by ``Module.to``, weights of three-dimensional convolutions stay as they are.
    """
    for tensor in (*module.parameters(), *module.buffers()):
        if tensor.dim() == 4:
            tensor.data = tensor.data.contiguous(memory_format=torch.channels_last)
    return module
