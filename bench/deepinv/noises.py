"""deepinv's noise models as operators, with the harness's generator."""

import copy
import inspect
from typing import Any

import torch
from deepinv import physics
from torch import Tensor

from bench.deepinv.layout import forked
from bench.deepinv.operators import made_class
from bench.operators import Operator

#: Models that take no generator: the global one is forked and seeded for them.
GLOBAL = frozenset({"GammaNoise", "FisherTippettNoise"})
#: What text can set of each; annotations that deepinv leaves open are numbers.
NOISES = {
    "FisherTippettNoise": ("l", "floor"),
    "GammaNoise": ("l", "floor"),
    "GaussianNoise": ("sigma",),
    "LaplaceNoise": ("b",),
    "LogPoissonNoise": ("N0", "mu"),
    "PoissonGaussianNoise": ("gain", "sigma", "clip_positive"),
    "PoissonNoise": ("gain", "normalize", "clip_positive"),
    "RicianNoise": ("sigma",),
    "SaltPepperNoise": ("p", "s"),
    "UniformGaussianNoise": ("sigma_min", "sigma_max"),
    "UniformNoise": ("a",),
    "ZeroNoise": (),
}
#: Intensities below this count as this much where the law has none at 0: Gamma, Fisher-Tippett.
FLOOR = 1e-3


class NoiseOperator(Operator):
    """A noise model of deepinv, all of whose random numbers come from the harness's generator.

    ``inverse`` is the identity, as of every noise. Of Poisson noise, negative intensities count as 0
    (``clip_positive``), as what comes before it in a chain may have some.

    Args:
        image_shape: shape of one measurement, any number of axes.
        seed: not used: noise hangs on the generator.
        floor: least intensity, of the models that have no law at 0.
        params: what the noise model takes.
    """

    noise = True
    theirs: type = physics.ZeroNoise

    def __init__(
        self,
        image_shape: tuple[int, ...],
        seed: int = 0,
        floor: float = FLOOR,
        made: Any = None,
        **params: Any,
    ):
        super().__init__(image_shape)
        if "clip_positive" in inspect.signature(self.theirs).parameters:
            params.setdefault("clip_positive", True)
        self.model = made or self.theirs(**params)
        self.floor = floor
        self._models: dict[torch.device, Any] = {torch.device("cpu"): self.model}
        if isinstance(self.model, physics.GaussianNoise):
            self.gaussian = float(self.model.sigma)

    def forward(self, x: Tensor, generator: torch.Generator) -> Tensor:
        model = self.on(x.device)
        if type(model).__name__ in GLOBAL:
            with forked(generator):
                y: Tensor = model(x.clamp_min(self.floor))
            return y
        model.rng = generator
        y = model(x)
        model.rng = None
        return y.clone() if y is x else y

    def inverse(self, y: Tensor) -> Tensor:
        return y

    def deviation(self, clean: Tensor) -> Tensor | None:
        """``sigma``, ``sqrt(gain x)``, or the root of the sum of their squares."""
        model = self.on(clean.device)
        kind = type(model).__name__
        if kind not in ("GaussianNoise", "PoissonNoise", "PoissonGaussianNoise"):
            return None
        sigma, gain = getattr(model, "sigma", 0.0), getattr(model, "gain", 0.0)
        if kind == "PoissonNoise" and not bool(model.normalize):
            return None
        return (sigma**2 + gain * clean.clamp_min(0)).sqrt().expand_as(clean)

    def on(self, device: torch.device) -> Any:
        """The noise model on a device."""
        if device not in self._models:
            self._models[device] = copy.deepcopy(self.model).to(device)
        return self._models[device]


def noise_class(name: str, theirs: type) -> type[Operator]:
    """The operator class of a noise model."""
    known = inspect.signature(theirs).parameters
    parameters = [inspect.Parameter("image_shape", inspect.Parameter.POSITIONAL_OR_KEYWORD)]
    for key in NOISES[name]:
        default = True if key == "clip_positive" else FLOOR if key == "floor" else known[key].default
        kind = bool if isinstance(default, bool) else float
        parameters.append(
            inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        )
    first = (inspect.getdoc(theirs) or name).split("\n\n")[0].replace("\n", " ")
    doc = f"{first}\n\ndeepinv's {theirs.__module__}.{name}."
    return made_class(name, NoiseOperator, {"theirs": theirs, "__doc__": doc}, parameters)


def noise_operator(model: Any, shape: tuple[int, ...]) -> Operator | None:
    """The operator of a noise model that a physics has by itself; None where that adds nothing."""
    return None if model is None or isinstance(model, physics.ZeroNoise) else NoiseOperator(shape, made=model)
