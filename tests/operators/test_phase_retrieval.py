"""The phase-retrieval operator."""

import numpy as np
import pytest
import torch
from scipy.signal import correlate2d

from bench.operators.phase_retrieval import PhaseRetrieval

GENERATOR = torch.Generator()


@pytest.mark.parametrize("size", [(8, 8), (5, 7)])
def test_autocorrelation(size):
    """What a network sees is SciPy's autocorrelation: all lags that are not mirror images of others."""
    operator = PhaseRetrieval((1, *size))
    x = torch.rand(1, 1, *size, dtype=torch.float64, generator=GENERATOR)
    lags = correlate2d(x[0, 0].numpy(), x[0, 0].numpy()) / (2 * np.sqrt(size[0] * size[1]))
    height, width = size
    seen = operator.as_image(operator.forward(x, GENERATOR))[0].numpy()
    np.testing.assert_allclose(seen[0], lags[height - 1 :, width - 1 :], atol=1e-12)
    np.testing.assert_allclose(seen[1, :, 1:], lags[height - 1 :, : width - 1], atol=1e-12)


@pytest.mark.parametrize(("size", "oversample"), [((8, 8), 2), ((5, 7), 2), ((4, 5), 3), ((1, 3), 3)])
def test_against_the_whole_transform(size, oversample):
    """Half a transform and its mirror image are NumPy's whole one, there and, of noisy values, back."""
    operator = PhaseRetrieval((2, *size), oversample=oversample)
    x = torch.rand(3, 2, *size, dtype=torch.float64, generator=GENERATOR)
    (height, width), whole = size, [n * oversample for n in size]
    y = operator.forward(x, GENERATOR)
    np.testing.assert_allclose(y, np.abs(np.fft.fft2(x, s=whole, axes=(-2, -1), norm="ortho")), atol=1e-12)
    noisy = torch.rand(y.shape, dtype=torch.float64, generator=GENERATOR)
    lags = np.fft.ifft2(noisy.numpy() ** 2, norm="ortho").real[..., :height, :]
    seen = np.concatenate([lags[..., :width], lags[..., -width:]], 1)
    np.testing.assert_allclose(operator.as_image(noisy), seen, atol=1e-12)


def test_mirrored_image_has_the_same_measurement():
    """The trivial ambiguity of phase retrieval: a mirrored image measures the same."""
    x = torch.rand(2, 3, 6, 6, dtype=torch.float64, generator=GENERATOR)
    operator = PhaseRetrieval((3, 6, 6))
    torch.testing.assert_close(operator.forward(x.flip(2, 3), GENERATOR), operator.forward(x, GENERATOR))


def test_bad_oversampling():
    """Below 2 the autocorrelation overlaps itself."""
    with pytest.raises(ValueError, match="oversample must be at least 2, not 1"):
        PhaseRetrieval((1, 8, 8), oversample=1)
