"""Total variation against scikit-image, and against the conditions that its minimiser fulfils."""

import numpy as np
import pytest
import torch
from skimage import data
from skimage.restoration import denoise_tv_chambolle

from bench.datasets import Splits
from bench.metrics.psnr import psnr
from bench.models.shared.linear import System
from bench.models.tv import TV, gradient, gradient_adjoint
from bench.operators.ct import CT
from bench.operators.denoising import Denoising
from bench.problem import Problem
from bench.runs.evaluation import reconstructed

CPU = torch.device("cpu")


def camera_windows(count: int, size: int = 48) -> torch.Tensor:
    """Windows of scikit-image's camera man, (count, 1, size, size) uint8."""
    image = torch.from_numpy(data.camera())
    rows = range(40, 40 + 25 * count, 25)
    return torch.stack([image[r : r + size, 180 : 180 + size] for r in rows])[:, None]


def objective(system: System, x: torch.Tensor, y: torch.Tensor, weight: float) -> torch.Tensor:
    """What is minimised, per image."""
    misfit = (system.forward(x) - system.scaled(y)).square().flatten(1).sum(1) / 2
    return misfit + weight * gradient(x).square().sum((0, 2)).sqrt().flatten(1).sum(1)


def test_gradient_adjoint():
    """<grad x, p> = <x, grad* p>: with another the iteration would converge to something else."""
    x, p = torch.randn(2, 3, 5, 7).double(), torch.randn(2, 2, 3, 5, 7).double()
    torch.testing.assert_close((gradient(x) * p).sum(), (x * gradient_adjoint(p)).sum())


def test_denoising_is_scikit_images():
    """For A = 1 and one channel, the minimiser is that of Chambolle's algorithm in scikit-image."""
    x = camera_windows(2).float() / 255
    y = (x + 0.1 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))).clamp(0.05, 0.95)
    system = System(Denoising((1, 48, 48)), CPU)
    ours = TV(iterations=1000).minimise(system, y, 0.12 / system.norm**2)
    for image, measured in zip(ours, y, strict=True):
        theirs = denoise_tv_chambolle(measured[0].numpy(), weight=0.12, eps=0, max_num_iter=2000)
        np.testing.assert_allclose(image[0], theirs, atol=2e-3)


def test_chosen_weight_is_as_good_as_scikit_images_best():
    """On test images, the weight chosen on the validation split gives the PSNR of their best weight."""
    windows = camera_windows(16)
    problem = Problem(Denoising((1, 48, 48)), Splits(windows[::2], windows[1::2], windows[::2]))
    model = TV()
    model.fit(problem.training())
    batch = next(problem.test_batches())
    y, x, _ = batch
    best = max(
        np.mean([
            float(psnr(torch.from_numpy(denoise_tv_chambolle(m[0].numpy(), weight=w))[None, None], t[None]))
            for m, t in zip(y, x, strict=True)
        ])
        for w in np.geomspace(0.02, 0.3, 12)
    )  # fmt: skip
    assert float(psnr(reconstructed(model, batch), x).mean()) > best - 0.05


def test_nothing_near_is_better():
    """On CT the result is the minimum over [0, 1]: no small change within it lowers the objective."""
    generator = torch.Generator().manual_seed(0)
    operator = CT((3, 12, 12), angles=6)
    y = operator.forward(torch.rand(2, 3, 12, 12, generator=generator))
    system = System(operator, CPU)
    x = TV(iterations=2000).minimise(system, y, 0.01)
    assert x.min() >= 0
    assert x.max() <= 1
    least = objective(system, x.double(), y.double(), 0.01)
    for scale in (1e-1, 1e-2, 1e-3):
        other = (x + scale * torch.randn(x.shape, generator=generator)).clamp(0, 1)
        assert (objective(system, other.double(), y.double(), 0.01) > least).all()


def test_extreme_weights():
    """Weight 0 leaves a measurement without noise as it is; a large one leaves the mean of the image."""
    y = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    model, system = TV(iterations=1000), System(Denoising((1, 8, 8)), CPU)
    torch.testing.assert_close(model.minimise(system, y, 0.0), y, atol=1e-4, rtol=0)
    flat = y.mean((2, 3), keepdim=True).expand_as(y)
    torch.testing.assert_close(model.minimise(system, y, 100.0), flat, atol=1e-3, rtol=0)


@pytest.mark.parametrize("bad", [{"weight": -1.0}, {"weight": float("nan")}, {"iterations": 0}])
def test_bad_values(bad):
    """Values that mean nothing are refused, naming them."""
    with pytest.raises(ValueError, match="must be at least"):
        TV(**bad)


def test_an_exact_image_does_not_choose_the_weight(make_problem):
    """A black window is exact at every weight, +inf: the weight is chosen by the others all the same.

    With 70 % of the pixels dropped, total variation fills in: far above leaving them black.
    """
    problem = make_problem("inpainting", size=16)
    problem.splits.validation.images[0] = 0
    model = TV()
    model.fit(problem.training())
    batch = next(problem.test_batches())
    y, x, _ = batch
    assert psnr(reconstructed(model, batch), x).mean() > psnr(y, x).mean() + 5
