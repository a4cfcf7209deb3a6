"""Noise has the moments that its formula says."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bench import registry
from bench.component import Component, parse_chain
from bench.operators.ct import CT
from bench.operators.denoising import Denoising
from bench.operators.noise import Noise
from bench.problem import build_operator

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


@pytest.mark.parametrize(
    "bad",
    [
        {"sigma": -0.1},
        {"photons": 0},
        {"sigma": float("nan")},
        {"salt_pepper": 1.1},
        {"bits": 0},
        {"bits": 17},
    ],
)
def test_bad_values(bad):
    """Impossible levels are refused, naming the value."""
    with pytest.raises(ValueError, match="must be"):
        Noise((1, 4, 4), **bad)


def test_salt_and_pepper():
    """The share asked for is lost, half to 0 and half to 1; the rest is untouched."""
    y = Noise((1, 100, 100), salt_pepper=0.2).forward(X, generator())
    assert (y == 0).double().mean() == pytest.approx(0.1, abs=0.006)
    assert (y == 1).double().mean() == pytest.approx(0.1, abs=0.006)
    assert ((y == 0) | (y == 1) | (y == 0.25)).all()


@given(st.integers(1, 16), st.floats(-0.5, 1.5, width=32))
def test_quantisation(bits, value):
    """Rounding to 2^bits even levels moves a value in [0, 1] by half a step at most."""
    steps = 2**bits - 1
    y = Noise((1,), bits=bits).forward(torch.tensor([[value]]), generator()).item()
    assert y * steps == pytest.approx(round(y * steps), abs=1e-2)
    assert abs(y - min(max(value, 0), 1)) <= 0.5 / steps + 1e-6


def test_photons_behind_an_object():
    """LoDoPaB: logarithm of counts of 4096 exp(-mu y); its deviation is 1 / (mu sqrt(counts))."""
    attenuation = 81.35858 * 0.26
    ct = CT((1, 32, 32))
    y = torch.full((4, 1, 50, 50), 0.1)
    noisy = Noise((1, 50, 50), photons=4096, previous=ct).forward(y, generator())
    counts = 4096 * math.exp(-attenuation * 0.1)
    assert noisy.mean() == pytest.approx(0.1 + 0.5 / counts / attenuation, abs=1e-4)
    assert noisy.std() == pytest.approx(1 / math.sqrt(counts) / attenuation, rel=0.03)


def test_no_photons_left():
    """Where no photon arrives 0.1 is counted, so that the logarithm stays finite (LoDoPaB)."""
    noise = Noise((1, 4, 4), photons=4096, previous=CT((1, 8, 8)))
    noisy = noise.forward(torch.full((1, 1, 4, 4), 9.0), generator())
    assert noisy.max() == noisy.min() == pytest.approx(math.log(40960) / (81.35858 * 0.26), rel=1e-6)


def test_chain_tells_noise_what_it_measures():
    """In ct+noise:photons=4096 the noise knows the attenuation; after other noise it does not count rays."""
    low_dose = build_operator(
        [p.checked(registry.operators) for p in parse_chain("ct+noise:photons=4096")], (1, 16, 16), 0
    )
    assert low_dose.parts[1].attenuation == pytest.approx(21.1532308)
    plain = build_operator([Component("noise", {"photons": 10.0})], (1, 16, 16), 0)
    assert plain.attenuation is None
