"""The rules of the model contract, one function each; what runs them is :mod:`bench.testing`."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import torch
from safetensors.torch import load, save
from torch import Tensor
from torch.nn import functional as F

from bench.datasets import Splits
from bench.models import Model, NetworkModel
from bench.operators import Operator
from bench.problem import Problem
from bench.recipe import Recipe, override
from bench.seeding import stream
from bench.testing.operators import Broken, Figure, same
from bench.training import History, Trainer

BATCH = 4
#: Passes over one repeated batch, after which the loss must be lower.
PASSES = 8


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
        shape = self.operator.image_shape
        images = _smooth_images(train + BATCH + 2, shape, self.seed)
        splits = Splits(images[:train], images[train + 2 :], images[train : train + 2])
        return Problem(self.operator, splits, self.seed)

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
        return model, model.fit(problem.training(self.seed)) or []

    @cached_property
    def model(self) -> tuple[Model, History]:
        """The model after two steps."""
        return self.fitted(self.problem, epochs=1)

    @cached_property
    def y(self) -> Tensor:
        """Test measurements."""
        return next(self.problem.test_batches()).y


def _smooth_images(count: int, shape: tuple[int, ...], seed: int) -> Tensor:
    """Random images with large structures, uint8."""
    noise = torch.rand(count, *shape, generator=stream("cpu", seed, "images"))
    smooth = F.avg_pool2d(noise, 5, stride=1, padding=2, count_include_pad=False) - 0.5
    return ((4 * smooth + 0.5).clamp(0, 1) * 255).to(torch.uint8)


def _trains(trial: Trial) -> Figure:
    model, history = trial.model
    if not model.trained:
        return "it is not trained"
    if not history:
        raise Broken("a trained model returns its history")
    if not math.isfinite(history[-1].loss):
        raise Broken(f"the loss is {history[-1].loss}")
    return "" if model.parameters() else "no weights"


def _learns(trial: Trial) -> Figure:
    if not trial.model[0].trained:
        return "it is not trained"
    _, history = trial.fitted(trial.problem_of(BATCH), epochs=PASSES)
    first, last = history[0].loss, min(epoch.loss for epoch in history[1:])
    if first == 0:
        return "the loss is 0 from the start"
    if not last < first:
        raise Broken(f"the loss is {first:.4g} at first and never lower in {PASSES} passes over one batch")
    return f"{first:.3g} to {last:.3g}"


def _shape(trial: Trial) -> Figure:
    for count in (1, len(trial.y)):
        image = trial.model[0].reconstruct(trial.y[:count].clone())
        expected = (count, *trial.operator.image_shape)
        if not isinstance(image, Tensor) or tuple(image.shape) != expected or image.dtype != torch.float32:
            got = f"{tuple(image.shape)} {image.dtype}" if isinstance(image, Tensor) else type(image).__name__
            raise Broken(f"reconstruct returns {got}, not {expected} torch.float32")
    return None


def _finite(trial: Trial) -> Figure:
    image = trial.model[0].reconstruct(trial.y.clone())
    if wrong := int((~torch.isfinite(image)).sum()):
        raise Broken(f"{wrong} of {image.numel()} values are not finite")
    return None


def _one_by_one(trial: Trial) -> Figure:
    model, y = trial.model[0], trial.y
    whole = model.reconstruct(y.clone())
    single = torch.cat([model.reconstruct(y[i : i + 1].clone()) for i in range(len(y))])
    if same(single, whole):
        return 0.0
    gap = float((single - whole).norm() / whole.norm())
    if not gap <= 1e-3:
        raise Broken(f"a batch and its measurements one by one differ by {gap:.1e}")
    return gap


def _repeats(trial: Trial) -> Figure:
    model, _ = trial.model
    again, _ = trial.fitted(trial.problem_of(2 * BATCH), epochs=1)
    first, second = model.reconstruct(trial.y.clone()), again.reconstruct(trial.y.clone())
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
    other.restore(trial.problem.training(trial.seed), load(saved))
    before, after = model.reconstruct(trial.y.clone()), other.reconstruct(trial.y.clone())
    if not same(before, after):
        gap = float((before - after).abs().max())
        raise Broken(f"reconstructions after reloading differ by up to {gap:.1e}")
    return f"{len(saved) / 1024:.0f} KiB"


def _input_kept(trial: Trial) -> Figure:
    given = trial.y.clone()
    trial.model[0].reconstruct(given)
    if not same(given, trial.y):
        raise Broken("reconstruct modifies its input")
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
}
