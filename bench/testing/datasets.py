"""The rules of the dataset contract, one function each; what runs them is :mod:`bench.testing`."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch

from bench.datasets import Dataset, Split, Splits
from bench.datasets.shared.reading import KEPT
from bench.datasets.shared.split import size_of_each
from bench.errors import BenchError
from bench.testing.operators import Broken, Figure, NotApplicable

#: Images of each split that are looked at, spread evenly; of splits of up to 512 MiB all.
LOOK = 64


@dataclass
class Loaded:
    """A way to make a dataset, and its splits."""

    make: Callable[[], Dataset]

    @cached_property
    def splits(self) -> Splits:
        """Validation included."""
        return self.make().load().with_validation()


def _has_images(loaded: Loaded) -> Figure:
    counts = {name: len(split) for name, split in loaded.splits.named().items()}
    if not all(counts.values()):
        raise Broken(f"every split needs an image; there are {counts}")
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def _shapes(loaded: Loaded) -> Figure:
    channels, _, _ = loaded.splits.image_shape
    for name, split in loaded.splits.named().items():
        sizes = size_of_each(split)
        if len(sizes) != len(split):
            raise Broken(f"{name}: {len(sizes)} sizes for {len(split)} images")
        for index in _looked_at(split):
            expected, found = (channels, *sizes[index]), tuple(split[index].shape)
            if found != expected:
                raise Broken(f"{name} image {index} is {found}, not {expected} as declared")
    return None


def _values(loaded: Loaded) -> Figure:
    for name, split in loaded.splits.named().items():
        for index in _looked_at(split):
            try:
                loaded.splits.values.check(split[index], f"{name} image {index}")
            except BenchError as error:
                raise Broken(str(error)) from None
    low, high = loaded.splits.value_range
    return f"{loaded.splits.unit} from {low:g} to {high:g}"


def _repeats(loaded: Loaded) -> Figure:
    if loaded.make().load().with_validation().digest() != loaded.splits.digest():
        raise Broken("two loads differ in content; what is drawn at random needs a seed of its own")
    return None


def _reads(loaded: Loaded) -> Figure:
    for name, split in loaded.splits.named().items():
        for index in _looked_at(split)[:8]:
            one, again, read = split[index], split[index], split.read([index])[0]
            if not (torch.equal(one, again) and torch.equal(one, read)):
                raise Broken(f"{name} image {index} differs when it is read again, or by read([{index}])")
    return None


def _groups(loaded: Loaded) -> Figure:
    named = loaded.splits.named()
    known = {name: set(split.groups) for name, split in named.items() if split.groups is not None}
    if not known:
        return NotApplicable("it has no groups: each image stands alone")
    for name, split in named.items():
        if split.groups is not None and len(split.groups) != len(split):
            raise Broken(f"{name}: {len(split.groups)} groups for {len(split)} images")
    for one, other in (("train", "test"), ("train", "validation"), ("validation", "test")):
        if both := known.get(one, set()) & known.get(other, set()):
            raise Broken(f"group {min(both)!r} is in {one} and in {other}")
    return f"{len(set().union(*known.values()))} groups"


def _disjoint(loaded: Loaded) -> Figure:
    seen: dict[bytes, tuple[str, int]] = {}
    for name, split in loaded.splits.named().items():
        for index in _looked_at(split):
            image = split[index]
            there, number = seen.setdefault(image.contiguous().numpy().tobytes(), (name, index))
            if there != name and image.unique().numel() > 1:  # many images of one colour are alike
                raise Broken(f"{name} image {index} is {there} image {number}")
    return None


def _measurements(loaded: Loaded) -> Figure:
    split = loaded.splits.test
    y, operator = split.measurement(0), split.operator([0])
    if y is None and operator is None:
        return NotApplicable("no measurements are recorded")
    if operator is None:
        raise Broken("measurements are recorded, but operator([0]) is None: what made them?")
    if y is not None and tuple(y.shape) != tuple(operator.measurement_shape):
        raise Broken(f"a measurement is {tuple(y.shape)}, its operator's is {operator.measurement_shape}")
    if not loaded.make().brings_operator:
        raise Broken("it brings its operator, and does not say so: brings_operator = True")
    return None


def _looked_at(split: Split) -> list[int]:
    """Numbers of the images that are looked at."""
    count = len(split)
    if split.nbytes <= KEPT or count <= LOOK:
        return list(range(count))
    return torch.linspace(0, count - 1, LOOK).long().tolist()


DATASET_RULES: dict[str, Callable[[Loaded], Figure]] = {
    "has images to learn from, to choose by and to test": _has_images,
    "images are (C, H, W), of one number of channels and the declared sizes": _shapes,
    "types and values are those declared": _values,
    "an image is the same when it is read again": _reads,
    "is the same at every load": _repeats,
    "one group an image, and no group in two splits": _groups,
    "no image is in two splits": _disjoint,
    "recorded measurements fit the operator that it brings": _measurements,
}
