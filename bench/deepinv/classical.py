"""Denoisers of deepinv that learn nothing, and the deep image prior."""

from collections.abc import Callable
from typing import Any, ClassVar, Literal

import torch
from deepinv import models, optim
from torch import Tensor, nn

from bench.deepinv.choosing import best_on_validation
from bench.deepinv.convert import native, why_not_native
from bench.deepinv.layout import forked
from bench.errors import at_least
from bench.models import Model
from bench.models.shared.linear import System
from bench.operators import Operator
from bench.operators.shared.chain import Identity, last_noise, without_noise
from bench.problem import TrainingProblem
from bench.training import History

#: Strengths tried first, for values in [0, 1]; then the best is refined by smaller factors.
COARSE = (1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1)
FACTORS = (1.7, 1.3)

Denoise = Callable[[Tensor, float], Tensor]


def TVDenoiser(steps: int = 200) -> Denoise:
    """Total variation, by a primal-dual method with a fixed number of steps; strength: its weight."""
    return lambda x, strength: _fresh(models.TVDenoiser, steps, x, strength)


def TVL1Denoiser(steps: int = 200) -> Denoise:
    """Total variation with a data term that bears outliers; strength: its weight."""
    return lambda x, strength: _fresh(models.TVL1Denoiser, steps, x, strength)


def TGVDenoiser(steps: int = 200) -> Denoise:
    """Total generalised variation of second order, with a fixed number of steps; strength: its weight."""
    return lambda x, strength: _fresh(models.TGVDenoiser, steps, x, strength)


def WaveletDenoiser(
    level: int = 2, wv: str = "db8", non_linearity: Literal["soft", "hard"] = "soft"
) -> Denoise:
    """Wavelet coefficients thresholded, in one orthogonal basis; strength: the threshold."""
    made: Denoise = models.WaveletDenoiser(level=level, wv=wv, non_linearity=non_linearity)
    return made


def WaveletDictDenoiser(
    level: int = 2, steps: int = 10, non_linearity: Literal["soft", "hard"] = "soft"
) -> Denoise:
    """Wavelet coefficients thresholded in two bases, db8 and db4; strength: the threshold."""
    made: Denoise = models.WaveletDictDenoiser(level=level, max_iter=steps, non_linearity=non_linearity)
    return made


def BilateralFilter(sigma_d: float = 1.0, window_size: int = 5) -> Denoise:
    """Averages of near pixels of near values; strength: how near, in value."""
    made = models.BilateralFilter()
    return lambda x, strength: made(x, sigma_d=sigma_d, sigma_r=strength, window_size=window_size)


def MedianFilter(kernel_size: int = 3) -> Denoise:
    """The median of a square window; strength: how much of it, 1 at 0.3 and above, beside the image."""
    made = models.MedianFilter(kernel_size, padding=0, same=True)
    return lambda x, strength: torch.lerp(x, made(x), min(strength / 0.3, 1.0))


def BM3D(search_radius: int = 19, hard_threshold: float = 3.0) -> Denoise:
    """Similar patches found, stacked and filtered in two stages, by deepinv's own code; strength: sigma."""
    made: Denoise = models.BM3D(use_legacy=False, search_radius=search_radius, hard_threshold=hard_threshold)
    return made


def _fresh(kind: Any, steps: int, x: Tensor, strength: float) -> Tensor:
    """By a new object, as one starts from what it found last; so many steps, whatever the batch."""
    out: Tensor = kind(n_it_max=steps, crit=0.0)(x, strength)
    return out


CLASSICAL: dict[str, Callable[..., Denoise]] = {
    maker.__name__: maker
    for maker in (
        TVDenoiser, TVL1Denoiser, TGVDenoiser, WaveletDenoiser, WaveletDictDenoiser, BilateralFilter,
        MedianFilter, BM3D,
    )
}  # fmt: skip


class ClassicalDenoiser(Model):
    """Directly where the operator only adds noise, elsewhere as the prior of deepinv's plug-and-play.

    Args:
        strength: of the denoiser; default: the best by PSNR on the validation split.
        iterations: of plug-and-play proximal gradient descent.
        settings: of the denoiser.
    """

    maker: ClassVar[Callable[..., Denoise]]
    chosen: Tensor

    def __init__(self, strength: float | None = None, iterations: int = 20, **settings: Any):
        at_least(1, iterations=iterations)
        if strength is not None and not strength > 0:
            raise ValueError(f"strength must be positive, not {strength}")
        self.strength, self.iterations = strength, iterations
        self.denoise = type(self).maker(**settings)

    def fits(self, operator: Operator) -> str:
        return why_not_native(operator)

    @torch.no_grad()
    def fit(self, problem: TrainingProblem) -> History:
        best, self.trials = choose_strength(problem, self.denoise, self.iterations, self.strength)
        self.chosen = torch.tensor(best, device=problem.device)
        return []

    def reconstruct(self, y: Tensor, operator: Operator, generator: torch.Generator) -> Tensor:
        return plug_and_play(self.denoise, float(self.chosen), y, operator, self.iterations)


class _AsModule(nn.Module):
    """A denoiser as deepinv's priors call it."""

    def __init__(self, denoise: Denoise):
        super().__init__()
        self.denoise = denoise

    def forward(self, x: Tensor, sigma: Any, *args: Any, **kwargs: Any) -> Tensor:
        return self.denoise(x, float(sigma))


def plug_and_play(
    denoise: Denoise, strength: float, y: Tensor, operator: Operator, iterations: int
) -> Tensor:
    """``x <- D(x - A*(A x - y) / |A|^2)`` by deepinv's proximal gradient; of noise alone ``D(y)``."""
    if isinstance(without_noise(operator), Identity):
        return denoise(y, strength)
    given = native(operator, y.device)
    step = 1 / System(operator, y.device).norm ** 2
    method = optim.PGD(
        data_fidelity=optim.L2(),
        prior=optim.PnP(_AsModule(denoise)),
        stepsize=step,
        sigma_denoiser=strength,
        max_iter=iterations,
        early_stop=False,
        custom_init=lambda y, physics: {"est": (step * physics.A_adjoint(y),) * 2},
    )
    x: Tensor = method(given.measurement(y), given.physics)
    return given.image(x)


def choose_strength(
    problem: TrainingProblem, denoise: Denoise, iterations: int, given: float | None
) -> tuple[float, int]:
    """The strength that is best on the validation split, and how many were tried."""
    if given is not None:
        return given, 1
    low, high = problem.value_range

    def image(y: Tensor, operator: Operator, strength: float) -> Tensor:
        return plug_and_play(denoise, strength, y, operator, iterations)

    return best_on_validation(problem, image, [(high - low) * strength for strength in COARSE], FACTORS)


def known_sigma(operator: Operator) -> float | None:
    """The deviation of Gaussian noise at the end of a chain; None of any other."""
    noise = last_noise(operator)
    return None if noise is None else noise.gaussian


class DeepImagePrior(Model):
    """The deep image prior: a convolutional decoder fitted to each measurement, from noise, stopped early.

    Nothing is learned from images. Every image has a decoder of its own, whose weights and input hang on the
    generator.

    Args:
        iterations: of Adam.
        learning_rate: of Adam.
        channels: of the decoder.
        layers: of the decoder.

    Reference:
        Ulyanov et al.: Deep image prior, CVPR 2018. Darestani & Heckel: ConvDecoder, 2021.
    """

    supervised = False

    def __init__(
        self, iterations: int = 500, learning_rate: float = 1e-2, channels: int = 64, layers: int = 5
    ):
        at_least(1, iterations=iterations, channels=channels)
        at_least(3, layers=layers)
        self.iterations, self.learning_rate = iterations, learning_rate
        self.channels, self.layers = channels, layers

    def fit(self, problem: TrainingProblem) -> History:
        return []

    def reconstruct(self, y: Tensor, operator: Operator, generator: torch.Generator) -> Tensor:
        given = native(operator, y.device)
        with torch.inference_mode(False):
            images = [self._one(one, operator, given, generator) for one in y.clone().split(1)]
        return torch.cat(images)

    def _one(self, y: Tensor, operator: Operator, given: Any, generator: torch.Generator) -> Tensor:
        size = tuple(operator.image_shape[-2:])
        start = tuple(min(4, side) for side in size)
        with forked(generator), torch.enable_grad():
            folded = given.wrapped.images.folded if given.wrapped else 1
            shape = (given.channels, *size)
            found = []
            for part in range(folded):
                decoder = models.ConvDecoder(shape, start, self.layers, self.channels).to(y.device)
                method = models.DeepImagePrior(
                    decoder, (self.channels, *start), self.iterations, self.learning_rate
                )
                measured = given.measurement(y)
                found.append(method(measured[part : part + 1] if folded > 1 else measured, given.physics))
        image: Tensor = given.image(torch.cat(found))
        return image.detach()
