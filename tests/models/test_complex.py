"""Linear and unrolled methods on complex images, and what an operator's own norm spares them."""

import numpy as np
import pytest
import torch

from bench import registry
from bench.component import Component, parse_chain
from bench.datasets import Splits
from bench.models.shared import linear
from bench.operators.shared.cartesian import Cartesian, Scan
from bench.problem import Problem, build_operator
from bench.recipe import Recipe
from bench.runs.assembly import build_model
from bench.training import Trainer
from tests.models.conftest import smooth_images

METHODS = [
    "adjoint",
    "tv:iterations=30",
    "cgls:iterations=10",
    "landweber:iterations=10",
    "unrolled_gradient:iterations=2,memory=1,width=4",
    "learned_primal_dual:iterations=2,memory=1,width=4",
]


def phased(count: int, channels: int, size: int, seed: int) -> torch.Tensor:
    """Smooth magnitudes whose phase turns over the image, complex64."""
    magnitude = smooth_images(count, channels, size, seed).float() / 255
    return torch.polar(magnitude, torch.linspace(0, 3, size).expand_as(magnitude).contiguous())


def problem(text: str, channels: int = 1, size: int = 16) -> Problem:
    """A problem on complex images."""
    images = Splits(*(phased(count, channels, size, k) for k, count in enumerate((24, 4, 4))))
    parts = [part.checked(registry.operators) for part in parse_chain(text)]
    return Problem(build_operator(parts, images.image_shape, 0, torch.complex64), images)


def fitted(text: str, seen: Problem):
    """A model after a short training."""
    model = build_model(Component.parse(text).checked(registry.models), 0)
    assert model.fits(seen.operator) == ""
    model.trainer = Trainer(Recipe(epochs=2, batch_size=8, lr=1e-3))
    model.fit(seen.training())
    return model


@pytest.mark.parametrize("text", METHODS)
@pytest.mark.parametrize(
    ("operator", "channels"),
    [("mri:acceleration=2,coils=3+noise:sigma=0.02", 1), ("mri:acceleration=2", 2), ("inpainting", 1)],
)
def test_methods_keep_the_phase(text, operator, channels):
    """Complex images come back complex, their imaginary part with them, no worse than zero-filling."""
    seen = problem(operator, channels)
    batch = next(seen.test_batches())
    image = fitted(text, seen).reconstruct(batch.y, batch.operator, torch.Generator())
    assert image.dtype == torch.complex64
    assert image.shape == batch.x.shape
    assert (image.imag * batch.x.imag).sum() > 0.2 * batch.x.imag.square().sum()
    error = (image - batch.x).norm()
    zero_filled = (fitted("adjoint", seen).reconstruct(batch.y, batch.operator, None) - batch.x).norm()
    assert error < 1.02 * zero_filled


def test_cgls_is_numpy_s_least_squares():
    """With several coils and half the lines its limit is the pseudo-inverse of the complex matrix."""
    seen = problem("mri:acceleration=2,centre_fraction=0.1,coils=4", size=8)
    operator = seen.operator
    units = torch.eye(64, dtype=torch.complex64).reshape(-1, 1, 8, 8)
    columns = torch.complex(*operator.forward(units, torch.Generator()).flatten(1).chunk(2, 1)).numpy().T
    y = next(seen.test_batches()).y
    measured = torch.complex(*y.flatten(1).chunk(2, 1)).numpy().T
    expected = np.linalg.lstsq(columns.astype(complex), measured, rcond=None)[0].T.reshape(-1, 1, 8, 8)
    model = build_model(Component.parse("cgls").checked(registry.models), 0)
    model.chosen = torch.tensor(80)
    found = model.reconstruct(y, operator, torch.Generator())
    assert np.abs(found.numpy() - expected).max() < 2e-3


def test_real_images_as_complex_ones():
    """Total variation of images without a phase, fully measured, is that of the same images as real ones."""
    x = smooth_images(2, 1, 16, 4).float() / 255
    model = build_model(Component.parse("tv:weight=0.05,iterations=100").checked(registry.models), 0)
    model.chosen = torch.tensor(0.05)
    parts = [part.checked(registry.operators) for part in parse_chain("denoising")]
    real = build_operator(parts, (1, 16, 16), 0)
    phase = problem("mri:acceleration=1,centre_fraction=1").operator
    y = phase.forward(x.to(torch.complex64), torch.Generator())
    found = model.reconstruct(y, phase, torch.Generator())
    assert torch.allclose(found.real, model.reconstruct(x, real, torch.Generator()), atol=1e-3)
    assert found.imag.abs().max() < 1e-4


@pytest.mark.parametrize("text", ["denoising", "mri", "deepinv.MRI"])
def test_a_norm_that_is_told_is_right(text):
    """It is what power iteration finds."""
    if text.startswith("deepinv"):
        pytest.importorskip("deepinv")
    seen = problem(text)
    system = linear.System(seen.operator, torch.device("cpu"))
    assert system.operator.norm is not None
    system.norm = 1.0
    found = system._norm(torch.device("cpu")) / linear.MARGIN
    assert system.operator.norm == pytest.approx(found, rel=1e-3)


def test_operators_of_items_need_no_power_iteration(monkeypatch):
    """Recorded scans say their norm: maps whose squares sum to 4 have 2."""
    monkeypatch.setattr(linear.System, "_norm", lambda *_: pytest.fail("power iteration"))
    lines = torch.ones(16, dtype=torch.bool)
    maps = torch.ones(4, 16, 16, dtype=torch.complex64)
    for scan, norm in ((Scan((16, 16), lines), 1.0), (Scan((16, 16), lines, maps), 2.0)):
        operator = Cartesian((1, 16, 16), [scan], 4, (16, 16))
        system = linear.System(operator, torch.device("cpu"))
        assert system.bare_norm == pytest.approx(norm)
