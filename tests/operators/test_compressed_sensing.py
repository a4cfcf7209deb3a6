"""The compressed-sensing operator."""

import pytest
import torch
from scipy.linalg import hadamard as hadamard_matrix

from bench.operators._hadamard import hadamard
from bench.operators.compressed_sensing import CompressedSensing

GENERATOR = torch.Generator()


@pytest.mark.parametrize("size", [1, 2, 8, 64])
def test_hadamard_transform(size):
    """The fast transform is SciPy's Hadamard matrix, made orthonormal."""
    x = torch.rand(3, 2, size, dtype=torch.float64, generator=GENERATOR)
    expected = x @ torch.from_numpy(hadamard_matrix(size)).double() / size**0.5
    torch.testing.assert_close(hadamard(x), expected)


@pytest.mark.parametrize("matrix", ["gaussian", "hadamard"])
@pytest.mark.parametrize("rate", [0.01, 0.25, 0.5])
def test_pseudo_inverse(matrix, rate):
    """A A+ y = y: the inverse is consistent with what was measured (ISTA-Net's rates)."""
    operator = CompressedSensing((2, 16, 16), rate=rate, matrix=matrix)
    y = torch.rand(3, 2, max(1, round(rate * 256)), dtype=torch.float64, generator=GENERATOR)
    torch.testing.assert_close(operator.forward(operator.inverse(y), GENERATOR), y, atol=1e-6, rtol=0)


def test_one_factor_for_all_images():
    """The pseudo-inverse of a batch takes the memory of its images: the factor is not copied for each."""
    operator, y = CompressedSensing((3, 16, 16)), torch.rand(16, 3, 64, generator=GENERATOR)
    operator.inverse(y)
    with torch.profiler.profile(profile_memory=True) as profile:
        operator.inverse(y)
    assert max(event.cpu_memory_usage for event in profile.events()) < 16 * 3 * 256 * 4 + 64 * 64 * 4


def test_gaussian_rows():
    """Entries are N(0, 1/n): rows of about unit length, so that noise levels mean the same at any size."""
    operator = CompressedSensing((1, 32, 32))
    rows = operator.adjoint(torch.eye(256)[:, None])[:, 0].flatten(1)
    assert rows.norm(dim=1).mean() == pytest.approx(1.0, abs=0.01)
    assert rows.mean() == pytest.approx(0.0, abs=3 / (256 * 1024) ** 0.5 / 32)


def test_matrix_too_large():
    """A matrix that would not fit says how large it is and what to choose instead."""
    with pytest.raises(ValueError, match=r"16384 x 65536 would take 4.0 GiB.*matrix=hadamard"):
        CompressedSensing((3, 256, 256))
    operator = CompressedSensing((3, 256, 256), matrix="hadamard")
    assert operator.measurement_shape == (3, 16384)


@pytest.mark.parametrize("rate", [0.0, 1.1])
def test_bad_rate(rate):
    """A rate outside (0, 1] is refused."""
    with pytest.raises(ValueError, match="rate must be above 0 and at most 1"):
        CompressedSensing((1, 8, 8), rate=rate)
