"""How networks are trained, and the presets."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from bench.errors import UsageError
from bench.parameters import UNKNOWN_REFUSED, check_parameters
from bench.registry import is_path

#: Epochs, images of a batch: more than this is a slip of the finger, and overflows what counts them.
LARGEST = 10**9


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    Attributes:
        epochs: passes over the training images.
        batch_size: images per step.
        lr: learning rate (its peak, where the schedule moves it).
        optimizer: any of ``torch.optim`` with its parameters: ``adam``, ``sgd:momentum=0.9,nesterov=true``;
            or the path of a ``.py`` file.
        weight_decay: of the optimizer, decoupled in ``adamw``.
        schedule: ``constant``; ``cosine`` from lr to 0; ``onecycle`` (Smith 2018), up and down again.
        loss: ``mse``, ``l1``, ``ssim`` (0.84 (1 - SSIM) + 0.16 L1, Zhao et al. 2017), one of ``torch.nn``
            (``SmoothL1Loss:beta=0.1``), or the path of a ``.py`` file.
        precision: ``float32`` or ``bfloat16`` autocast.
        clip: largest norm of the gradient; 0 is off.
        ema: decay per step of an exponential moving average of the weights; 0 is off.
        patience: epochs without a better validation PSNR after which training stops; 0 is off.
        augment: whether images are mirrored at random.
    """

    __pydantic_config__ = UNKNOWN_REFUSED

    epochs: int = 8
    batch_size: int = 32
    lr: float = 4e-3
    optimizer: str = "adam"
    weight_decay: float = 0.0
    schedule: Literal["constant", "cosine", "onecycle"] = "onecycle"
    loss: str = "mse"
    precision: Literal["float32", "bfloat16"] = "float32"
    clip: float = 0.0
    ema: float = 0.0
    patience: int = 0
    augment: bool = False

    def __post_init__(self) -> None:
        least = {"epochs": 1, "batch_size": 1, "patience": 0, "weight_decay": 0, "clip": 0, "ema": 0}
        for name, bound in least.items():
            value = getattr(self, name)
            if not bound <= value < math.inf:
                raise UsageError(f"{name} must be at least {bound} (and finite), not {value}")
            if isinstance(value, int) and value > LARGEST:
                raise UsageError(f"{name} can be at most {LARGEST}, not {value}")
        if self.ema >= 1:
            raise UsageError(f"ema must be below 1, not {self.ema}")
        name, colon, parameters = self.optimizer.partition(":")
        if not is_path(name):
            object.__setattr__(self, "optimizer", name.lower() + colon + parameters)
        if self.weight_decay and self.optimizer == "adam":
            raise UsageError("weight_decay has no effect with optimizer adam; choose adamw")
        if not 0 < self.lr < math.inf:
            raise UsageError(f"lr must be positive (and finite), not {self.lr}")


@dataclass(frozen=True)
class Preset:
    """A named setting.

    Attributes:
        recipe: of every model that trains.
        parameters: for the dataset and the model, where they take them.
        own_recipes: whether values that a model brings itself go before the recipe's.
    """

    recipe: Recipe
    parameters: Mapping[str, Any]
    own_recipes: bool = False


PRESETS = {
    # Minutes on two CPU cores: each component's own defaults.
    "quick": Preset(Recipe(), {}, own_recipes=True),
    # Hauptmann & Adler: 96x96, plain network of width 64, Adam 2e-3, batch 32, 35 epochs, MSE.
    "paper": Preset(
        Recipe(epochs=35, batch_size=32, lr=2e-3, schedule="constant"),
        {"size": 96, "width": 64, "residual": False, "train": 90_000, "test": 10_000},
    ),
}


def override(recipe: Recipe, changes: Mapping[str, Any]) -> Recipe:
    """``recipe`` with the values of ``changes`` that are not None.

    Raises:
        UsageError: an unknown name, or a value that does not fit.
    """
    given = {k: v for k, v in changes.items() if v is not None}
    return replace(recipe, **check_parameters(Recipe, "the recipe", given))
