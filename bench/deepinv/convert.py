"""Operators of the harness as physics of deepinv."""

import copy
from dataclasses import dataclass
from typing import Any

import torch
from deepinv import physics
from torch import Tensor

from bench.deepinv.noises import NoiseOperator
from bench.deepinv.operators import PhysicsOperator
from bench.models.shared.linear import why_not_linear
from bench.operators import Operator, note
from bench.operators.noise import Noise
from bench.operators.shared.chain import Identity, last_noise, without_noise


def to_deepinv(operator: Operator, rng: torch.Generator | None = None) -> Any:
    """An operator as a physics of deepinv, for its algorithms, losses and trainer.

    ``A`` is what the harness's methods reconstruct with: the chain without its noise (the coarser one, of
    an operator that simulates more finely than it reconstructs); of a linear operator ``A_adjoint`` is the
    exact adjoint and ``A_dagger`` its closed-form inverse where that is the pseudo-inverse, else deepinv's
    iterations (``A_dagger(y, fbp=True)``: the filtered back-projection of ``ct``). Called, the physics
    measures as the harness does, noise wherever the chain has it. Gaussian and Poisson noise at the end of
    a chain are deepinv's own models, which its methods ask for ``sigma`` and ``gain``.

    A physics of deepinv's comes back as it is, with the noise that the chain names.

    Args:
        operator: chains included; images ``(B, C, H, W)`` are real.
        rng: where noise comes from; default: torch's global generator.

    Returns:
        A ``deepinv.physics.LinearPhysics`` if the operator is linear apart from noise, else a ``Physics``.

    Example:
        >>> from bench.operators.ct import CT
        >>> physics = to_deepinv(CT((1, 16, 16), angles=12))
        >>> physics.A_adjoint(physics.A(torch.ones(2, 1, 16, 16))).shape
        torch.Size([2, 1, 16, 16])
    """
    clean = without_noise(operator)
    noise = _noise_model(last_noise(operator), rng)
    if isinstance(clean, PhysicsOperator) and clean.layout.plain and clean.images.kind == "plain":
        made = copy.deepcopy(clean.physics(torch.device("cpu")))
        made.set_noise_model(noise)
        return made
    if isinstance(clean, Identity):
        return physics.Denoising(noise)
    kind = LinearOperatorPhysics if clean.linear else OperatorPhysics
    return kind(operator, clean.system if clean.linear else clean, noise, rng)


class OperatorPhysics(physics.Physics):  # type: ignore[misc]
    """A nonlinear operator as a physics.

    Args:
        whole: what measures, noise included.
        clean: what ``A`` is.
        noise: deepinv's model of the last noise.
        rng: where all noise comes from; default: torch's global generator.
    """

    def __init__(self, whole: Operator, clean: Operator, noise: Any, rng: torch.Generator | None = None):
        super().__init__(noise_model=noise)
        self.rng = rng
        self.whole, self.clean = whole, clean

    def A(self, x: Tensor, **kwargs: Any) -> Tensor:
        """The noise-free measurement."""
        with torch.autocast(x.device.type, enabled=False):
            return self.clean.forward(x, torch.Generator(x.device))

    def forward(self, x: Tensor, **kwargs: Any) -> Tensor:
        """The measurement as the harness makes it."""
        return self.whole.forward(x, self.rng if self.rng is not None else _from_global(x.device))


class LinearOperatorPhysics(OperatorPhysics, physics.LinearPhysics):  # type: ignore[misc]
    """A linear operator as a physics, with its exact adjoint."""

    exact: bool | None = None

    def A_adjoint(self, y: Tensor, **kwargs: Any) -> Tensor:
        """The exact adjoint."""
        with torch.autocast(y.device.type, enabled=False):
            return self.clean.adjoint(y)

    def A_dagger(self, y: Tensor, fbp: bool = False, **kwargs: Any) -> Tensor:
        """The pseudo-inverse: the operator's closed-form inverse where it is that, else by iteration.

        Args:
            y: measurements.
            fbp: as of deepinv's tomography, the closed-form inverse whether it is that or not.
            kwargs: of deepinv's solver.
        """
        if self.clean.can("inverse") and (fbp or self._closed(y)):
            return self.clean.inverse(y)
        x: Tensor = super().A_dagger(y, **kwargs)
        return x

    @torch.no_grad()
    def _closed(self, like: Tensor) -> bool:
        """Whether the closed-form inverse is the pseudo-inverse: ``A A+ A x = A x``, tried once."""
        if self.exact is None:
            x = torch.rand(1, *self.clean.image_shape, generator=torch.Generator().manual_seed(0))
            y = self.A(x.to(like.device))
            again = self.A(self.clean.inverse(y))
            self.exact = bool((again - y).norm() < 1e-4 * y.norm())
        return self.exact


class OperatorNoise(physics.NoiseModel):  # type: ignore[misc]
    """Noise of the harness as a noise model.

    Args:
        operator: a noise operator.
        rng: where its random numbers come from; default: torch's global generator.
    """

    def __init__(self, operator: Operator, rng: torch.Generator | None = None):
        super().__init__(rng=rng)
        self.operator = operator

    def forward(self, x: Tensor, seed: int | None = None, **kwargs: Any) -> Tensor:
        """A noisy copy."""
        self.rng_manual_seed(seed)
        return self.operator.forward(x, self.rng if self.rng is not None else _from_global(x.device))


@dataclass(frozen=True)
class Native:
    """What a method of deepinv is given in place of an operator, and how its images come back.

    Attributes:
        physics: the physics itself, where the operator wraps one.
        wrapped: that operator.
        channels: of an image as the method sees it.
    """

    physics: Any
    wrapped: PhysicsOperator | None
    channels: int

    def measurement(self, y: Tensor) -> Any:
        """``y`` as the physics gives it: complex, or a list."""
        return self.wrapped.layout.unpack(y) if self.wrapped else y

    def image(self, x: Tensor) -> Tensor:
        """The method's image as the harness's."""
        return self.wrapped.images.from_native(x, self.wrapped.image_dtype) if self.wrapped else x


def why_not_native(operator: Operator) -> str:
    """Why deepinv's denoisers, priors and networks cannot work with an operator; empty if they can."""
    if reason := why_not_linear(operator):
        return reason
    clean = without_noise(operator)
    kind = clean.images.kind if isinstance(clean, PhysicsOperator) else "plain"
    if kind in ("single", "complex"):
        return "deepinv sees its images as complex numbers, which denoisers and priors of deepinv do not take"
    if operator.image_dtype.is_complex and kind != "pairs":
        return "its images are complex, which methods of deepinv take from deepinv.MRI and MultiCoilMRI alone"
    return ""


def native(operator: Operator, device: torch.device) -> Native:
    """The physics that a method of deepinv works with; it uses the operator, which is noted."""
    note("forward", *(["adjoint"] if without_noise(operator).linear else []))
    known: dict[torch.device, Native] = vars(operator).setdefault("_native", {})
    if device not in known:
        clean = without_noise(operator)
        if isinstance(clean, PhysicsOperator):
            made = copy.deepcopy(clean.physics(device))
            made.set_noise_model(_noise_model(last_noise(operator), None).to(device))
            channels = clean.images.to_native(torch.zeros(1, *clean.image_shape)).shape[1]
            known[device] = Native(made, clean, channels)
        else:
            known[device] = Native(to_deepinv(operator).to(device), None, operator.image_shape[0])
    return known[device]


def _noise_model(noise: Operator | None, rng: torch.Generator | None) -> Any:
    if noise is None:
        return physics.ZeroNoise()
    if noise.gaussian is not None:
        return physics.GaussianNoise(noise.gaussian, rng=rng)
    if isinstance(noise, NoiseOperator):
        model = copy.deepcopy(noise.model)
        model.rng = rng
        return model
    alone = isinstance(noise, Noise) and not (noise.sigma or noise.salt_pepper or noise.bits)
    if alone and noise.photons is not None and noise.attenuation is None:  # type: ignore[attr-defined]
        gain = 1 / noise.photons  # type: ignore[attr-defined]
        return physics.PoissonNoise(gain, clip_positive=True, rng=rng)
    return OperatorNoise(noise, rng)


def _from_global(device: torch.device) -> torch.Generator:
    """A generator that follows torch's global one, as deepinv's own randomness does."""
    return torch.Generator(device).manual_seed(int(torch.randint(2**62, ())))
