"""The rules of the model contract, one function each; what runs them is :mod:`bench.testing`."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from safetensors.torch import load, save
from torch import Tensor
from torch.nn import functional as F

from bench.datasets import Split, Splits
from bench.errors import BenchError
from bench.models import Model, NetworkModel
from bench.operators import Operator
from bench.problem import Problem, TrainingProblem
from bench.recipe import Recipe, override
from bench.seeding import stream
from bench.testing.operators import (
    Broken,
    Figure,
    NotApplicable,
    random_states,
    same,
    seed_everything,
)
from bench.training import History, Trainer

BATCH = 4
#: Passes over one repeated batch, after which the loss must be lower.
PASSES = 8


class Unseen(Split):
    """Test images that nobody may look at: they remember if somebody did, and are not even there.

    Attributes:
        seen: whether an image was asked for.
    """

    def __init__(self, count: int, size: tuple[int, int]):
        self.count, self.size, self.seen = count, size, False

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Tensor:
        self.seen = True
        raise BenchError("test images are not for fit to look at")

    @property
    def sizes(self) -> tuple[int, int]:
        return self.size


class Recorded(Split):
    """Images with measurements of their own, which need not belong to them."""

    def __init__(self, images: Tensor, measurements: Tensor, by: Operator):
        self.images, self.recorded, self.by = images, measurements, by

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Tensor:
        return self.images[index]

    def measurement(self, index: int) -> Tensor:
        return self.recorded[index]

    def operator(self, indices: Sequence[int]) -> Operator:
        return self.by


@dataclass
class Trial:
    """A way to make a model, and a small problem to try it on."""

    make: Callable[[], Model]
    operator: Operator
    seed: int = 0
    problem: Problem = field(init=False)

    def __post_init__(self) -> None:
        self.problem = self.problem_of(2 * BATCH)

    def problem_of(self, train: int) -> Problem:
        """A problem with so many training images."""
        images = self.images(train + BATCH + 2)
        splits = Splits(images[:train], images[train + 2 :], images[train : train + 2])
        return Problem(self.operator, splits, self.seed)

    def images(self, count: int) -> Tensor:
        """Images of the operator's shape, uint8."""
        return _smooth_images(count, self.operator.image_shape, self.seed)

    def fitted(self, problem: Problem, epochs: int) -> tuple[Model, History]:
        """A new model, fitted."""
        model = self.make()
        torch.manual_seed(self.seed)
        if isinstance(model, NetworkModel):
            recipe = override(Recipe(), dict(model.recipe))
            changes = {
                "epochs": epochs,
                "batch_size": BATCH,
                "schedule": "constant",
                "patience": 0,
                "lr": 1e-3,
            }
            model.trainer = Trainer(override(recipe, changes))
        return model, model.fit(problem.training(self.seed, truth=model.supervised)) or []

    @torch.no_grad()
    def reconstructed(self, model: Model, y: Tensor, seed: int = 0) -> Tensor:
        """What the model makes of measurements, with a generator of its own."""
        return model.reconstruct(y.clone(), self.operator, stream(y.device, seed, "reconstruct"))

    @cached_property
    def model(self) -> tuple[Model, History]:
        """The model after two steps."""
        return self.fitted(self.problem, epochs=1)

    @cached_property
    def y(self) -> Tensor:
        """Test measurements."""
        return next(self.problem.test_batches()).y

    @cached_property
    def random(self) -> bool:
        """Whether reconstructions differ with the generator's seed."""
        one, two = (self.reconstructed(self.model[0], self.y, seed) for seed in (1, 2))
        return not same(one, two)


def _smooth_images(count: int, shape: tuple[int, ...], seed: int) -> Tensor:
    """Random images with large structures, uint8."""
    noise = torch.rand(count, *shape, generator=stream("cpu", seed, "images"))
    smooth = F.avg_pool2d(noise, 5, stride=1, padding=2, count_include_pad=False) - 0.5
    return ((4 * smooth + 0.5).clamp(0, 1) * 255).to(torch.uint8)


def _trains(trial: Trial) -> Figure:
    model, history = trial.model
    if not model.trained:
        return NotApplicable("it is not trained")
    if not history:
        raise Broken("a trained model returns its history")
    if not math.isfinite(history[-1].loss):
        raise Broken(f"the loss is {history[-1].loss}")
    return "" if model.parameters() else "no weights"


def _learns(trial: Trial) -> Figure:
    if not trial.model[0].trained:
        return NotApplicable("it is not trained")
    _, history = trial.fitted(trial.problem_of(BATCH), epochs=PASSES)
    first, last = history[0].loss, min(epoch.loss for epoch in history[1:])
    if first == 0:
        return "the loss is 0 from the start"
    if not last < first:
        raise Broken(f"the loss is {first:.4g} at first and never lower in {PASSES} passes over one batch")
    return f"{first:.3g} to {last:.3g}"


def _shape(trial: Trial) -> Figure:
    for count in (1, len(trial.y)):
        image = trial.reconstructed(trial.model[0], trial.y[:count])
        expected = (count, *trial.operator.image_shape)
        if not isinstance(image, Tensor) or tuple(image.shape) != expected or image.dtype != torch.float32:
            got = f"{tuple(image.shape)} {image.dtype}" if isinstance(image, Tensor) else type(image).__name__
            raise Broken(f"reconstruct returns {got}, not {expected} torch.float32")
    return None


def _finite(trial: Trial) -> Figure:
    image = trial.reconstructed(trial.model[0], trial.y)
    if wrong := int((~torch.isfinite(image)).sum()):
        raise Broken(f"{wrong} of {image.numel()} values are not finite")
    return None


def _one_by_one(trial: Trial) -> Figure:
    if trial.random:
        return NotApplicable("it draws random numbers for the batch")
    model, y = trial.model[0], trial.y
    whole = trial.reconstructed(model, y)
    single = torch.cat([trial.reconstructed(model, y[i : i + 1]) for i in range(len(y))])
    if same(single, whole):
        return 0.0
    gap = float((single - whole).norm() / whole.norm())
    if not gap <= 1e-3:
        raise Broken(f"a batch and its measurements one by one differ by {gap:.1e}")
    return gap


def _repeats(trial: Trial) -> Figure:
    model, _ = trial.model
    again, _ = trial.fitted(trial.problem_of(2 * BATCH), epochs=1)
    first, second = trial.reconstructed(model, trial.y), trial.reconstructed(again, trial.y)
    if not same(first, second):
        gap = float((first - second).abs().max())
        raise Broken(f"two trainings with one seed differ by up to {gap:.1e}")
    return None


def _reloads(trial: Trial) -> Figure:
    model, _ = trial.model
    saved = save({name: tensor.contiguous() for name, tensor in model.state().items()})
    torch.manual_seed(trial.seed + 1)
    other = trial.make()
    if isinstance(other, NetworkModel):
        other.trainer = Trainer()
    other.restore(trial.problem.training(trial.seed, truth=other.supervised), load(saved))
    before, after = trial.reconstructed(model, trial.y), trial.reconstructed(other, trial.y)
    if not same(before, after):
        gap = float((before - after).abs().max())
        raise Broken(f"reconstructions after reloading differ by up to {gap:.1e}")
    return f"{len(saved) / 1024:.0f} KiB"


def _own_randomness(trial: Trial) -> Figure:
    model, results = trial.model[0], []
    for seed in (1, 2):
        seed_everything(seed)
        before = random_states()
        results.append(trial.reconstructed(model, trial.y))
        if changed := [name for name, state in random_states().items() if state != before[name]]:
            raise Broken(f"reconstruct draws from the global generator of {' and '.join(changed)}")
    if not same(*results):
        raise Broken("reconstruct depends on a global random state")
    return "random" if trial.random else "deterministic"


def _input_kept(trial: Trial) -> Figure:
    given, generator = trial.y.clone(), torch.Generator()
    with torch.no_grad():
        trial.model[0].reconstruct(given, trial.operator, generator)
    if not same(given, trial.y):
        raise Broken("reconstruct modifies its input")
    return None


def _unseen(trial: Trial) -> Figure:
    images = trial.images(2 * BATCH + 2)
    _, height, width = trial.operator.image_shape
    test = Unseen(BATCH, (height, width))
    problem = Problem(trial.operator, Splits(images[2:], test, images[:2]), trial.seed)
    try:
        trial.fitted(problem, epochs=1)
    except Exception as error:
        if not test.seen:
            raise
        raise Broken(f"fit looks at test images ({type(error).__name__})") from error
    if test.seen:
        raise Broken("fit looks at test images")
    return None


def _blind(trial: Trial) -> Figure:
    """Fitted to the same measurements beside other images it must come out the same."""
    if trial.model[0].supervised:
        return NotApplicable("it is shown images")
    images, operator = trial.images(2 * BATCH + 2), trial.operator
    y = operator.measure(images.float() / 255, stream("cpu", trial.seed, "recorded"))
    made = []
    for shown in (images, images.flip(0)):
        parts = [Recorded(shown[part], y[part], operator) for part in (slice(2, None), slice(2))]
        model, _ = trial.fitted(Problem(None, Splits(parts[0], parts[0], parts[1]), trial.seed), epochs=1)
        made.append(trial.reconstructed(model, trial.y))
    if not same(*made):
        raise Broken("a self-supervised fit depends on images that it is not shown")
    return None


def _keeps_no_operator(trial: Trial) -> Figure:
    model = trial.model[0]
    modules = dict(model.module.named_modules()) if isinstance(model, NetworkModel) else {}
    for owner in (model, *modules.values()):
        for name, value in vars(owner).items():
            if isinstance(value, Operator | TrainingProblem):
                kept = f"{type(owner).__name__}.{name} keeps a {type(value).__name__} from fit"
                raise Broken(f"{kept}; reconstruct is given the operator")
    return None


MODEL_RULES: dict[str, Callable[[Trial], Figure]] = {
    "trains two steps": _trains,
    "reduces its loss on a repeated batch": _learns,
    "gives float32 images (B, C, H, W), at batch 1 too": _shape,
    "reconstructions are finite": _finite,
    "a batch is reconstructed as its measurements one by one": _one_by_one,
    "is the same twice with one seed": _repeats,
    "saves and reloads to identical outputs": _reloads,
    "inputs are not modified": _input_kept,
    "no randomness outside the generator of reconstruct": _own_randomness,
    "fit looks at no test image": _unseen,
    "a self-supervised fit looks at no image": _blind,
    "keeps no operator from fit": _keeps_no_operator,
}
