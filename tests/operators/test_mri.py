"""The MRI operator against NumPy's Fourier transform."""

import math

import numpy as np
import pytest
import torch

from bench.operators.mri import MRI
from bench.operators.noise import Noise
from bench.operators.shared.chain import Chain

GENERATOR = torch.Generator()


@pytest.mark.parametrize("size", [(16, 32), (15, 21)])
def test_measures_columns_of_the_transform(size):
    """The measurement is the chosen columns of the centred unitary transform, as NumPy computes it."""
    operator = MRI((1, *size))
    x = torch.rand(1, 1, *size, dtype=torch.float64, generator=GENERATOR)
    expected = np.fft.fftshift(np.fft.fft2(x[0, 0].numpy(), norm="ortho"))[:, operator.lines.numpy()]
    y = operator.forward(x, GENERATOR)[0].numpy()
    np.testing.assert_allclose(y[0] + 1j * y[1], expected, atol=1e-12)


@pytest.mark.parametrize(("acceleration", "centre"), [(4, 0.08), (8, 0.04)])
def test_fastmri_lines(acceleration, centre):
    """At fastMRI's 320 columns: so many lines, the middle ones all there, the zero frequency too."""
    lines = MRI((1, 320, 320), acceleration=acceleration, centre_fraction=centre).lines.tolist()
    assert len(lines) == len(set(lines)) == 320 // acceleration
    middle = round(320 * centre)
    first = (320 - middle + 1) // 2  # fastMRI's RandomMaskFunc: pad = (num_cols - num_low + 1) // 2
    assert set(range(first, first + middle)) <= set(lines)
    assert 160 in lines


def test_all_lines_are_an_exact_inverse():
    """With acceleration 1 nothing is missing and zero filling returns the image."""
    operator = MRI((3, 9, 12), acceleration=1, centre_fraction=1.0)
    x = torch.rand(2, 3, 9, 12, generator=GENERATOR)
    torch.testing.assert_close(operator.inverse(operator.forward(x, GENERATOR)), x)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"acceleration": 0.5}, "acceleration must be at least 1"),
        ({"centre_fraction": 0.0}, "centre_fraction must be above 0"),
        ({"centre_fraction": 0.5}, "more than all lines"),
    ],
)
def test_bad_values(params, message):
    """Values that no scan can have are refused with the range."""
    with pytest.raises(ValueError, match=message):
        MRI((1, 32, 32), **params)


def test_a_person_sees_k_space_by_its_logarithm():
    """The peak is white and in the middle, a thousandth of it log 2 / log 1001; black where not measured."""
    operator = MRI((1, 16, 32))
    x = torch.ones(1, 1, 16, 32)
    x[..., 0, 0] += 0.001 * 512 / (1 - 0.001)
    seen = operator.picture(operator.forward(x, GENERATOR))[0, 0]
    assert seen.shape == (16, 32)
    assert seen[8, 16] == seen.max() == 1
    lines = operator.lines.tolist()
    others = [seen[h, w].item() for h in range(16) for w in lines if (h, w) != (8, 16)]
    assert others == pytest.approx([math.log(2) / math.log(1001)] * len(others), rel=0.01)
    assert not seen[:, [w for w in range(32) if w not in lines]].any()


def test_noise_leaves_the_picture_that_of_k_space():
    """mri+noise is shown as mri is."""
    mri = MRI((1, 16, 32))
    operator = Chain([mri, Noise(mri.measurement_shape)])
    y = operator.forward(torch.rand(1, 1, 16, 32, generator=GENERATOR), GENERATOR)
    assert operator.picture(y).shape == (1, 1, 16, 32)
