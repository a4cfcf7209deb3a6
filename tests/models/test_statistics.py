"""Mean and histogram of the training images, whatever their values are."""

import numpy as np
import pytest
import torch

from bench.datasets import Splits
from bench.errors import UsageError
from bench.models._statistics import histogram, mean_image
from bench.models.mean import Mean
from bench.models.tv import TV
from bench.operators.noise import Noise
from bench.problem import Problem, TrainingProblem
from bench.runs.evaluation import reconstructed


def problem_of(images: torch.Tensor, **values) -> Problem:
    """The same images for training, validation and test."""
    return Problem(Noise(tuple(images.shape[1:])), Splits(images, images, images, **values))


def training_of(images: torch.Tensor, **values) -> TrainingProblem:
    """What a model's fit is given of them."""
    return problem_of(images, **values).training()


def test_against_numpy():
    """Of 8-bit images both are NumPy's, over more images than are read at a time."""
    images = torch.randint(0, 256, (1500, 1, 12, 12), generator=torch.Generator().manual_seed(0)).to(
        torch.uint8
    )
    seen = training_of(images)
    np.testing.assert_allclose(mean_image(seen), images.double().mean(0).numpy() / 255, rtol=1e-6)
    expected = np.bincount(images.numpy().ravel(), minlength=256) / images.numel()
    np.testing.assert_allclose(histogram(seen), expected, rtol=1e-6)


def test_mean_of_hounsfield_units():
    """Values far from 0 lose nothing: the sum is double, whatever the range."""
    offsets = torch.rand(2000, 1, 12, 12, generator=torch.Generator().manual_seed(0))
    images = 30000 + offsets
    seen = training_of(images, value_range=(0, 40000), unit="HU")
    np.testing.assert_allclose(mean_image(seen), images.double().mean(0).float(), rtol=1e-7)


def test_no_grey_levels_between_the_grey_levels():
    """A prior over 256 levels says of other images that it is none, with how many values lie elsewhere."""
    images = torch.full((4, 1, 12, 12), 1 / 255)
    images[0, 0, 0, :3] = 0.123
    with pytest.raises(UsageError, match=r"needs 8-bit images; of these 576 training values 3 lie between"):
        histogram(training_of(images))


def test_methods_stay_in_the_datasets_range():
    """Total variation takes the range from the dataset: intensities of 500 to 1500 are not cut to [0, 1]."""
    images = torch.full((6, 1, 16, 16), 600.0)
    images[:, :, 4:12, 4:12] = 1400
    problem = Problem(Noise((1, 16, 16), sigma=100), Splits(images, images, images, value_range=(500, 1500)))
    tv, mean = TV(iterations=60), Mean()
    for model in (tv, mean):
        model.fit(problem.training())
    batch = next(problem.test_batches())
    error = (reconstructed(tv, batch) - batch.x).square().mean().sqrt()
    assert error < 0.5 * (batch.y - batch.x).square().mean().sqrt()
    torch.testing.assert_close(reconstructed(mean, batch), batch.x)
