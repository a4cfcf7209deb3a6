"""Small problems for the models' tests."""

import pytest
import torch

from bench import registry
from bench.component import parse_chain
from bench.datasets import Splits
from bench.problem import Problem, build_operator
from bench.seeding import stream


def smooth_images(count: int, channels: int, size: int, seed: int) -> torch.Tensor:
    """Random images ``(count, channels, size, size)`` uint8 whose neighbours are alike."""
    coarse = torch.rand(count, channels, 4, 4, generator=stream("cpu", seed))
    fine = torch.nn.functional.interpolate(coarse, size=(size, size), mode="bicubic").clamp(0, 1)
    return (255 * fine).round().to(torch.uint8)


@pytest.fixture
def make_problem():
    """Build a problem on smooth random images from an operator's text form."""

    def make(operator: str, train=60, channels=3, size=16, seed=0, validation=10) -> Problem:
        parts = [part.checked(registry.operators) for part in parse_chain(operator)]
        images = Splits(
            smooth_images(train, channels, size, 1),
            smooth_images(10, channels, size, 2),
            smooth_images(validation, channels, size, 3),
        )
        return Problem(build_operator(parts, images.image_shape, seed), images, seed)

    return make
