"""Non-local means: what is chosen for scikit-image's filter, and where it may be used."""

import numpy as np
import pytest
import torch
from skimage import data
from skimage.restoration import denoise_nl_means

from bench.datasets import Splits
from bench.metrics.psnr import psnr
from bench.models.nlm import NLM, STRENGTHS
from bench.operators import Operator
from bench.operators.ct import CT
from bench.operators.denoising import Denoising
from bench.operators.noise import Noise
from bench.operators.shared.chain import Chain
from bench.problem import Problem
from bench.runs.evaluation import reconstructed


def problem_of(operator: Operator) -> Problem:
    """Colour windows of scikit-image's astronaut: its face and what is around it."""
    image = torch.from_numpy(data.astronaut()).permute(2, 0, 1)
    windows = torch.stack([image[:, r : r + 32, 200 : 232] for r in range(40, 300, 20)])  # fmt: skip
    return Problem(operator, Splits(windows[::2], windows[1::2], windows[::2]))


def test_as_good_as_the_best_strength():
    """The deviation is found, and the strength from the validation split is the best on test images too."""
    problem = problem_of(Denoising((3, 32, 32)))
    model = NLM(distance=5)
    model.fit(problem.training())
    assert float(model.sigma) == pytest.approx(25 / 255, rel=0.02)
    batch = next(problem.test_batches())
    y, x, _ = batch
    best = -np.inf
    for h in np.linspace(0.2, 1.5, 27) * 25 / 255:
        settings = {"patch_size": 5, "patch_distance": 5, "h": h, "sigma": 25 / 255, "channel_axis": 0}
        images = [denoise_nl_means(image, **settings) for image in y.numpy()]
        best = max(best, float(psnr(torch.from_numpy(np.stack(images)), x).mean()))
    assert float(psnr(reconstructed(model, batch), x).mean()) > best - 0.1
    assert best > float(psnr(y, x).mean()) + 4


def test_an_exact_image_does_not_choose_the_strength():
    """A black window, which counts no photon, is exact at every strength: the others choose all the same."""
    problem = problem_of(Noise((3, 32, 32), photons=30))
    problem.splits.validation.images[0] = 0
    model = NLM(distance=5)
    model.fit(problem.training())
    assert model.trials == len(STRENGTHS)
    batch = next(problem.test_batches())
    chosen = psnr(reconstructed(model, batch), batch.x).mean()
    least = NLM(distance=5, strength=STRENGTHS[0])
    least.fit(problem.training())
    assert least.trials == 1
    assert chosen > psnr(reconstructed(least, batch), batch.x).mean() + 0.5


def test_a_grey_image_keeps_its_channel():
    """Of one channel the answer is an image too, and the same as that of the plane alone."""
    image = torch.from_numpy(data.camera())[None, None, 100:132, 200:232]
    problem = Problem(Denoising((1, 32, 32)), Splits(image, image, image))
    model = NLM(distance=3, strength=0.8)
    model.fit(problem.training())
    batch = next(problem.test_batches())
    made = reconstructed(model, batch)
    settings = {"patch_size": 5, "patch_distance": 3, "h": 0.8 * float(model.sigma)}
    alone = denoise_nl_means(batch.y[0, 0].numpy(), **settings, sigma=float(model.sigma))
    assert made.shape == (1, 1, 32, 32)
    assert np.allclose(made[0, 0].numpy(), alone, atol=1e-5)


def test_no_noise():
    """Without noise there is nothing to filter: the measurement stays as it is, rather than 0 / 0."""
    problem = problem_of(Noise((3, 32, 32), sigma=0))
    model = NLM()
    model.fit(problem.training())
    batch = next(problem.test_batches())
    assert torch.equal(reconstructed(model, batch), batch.y)


def test_where_it_fits():
    """It filters noisy images and nothing else."""
    noise = Noise((1, 16, 16))
    assert not NLM().fits(Chain([noise, noise]))
    for other in (Chain([CT((1, 16, 16)), Noise((1, 30, 23))]), CT((1, 16, 16)), Noise((16,))):
        assert "only adds noise to images" in NLM().fits(other)


@pytest.mark.parametrize("bad", [{"patch": 0}, {"distance": 0}, {"strength": 0.0}])
def test_bad_values(bad):
    """Values that mean nothing are refused, naming them."""
    with pytest.raises(ValueError, match=next(iter(bad))):
        NLM(**bad)
