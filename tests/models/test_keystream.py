"""The known-plaintext attack and what is built on it."""

import numpy as np
import pytest
import torch

from bench.metrics.psnr import psnr
from bench.models._keystream import recover
from bench.models.gated_unet import GatedUNet
from bench.models.known_plaintext import KnownPlaintext
from bench.models.mean import Mean
from bench.models.posterior_mean import PosteriorMean
from bench.recipe import Recipe
from bench.runs.evaluation import reconstructed
from bench.training import Trainer


def score(model, problem) -> float:
    """Mean PSNR on the test split."""
    scores = [psnr(reconstructed(model, batch), batch.x) for batch in problem.test_batches()]
    return float(torch.cat(scores).mean())


@pytest.mark.parametrize(("noise", "train"), [("", 2), ("+noise:sigma=0.01", 900)])
@pytest.mark.parametrize("channels", [1, 3])
def test_recovered_keystream_is_the_ciphers(make_problem, noise, train, channels):
    """The bytes found from pairs are AES's own: from two pairs without noise, from 900 at 1 % noise."""
    problem = make_problem(f"xor_ctr{noise}", train=train, channels=channels, size=8)
    cipher = problem.operator.parts[0] if noise else problem.operator
    key = recover(problem.training(), train)
    assert torch.equal(key.stream, cipher.keystream(torch.device("cpu")))
    assert bool(key.found)
    assert float(key.sigma) == pytest.approx(0.01 if noise else 0, abs=2e-4)


@pytest.mark.parametrize("train", [2, 60])
@pytest.mark.parametrize("operator", ["xor_cbc", "xor_ctr:iv=fresh"])
def test_no_keystream_is_claimed_where_there_is_none(make_problem, operator, train):
    """Where no keystream explains the pairs, the answer is the mean, however well one fits a few of them."""
    problem = make_problem(operator, size=8, train=train)
    model, mean = KnownPlaintext(), Mean()
    model.fit(problem.training())
    mean.fit(problem.training())
    assert not bool(model.found)
    batch = next(problem.test_batches())
    assert torch.equal(reconstructed(model, batch), reconstructed(mean, batch))


def test_decryption_without_the_key_is_exact(make_problem):
    """Without noise the attack reconstructs every test image to the last bit."""
    problem = make_problem("xor_ctr", channels=1)
    model = KnownPlaintext(pairs=8)
    model.fit(problem.training())
    assert score(model, problem) == float("inf")


def test_posterior_mean_against_enumeration(make_problem):
    """The posterior mean equals Bayes' rule written out in NumPy: bytes, XOR, Gaussian density, sum."""
    problem = make_problem("xor_ctr+noise:sigma=0.02", size=8)
    model = PosteriorMean()
    model.fit(problem.training())
    batch = next(problem.test_batches())
    y = batch.y
    stream = problem.operator.parts[0].keystream(torch.device("cpu")).numpy().reshape(8, 8, 3, 4)
    levels = np.arange(256, dtype="<f4") / np.float32(255)
    code = levels.view(np.uint8).reshape(256, 4)
    prior = (
        np.bincount(problem.splits.train.images.numpy().ravel(), minlength=256)
        / problem.splits.train.images.numel()
    )
    found = reconstructed(model, batch)[0].numpy()
    for channel, row, column in [(0, 0, 0), (1, 3, 5), (2, 7, 7)]:
        cipher = (code ^ stream[row, column, channel]) / 255.0
        measured = y[0, 4 * channel : 4 * channel + 4, row, column].double().numpy()
        density = prior * np.exp(-((measured - cipher) ** 2).sum(1) / (2 * 0.02**2))
        expected = (density * levels).sum() / density.sum()
        assert found[channel, row, column] == pytest.approx(expected, abs=1e-4)


def test_poisson_noise_has_no_posterior_mean(make_problem):
    """The posterior is Gaussian: a chain with other noise does not claim to know it."""
    problem = make_problem("xor_ctr+noise:photons=100", size=8)
    assert "posterior_mean" in PosteriorMean().fits(problem.operator)


def test_attack_needs_bytes(make_problem):
    """Operators whose measurement is not four bytes per value are refused with the reason."""
    problem = make_problem("denoising", size=8)
    assert "bytes" in KnownPlaintext().fits(problem.operator)
    assert "bytes" in GatedUNet().fits(problem.operator)


def test_gated_unet_uses_neighbours(make_problem):
    """On smooth images with noise it is above the posterior mean of single pixels, key known."""
    problem = make_problem("xor_ctr+noise:sigma=0.01", train=800, channels=1)
    model, alone = GatedUNet(width=4), PosteriorMean()
    model.trainer = Trainer(Recipe(epochs=2, batch_size=16))
    for fitted in (model, alone):
        fitted.fit(problem.training())
    assert score(model, problem) > score(alone, problem) + 3


def test_gated_unet_is_exact_without_noise(make_problem):
    """Where bytes leave no doubt the network cannot add any: the images come back to the last bit."""
    problem = make_problem("xor_ctr", channels=1)
    model = GatedUNet(width=2)
    model.trainer = Trainer(Recipe(epochs=1))
    model.fit(problem.training())
    assert score(model, problem) == float("inf")
    # Under autocast too: 8 bits of mantissa are too few to tell ciphertext bytes apart after products.
    y, x, operator = next(problem.test_batches())
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(model.module(y, operator), x)


def test_gated_unet_ends_at_the_mean_where_there_is_no_keystream(make_problem):
    """Under CBC its answer is the U-Net's own, which training brings to the mean of the images."""
    problem = make_problem("xor_cbc", train=400, channels=1)
    model, mean = GatedUNet(width=2), Mean()
    model.trainer = Trainer(Recipe(epochs=3, batch_size=16))
    for fitted in (model, mean):
        fitted.fit(problem.training())
    assert abs(score(model, problem) - score(mean, problem)) < 0.5
