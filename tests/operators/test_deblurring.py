"""The deblurring operator against SciPy's convolution."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from bench.operators.deblurring import Deblurring

GENERATOR = torch.Generator()


@pytest.mark.parametrize("settings", [{}, {"kernel": "motion"}, {"sigma": 1.0, "kernel_size": 5}])
@pytest.mark.parametrize("size", [(32, 32), (15, 22)])
def test_is_a_convolution(settings, size):
    """The FFT does what SciPy's convolution with wrapped edges does, even sides and odd ones."""
    operator = Deblurring((1, *size), **settings)
    x = torch.rand(1, 1, *size, dtype=torch.float64, generator=GENERATOR)
    expected = ndimage.convolve(x[0, 0].numpy(), operator.kernel.numpy(), mode="wrap")
    np.testing.assert_allclose(operator.forward(x, GENERATOR)[0, 0].numpy(), expected, atol=1e-12)


def test_gaussian_of_dps():
    """The default on a large image is DPS's 61x61 kernel: the Gaussian of sigma 3 that SciPy has too."""
    kernel = Deblurring((1, 256, 256)).kernel.numpy()
    point = np.zeros((61, 61))
    point[30, 30] = 1
    expected = ndimage.gaussian_filter(point, 3.0, truncate=10.0, mode="constant")
    np.testing.assert_allclose(kernel, expected, atol=1e-9)


@pytest.mark.parametrize("size", [1, 3, 9, 61])
@pytest.mark.parametrize("intensity", [0.0, 0.5, 1.0])
def test_motion_kernel(size, intensity):
    """A motion kernel keeps brightness and place: it is not negative, sums to 1, is centred."""
    kernel = Deblurring((1, 64, 64), kernel="motion", kernel_size=size, intensity=intensity).kernel
    assert kernel.shape == (size, size)
    assert kernel.min() >= 0
    assert kernel.sum() == pytest.approx(1.0)
    at = torch.arange(size, dtype=torch.float64) - size // 2
    assert abs((kernel.sum(0) * at).sum()) < 0.3
    assert abs((kernel.sum(1) * at).sum()) < 0.3


def test_straight_motion_is_a_line():
    """Intensity 0 is motion on a straight line: the kernel's covariance has one axis only."""
    kernel = Deblurring((1, 64, 64), kernel="motion", intensity=0.0).kernel
    at = torch.arange(61, dtype=torch.float64) - 30
    rows, columns = kernel.sum(1), kernel.sum(0)
    cross = (kernel * at[:, None] * at).sum()
    spread = torch.stack([(rows * at**2).sum(), cross, cross, (columns * at**2).sum()]).view(2, 2)
    small, large = torch.linalg.eigvalsh(spread)
    assert small < 1
    assert large == pytest.approx(30.5**2 / 12, rel=0.05)


def test_wiener_filter_undoes_a_mild_blur():
    """Without noise and with a small balance, the inverse returns the image."""
    x = torch.rand(2, 3, 16, 16, dtype=torch.float64, generator=GENERATOR)
    operator = Deblurring((3, 16, 16), sigma=0.5, balance=1e-12)
    torch.testing.assert_close(operator.inverse(operator.forward(x, GENERATOR)), x, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    "params", [{"sigma": 0.0}, {"kernel_size": 4}, {"kernel_size": -1}, {"intensity": 1.5}, {"balance": 0.0}]
)
def test_bad_values(params):
    """Each impossible value is refused by name."""
    with pytest.raises(ValueError, match=next(iter(params))):
        Deblurring((1, 16, 16), **params)
