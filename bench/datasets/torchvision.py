"""The image sets that torchvision reads."""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Literal

import torch
from PIL import Image, ImageOps
from torch import Tensor
from torchvision.transforms.functional import pil_to_tensor

from bench.datasets import Dataset, InMemory, Split, Splits
from bench.datasets._download import fetched
from bench.datasets.shared.cache import Patience
from bench.datasets.shared.download import Part, default_root, gone_on_with
from bench.datasets.shared.reading import KEPT
from bench.datasets.shared.split import Sizes, cut, one_size
from bench.errors import at_least

#: Sets of images that torchvision reads without unpickling anything.
Name = Literal[
    "Caltech101", "Caltech256", "CelebA", "Country211", "DTD", "EuroSAT", "FGVCAircraft", "FashionMNIST",
    "Flowers102", "Food101", "GTSRB", "Imagenette", "KMNIST", "OxfordIIITPet", "PCAM", "RenderedSST2",
    "StanfordCars", "SUN397", "SVHN", "USPS",
]  # fmt: skip
#: How torchvision is asked for the parts to train, choose and test by; None: it has none.
Parts = tuple[dict[str, Any], dict[str, Any] | None, dict[str, Any] | None]
WITHOUT: Parts = ({}, None, None)
FLAG: Parts = ({"train": True}, None, {"train": False})
THREE: Parts = ({"split": "train"}, {"split": "val"}, {"split": "test"})
VALID: Parts = ({"split": "train"}, {"split": "valid"}, {"split": "test"})
TWO: Parts = ({"split": "train"}, None, {"split": "test"})
PARTS: dict[str, Parts] = {
    **dict.fromkeys(("Caltech101", "Caltech256", "EuroSAT", "SUN397"), WITHOUT),
    **dict.fromkeys(("FashionMNIST", "KMNIST", "USPS"), FLAG),
    **dict.fromkeys(("DTD", "FGVCAircraft", "Flowers102", "PCAM", "RenderedSST2"), THREE),
    **dict.fromkeys(("CelebA", "Country211"), VALID),
    **dict.fromkeys(("Food101", "GTSRB", "StanfordCars", "SVHN"), TWO),
    "Imagenette": ({"split": "train"}, None, {"split": "val"}),
    "OxfordIIITPet": ({"split": "trainval"}, None, {"split": "test"}),
}


HOME = "https://docs.pytorch.org/vision/stable/datasets.html"


class Torchvision(Dataset):
    """Any image set of torchvision's, in its own splits; what has none is cut at random.

    Images are brought to ``size``; without it they stay as they are, each in its size, and training takes the
    largest windows that fit in all.

    Args:
        name: torchvision's class: ``Flowers102``.
        root: folder that torchvision is given; default: ``datasets`` in the cache folder.
        size: side to which the largest central square of each image is brought (Lanczos).
        colour: whether images are colour; else grey.
        download: whether torchvision downloads what is not there. It checks the MD5 sums that it knows; what
            was cut off is gone on with, save from Google Drive.
        test_share: share of the images for testing, where the set has no test part.

    Raises:
        ValueError: a value outside its range.

    Reference:
        torchvision: https://docs.pytorch.org/vision/stable/datasets.html
    """

    def __init__(
        self,
        name: Name,
        root: str | None = None,
        size: int | None = None,
        colour: bool = True,
        download: bool = False,
        test_share: float = 0.1,
    ):
        if size is not None:
            at_least(1, size=size)
        if not 0 < test_share < 1:
            raise ValueError(f"test_share must lie between 0 and 1, not {test_share}")
        self.name, self.root, self.size, self.colour = name, default_root(root), size, colour
        self.download, self.test_share = download, test_share

    def load(self) -> Splits:
        train, chosen, test = fetched("torchvision", str(self.root), self.download, self._read)
        if test is None:
            train, test = cut(train, max(round(self.test_share * len(train)), 1), "torchvision")
        return Splits(train, test, chosen)

    def parts(self) -> list[Part]:
        place = self.root / f"{self.name.lower()}.fetched"
        return [Part(self.name, place, HOME, fetch=self._fetch)]

    def _fetch(self) -> None:
        fetched("torchvision", str(self.root), True, lambda: self._parts(download=True))
        (self.root / f"{self.name.lower()}.fetched").touch()

    def _read(self) -> tuple[Split, Split | None, Split | None]:
        train, chosen, test = self._parts(self.download)
        return self._split(train), chosen and self._split(chosen), test and self._split(test)

    def _parts(self, download: bool) -> list[Any]:
        """Training, validation and test part as datasets of torchvision's own; None where it has none."""
        from torchvision import datasets

        kind = getattr(datasets, self.name)
        if download:
            self.root.mkdir(parents=True, exist_ok=True)
        given = {"download": download} if "download" in inspect.signature(kind).parameters else {}
        with _going_on() if download else nullcontext():
            return [
                None if part is None else kind(str(self.root), **part, **given) for part in PARTS[self.name]
            ]

    def _split(self, held: Any) -> Split:
        split = Held(held, self.size, self.colour)
        if split.nbytes > KEPT:
            return split
        patience, images = Patience(f"torchvision: reading {self.name}", len(split)), []
        for index in range(len(split)):
            images.append(split[index])
            patience.step(1)
        return InMemory(torch.stack(images) if one_size(split) else images)


@contextmanager
def _going_on() -> Iterator[None]:
    """Within it, torchvision's downloads go on where they were cut off.

    All but those from Google Drive pass through one function of its, which has no public place to say how.
    """
    from torchvision.datasets import utils

    theirs = utils._urlretrieve
    utils._urlretrieve = lambda url, file, *_: gone_on_with(url, Path(f"{file}.part"), file)
    try:
        yield
    finally:
        utils._urlretrieve = theirs


class Held(Split):
    """Images that a dataset of torchvision's holds.

    Args:
        held: ``held[i]`` is a pair of Pillow image and label.
        size: side to which the central square of each is brought; None: they stay as they are.
        colour: whether they become colour, or grey.
    """

    def __init__(self, held: Any, size: int | None, colour: bool):
        self.held, self.size, self.mode = held, size, "RGB" if colour else "L"
        every = range(1 if size else len(held))
        self._sizes = [(size, size)] if size else [held[index][0].size[::-1] for index in every]

    def __len__(self) -> int:
        return len(self.held)

    def __getitem__(self, index: int) -> Tensor:
        image = self.held[index][0].convert(self.mode)
        if self.size:
            image = ImageOps.fit(image, (self.size, self.size), Image.Resampling.LANCZOS)
        made: Tensor = pil_to_tensor(image)
        return made

    @property
    def sizes(self) -> Sizes:
        return self._sizes[0] if self.size else self._sizes
