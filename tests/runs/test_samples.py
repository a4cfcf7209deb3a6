"""Which test images are shown: by content, spread over the groups, the same for every model."""

import numpy as np
import torch

from bench.datasets import Split
from bench.datasets.shared.split import InMemory
from bench.runs.samples import choose


def _images(spreads: np.ndarray) -> Split:
    """Images whose standard deviation is about what is asked for."""
    noise = torch.randn(len(spreads), 1, 8, 8, generator=torch.Generator().manual_seed(0))
    return InMemory(torch.as_tensor(spreads, dtype=torch.float32).view(-1, 1, 1, 1) * noise)


def test_few_images_are_all_shown():
    """Nothing to choose from."""
    assert choose(_images(np.ones(5)), list("abcde")) == [0, 1, 2, 3, 4]


def test_every_one_of_few_groups_is_shown():
    """Three photographs with 20 windows each: three, three and two places, in their order."""
    names = [n for n in "abc" for _ in range(20)]
    shown = [names[i] for i in choose(_images(np.linspace(1, 2, 60)), names)]
    assert shown == list("aaabbbcc")


def test_of_many_groups_different_ones_are_shown():
    """Forty patients of five slices: eight of them, from all over the list."""
    names = [str(i // 5) for i in range(200)]
    shown = [int(names[i]) for i in choose(_images(np.linspace(1, 2, 200)), names)]
    assert [patient // 5 for patient in shown] == list(range(8))


def test_neither_flat_images_nor_the_one_with_most_contrast_are_shown():
    """Of sixteen in each place the upper quartile by hand: place 11 of 0 to 15."""
    spreads = np.tile(1.5 ** np.arange(16.0), 8)
    names = [str(i // 16) for i in range(128)]
    assert choose(_images(spreads), names) == [16 * k + 11 for k in range(8)]


def test_complex_images_are_measured_by_their_magnitude():
    """A constant magnitude is flat, whatever its phase."""
    phase = torch.randn(32, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    flat = torch.polar(torch.ones_like(phase), phase)
    flat[1::2] *= torch.linspace(0.5, 1.5, 8)
    assert all(i % 2 for i in choose(InMemory(flat), ["one"] * 32))
