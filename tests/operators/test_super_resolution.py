"""The super-resolution operator against Pillow's bicubic resizing."""

import numpy as np
import pytest
import torch
from PIL import Image

from bench.operators.super_resolution import SuperResolution

GENERATOR = torch.Generator()


def pillow(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Bicubic resizing of a float image."""
    return np.asarray(Image.fromarray(image).resize(size[::-1], Image.Resampling.BICUBIC))


@pytest.mark.parametrize("scale", [2, 4])
def test_agrees_with_pillow(scale):
    """Reduction and enlargement are the field's bicubic: a different one is worth decibels."""
    operator = SuperResolution((1, 24, 32), scale=scale)
    x = torch.rand(1, 1, 24, 32, generator=GENERATOR)
    y = operator.forward(x, GENERATOR)
    small = (24 // scale, 32 // scale)
    assert y.shape == (1, 1, *small)
    np.testing.assert_allclose(y[0, 0].numpy(), pillow(x[0, 0].numpy(), small), atol=1e-5)
    larger = operator.as_image(y)[0, 0].numpy()
    np.testing.assert_allclose(larger, pillow(y[0, 0].numpy(), (24, 32)), atol=1e-5)


def test_pseudo_inverse():
    """The Penrose conditions: A A+ A = A, and A+ A is an orthogonal projection."""
    operator = SuperResolution((1, 12, 8), scale=4)
    x, z = torch.rand(2, 1, 1, 12, 8, dtype=torch.float64, generator=GENERATOR)
    y = operator.forward(x, GENERATOR)
    torch.testing.assert_close(operator.forward(operator.inverse(y), GENERATOR), y)
    project = lambda image: operator.inverse(operator.forward(image, GENERATOR))  # noqa: E731
    torch.testing.assert_close((project(x) * z).sum(), (x * project(z)).sum())


@pytest.mark.parametrize(("scale", "message"), [(0, "scale must be positive"), (3, "does not divide")])
def test_bad_scale(scale, message):
    """A scale that does not divide the size is refused, not rounded."""
    with pytest.raises(ValueError, match=message):
        SuperResolution((1, 32, 32), scale=scale)
