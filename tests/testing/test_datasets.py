"""The rules of datasets: those that are here keep them, and each rule has a dataset that breaks it."""

import itertools
import re

import pytest
import torch

from bench.datasets import Dataset, InMemory, Split, Splits
from bench.operators import Operator
from bench.testing import check, check_dataset, require

#: Whatever counts up.
NUMBERS = itertools.count()


class Drawn(Split):
    """Images that are drawn as they are read, from ``first`` on."""

    def __init__(self, first, count, groups=None):
        self.first, self.count, self.groups = first, count, groups

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        return torch.rand(1, 8, 8, generator=torch.Generator().manual_seed(self.first + index))


class Short(Drawn):
    """One of the images is smaller than the sizes say."""

    def __getitem__(self, index):
        return super().__getitem__(index)[:, : 8 - (index == 1)]


class Bright(Drawn):
    """One of the images leaves the range."""

    def __getitem__(self, index):
        return super().__getitem__(index) + 5 * (index == 2)


class Fickle(Drawn):
    """Another image each time."""

    def __getitem__(self, index):
        return torch.rand(1, 8, 8)


class Recorded(Drawn):
    """Measurements that nobody made."""

    def measurement(self, index):
        return torch.zeros(3)


class Half(Operator):
    """The upper half."""

    def forward(self, x, generator):
        return x[:, :, :4].clone()


class Misfit(Recorded):
    """Measurements of another shape than the operator's."""

    def operator(self, indices):
        return Half((1, 8, 8))


class Silent(Drawn):
    """An operator of which the dataset does not say that it brings it."""

    def operator(self, indices):
        return Half((1, 8, 8))


def dataset(train=None, test=None, fresh=False):
    """What makes a dataset of these splits."""

    class Made(Dataset):
        def load(self):
            first = 1000 * next(NUMBERS) if fresh else 0
            held = InMemory(Drawn(first, 6).read(range(6)))
            tested = Drawn(500, 4) if test is None else test
            return Splits(held if train is None else train, tested, Drawn(900, 2))

    return Made


def broken(made):
    """The rules that a dataset breaks."""
    return {each.rule: each.figure for each in check_dataset(made) if not each.passed}


def test_a_dataset_that_keeps_them():
    """Nothing is found where nothing is wrong."""
    assert broken(dataset()) == {}


@pytest.mark.parametrize("name", ["ellipses:size=16,train=12,test=4", "photos:size=16,train=12,test=4"])
def test_datasets_of_the_room(name):
    """By name, as the command line does."""
    require(check(name))


@pytest.mark.parametrize(
    ("made", "rule", "figure"),
    [
        (dataset(test=Drawn(0, 0)), "has images", "test"),
        (dataset(test=Short(500, 4)), "images are", r"test image 1 is \(1, 7, 8\)"),
        (dataset(test=Bright(500, 4)), "types and values", "test image 2: the value"),
        (dataset(test=Fickle(500, 4)), "an image is the same", "test image 0 differs"),
        (dataset(fresh=True), "is the same at every load", "two loads differ"),
        (
            dataset(Drawn(0, 3, list("abc")), Drawn(500, 2, list("cd"))),
            "one group",
            "'c' is in train",
        ),
        (dataset(test=Drawn(4, 4)), "no image is in two", "test image 0 is train image 4"),
        (dataset(test=Recorded(500, 4)), "recorded measurements", "what made them"),
        (dataset(test=Misfit(500, 4)), "recorded measurements", r"measurement is \(3,\)"),
        (dataset(test=Silent(500, 4)), "recorded measurements", "brings_operator = True"),
    ],
)
def test_each_rule_is_broken_by_some_dataset(made, rule, figure):
    """A rule that nothing breaks would protect nothing; the figure says what and where."""
    found = {text: why for text, why in broken(made).items() if text.startswith(rule)}
    assert len(found) == 1
    assert re.search(figure, next(iter(found.values())))
