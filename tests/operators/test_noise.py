"""Noise has the moments that its formula says."""

import pytest
import torch

from bench.operators.denoising import Denoising
from bench.operators.noise import Noise

X = torch.full((4, 1, 100, 100), 0.25)


def generator():
    """A seeded generator."""
    return torch.Generator().manual_seed(3)


@pytest.mark.parametrize(
    ("operator", "deviation"),
    [
        (Noise((1, 100, 100), sigma=0.01), 0.01),
        (Denoising((1, 100, 100)), 25 / 255),
        # Var P(N x) / N = x / N
        (Noise((1, 100, 100), photons=100), (0.25 / 100) ** 0.5),
        (Noise((1, 100, 100), photons=100, sigma=0.1), (0.25 / 100 + 0.01) ** 0.5),
    ],
)
def test_mean_and_deviation(operator, deviation):
    """40,000 samples agree with the mean x and the deviation of the formula to 2 per cent."""
    y = operator.forward(X, generator())
    assert y.mean() == pytest.approx(0.25, abs=4 * deviation / 200)
    assert y.std() == pytest.approx(deviation, rel=0.02)


def test_any_shape():
    """Noise takes measurements that are no images."""
    assert Noise((17,), sigma=1).forward(torch.zeros(2, 17), generator()).shape == (2, 17)


def test_zero_sigma_changes_nothing():
    """sigma=0 is allowed and is the identity."""
    assert torch.equal(Noise((1, 100, 100), sigma=0).forward(X, generator()), X)


@pytest.mark.parametrize("bad", [{"sigma": -0.1}, {"photons": 0}, {"sigma": float("nan")}])
def test_bad_values(bad):
    """Impossible levels are refused, naming the value."""
    with pytest.raises(ValueError, match="must be"):
        Noise((1, 4, 4), **bad)
