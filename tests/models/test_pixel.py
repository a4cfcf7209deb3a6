"""Models that look at one pixel at a time."""

import numpy as np
import pytest
import torch

from bench.component import parse_chain
from bench.datasets import Splits
from bench.errors import MismatchError, UsageError
from bench.metrics.psnr import psnr
from bench.models.gated_unet import GatedUNet
from bench.models.mean import Mean
from bench.models.pixel_gate import PixelGate
from bench.models.pixel_ridge import WEIGHTS, PixelRidge, _solve, seen
from bench.operators import Operator
from bench.problem import Problem, build_operator
from bench.recipe import Recipe
from bench.runs.evaluation import reconstructed
from bench.runs.request import specify
from bench.runs.runner import Run
from bench.training import Trainer


def score(model, problem) -> float:
    """Mean PSNR on the test split."""
    scores = [psnr(reconstructed(model, batch), batch.x) for batch in problem.test_batches()]
    return float(torch.cat(scores).mean())


def test_gate_in_bfloat16(make_problem):
    """Under autocast the operator keeps its precision: sparse products have no bfloat16 at all."""
    problem = make_problem("ct:angles=6", train=8, size=12)
    model = PixelGate(width=4)
    model.trainer = Trainer(Recipe(epochs=1, batch_size=4, precision="bfloat16"))
    (epoch,) = model.fit(problem.training())
    assert np.isfinite(epoch.loss)


def test_ridge_against_numpy(make_problem):
    """Coefficients of a pixel equal NumPy's least squares on the same rows with the ridge appended."""
    problem = make_problem("xor_ctr", train=200, size=4)
    model = PixelRidge(features="bytes")
    model.fit(problem.training())
    gram, mixed = model._sums(problem.training())
    y, x, _ = next(problem.training().training_batches(200, shuffle=False))
    pixel, weight = 5, 0.7
    rows = (seen(problem.operator, y, "bytes") - model.offset)[:, pixel].double().numpy()
    target = (x - model.mean).flatten(2)[..., pixel].double().numpy()
    count = rows.shape[1]
    extended = np.vstack([rows, np.sqrt(weight) * np.eye(count)])
    expected = np.linalg.lstsq(extended, np.vstack([target, np.zeros((count, 3))]), rcond=None)[0]
    found = _solve(gram, mixed, torch.tensor(weight))[pixel]
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_ridge_recovers_a_linear_operator(make_problem):
    """Where the measurement is the image itself, the regression finds it."""
    problem = make_problem("noise:sigma=0", train=200, size=4)
    model = PixelRidge(features="bytes")
    model.fit(problem.training())
    assert score(model, problem) > 50


def test_ridge_ends_at_the_mean_where_nothing_can_be_learned(make_problem):
    """With fewer images than bits and a cipher that hides all, validation chooses the largest weight."""
    problem = make_problem("xor_cbc", train=80, size=8)
    model, mean = PixelRidge(), Mean()
    model.fit(problem.training())
    mean.fit(problem.training())
    # Fitted without restraint the coefficients are of the order of 0.1.
    assert float(model.coefficients.abs().max()) < 2e-3
    assert model.trials == len(WEIGHTS)
    assert abs(score(model, problem) - score(mean, problem)) < 0.3


class Scrambled(Operator):
    """What says nothing of the image: ``sin(1000 (x - 1/2))``, 0 where the image is 1/2."""

    def forward(self, x, generator=None):
        return torch.sin(1000 * (x - 0.5))


def test_an_exact_image_does_not_choose_the_ridge():
    """The mean itself is exact at every weight, +inf: the others choose all the same, and so the largest."""
    half = torch.rand(8, 1, 12, 12, generator=torch.Generator().manual_seed(0))
    train = torch.cat([half, 1 - half])  # of mean 1/2, and of mean measurement 0
    validation = torch.rand(8, 1, 12, 12, generator=torch.Generator().manual_seed(1))
    validation[0] = 0.5
    model = PixelRidge(features="bytes")
    model.fit(Problem(Scrambled((1, 12, 12)), Splits(train, train, validation)).training())
    torch.testing.assert_close(model.mean, torch.full((1, 12, 12), 0.5))
    assert float(model.coefficients.abs().max()) < 0.1  # with the smallest weight 0.5


def test_pixel_gate_learns_a_keystream(make_problem):
    """Signs learned per position undo a fixed XOR: far above the mean, which the bits alone are not."""
    problem = make_problem("xor_ctr", train=600, size=8, channels=1)
    model, mean = PixelGate(width=32), Mean()
    model.trainer = Trainer(Recipe(epochs=6, batch_size=16, lr=2e-2))
    model.fit(problem.training())
    mean.fit(problem.training())
    assert score(model, problem) > score(mean, problem) + 8


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("pixel_gate:width=0", "width must be at least 1"),
        ("pixel_gate:depth=0", "depth must be at least 1"),
        ("gated_unet:pairs=0", "pairs must be at least 1"),
        ("known_plaintext:pairs=-3", "pairs must be at least 1"),
        ("pixel_ridge:features=nibbles", "'bits' or 'bytes'"),
    ],
)
def test_bad_values_are_named(model, message, tiny):
    """A value that cannot work is refused before anything is loaded or trained."""
    with pytest.raises(UsageError, match=message):
        Run(specify("xor_ctr", model, tiny)).model  # noqa: B018


@pytest.mark.parametrize("model", ["gated_unet", "known_plaintext"])
def test_operators_that_do_not_fit_are_told_which_do(model, tiny):
    """The message gives the reason and the operators that the model works with."""
    with pytest.raises(MismatchError, match=r"bytes.*It works with: .*xor_cbc, xor_ctr"):
        Run(specify("denoising", model, tiny)).model  # noqa: B018


def test_gated_unet_refuses_small_images():
    """Five scales need 8 pixels; the message says so, and nothing is trained."""
    operator = build_operator(parse_chain("xor_ctr"), (3, 7, 12), 0)
    with pytest.raises(UsageError, match="8x8"):
        GatedUNet().fits(operator)
