"""The training loop."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.errors import BenchError
from bench.problem import Problem
from bench.scoring import psnr
from bench.spec import Recipe


@dataclass(frozen=True)
class Epoch:
    """One row of a training history.

    Attributes:
        epoch: number, from 1.
        loss: mean training loss over the epoch.
        validation_psnr: mean PSNR in dB over the validation split, after the epoch.
        lr: learning rate at the end of the epoch.
        seconds: time spent on training steps, validation left out.
        images: images trained on.
    """

    epoch: int
    loss: float
    validation_psnr: float
    lr: float
    seconds: float
    images: int


History = list[Epoch]


@dataclass(frozen=True)
class Progress:
    """How far training is, for whoever shows it."""

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    validation_psnr: float


def _silent(progress: Progress) -> None:
    pass


@dataclass
class Trainer:
    """Trains one network by a recipe.

    Attributes:
        recipe: optimiser, schedule, loss and so on.
        report: called after every step.
    """

    recipe: Recipe = field(default_factory=Recipe)
    report: Callable[[Progress], None] = _silent

    def train(self, module: nn.Module, problem: Problem) -> History:
        """Train ``module`` and leave it with the weights of its best epoch by validation PSNR.

        Raises:
            BenchError: the loss became infinite or NaN.
        """
        recipe = self.recipe
        steps = -(-len(problem.train) // recipe.batch_size)
        module.to(memory_format=torch.channels_last)
        optimizer = _optimizer(module, recipe)
        schedule = _schedule(optimizer, recipe, steps)
        history: History = []
        best: tuple[float, dict[str, Tensor]] = (-float("inf"), _copy(module))
        for epoch in range(1, recipe.epochs + 1):
            module.train()
            total, started = 0.0, time.perf_counter()
            for step, (y, x) in enumerate(
                problem.training_batches(recipe.batch_size, epoch, augment=recipe.augment), 1
            ):
                loss = _loss(module(y), x, recipe)
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()
                schedule.step()
                value = self._finite(loss, epoch, step)
                total += value * len(x)
                last = history[-1].validation_psnr if history else float("nan")
                self.report(Progress(epoch, recipe.epochs, step, steps, value, last))
            seconds = time.perf_counter() - started
            quality = self.validate(module, problem)
            lr, count = float(schedule.get_last_lr()[0]), len(problem.train)
            history.append(Epoch(epoch, total / count, quality, lr, seconds, count))
            if quality > best[0]:
                best = (quality, _copy(module))
        module.load_state_dict(best[1])
        return history

    @torch.no_grad()
    def validate(self, module: nn.Module, problem: Problem) -> float:
        """Mean PSNR over the validation split."""
        module.eval()
        batches = problem.validation_batches(self.recipe.batch_size)
        return float(torch.cat([psnr(self.infer(module, y), x) for y, x in batches]).mean())

    def infer(self, module: nn.Module, y: Tensor) -> Tensor:
        """The module's output as float32."""
        out: Tensor = module(y)
        return out.float()

    def _finite(self, loss: Tensor, epoch: int, step: int) -> float:
        value = float(loss.detach())
        if not torch.isfinite(loss):
            raise BenchError(
                f"the loss became {value} in epoch {epoch}, step {step}: training diverged. "
                f"Try a smaller learning rate than {self.recipe.lr:g} (--lr), or --clip 1."
            )
        return value


def _copy(module: nn.Module) -> dict[str, Tensor]:
    return {k: v.detach().clone() for k, v in module.state_dict().items()}


def _optimizer(module: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(module.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay)
    return torch.optim.Adam(module.parameters(), lr=recipe.lr)


def _schedule(
    optimizer: torch.optim.Optimizer, recipe: Recipe, steps: int
) -> torch.optim.lr_scheduler.LRScheduler:
    total = recipe.epochs * steps
    if recipe.schedule == "onecycle":
        return torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.lr, total_steps=total + 1)
    if recipe.schedule == "cosine":
        return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, total)
    return torch.optim.lr_scheduler.ConstantLR(optimizer, factor=1.0)


def _loss(out: Tensor, x: Tensor, recipe: Recipe) -> Tensor:
    if recipe.loss == "l1":
        return F.l1_loss(out, x)
    return F.mse_loss(out, x)
