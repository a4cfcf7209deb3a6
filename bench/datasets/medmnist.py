"""MedMNIST: small medical images."""

import tomllib
from pathlib import Path
from typing import Literal
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor

from bench.datasets import Dataset, Splits
from bench.datasets.shared.download import Archive, Part, default_root
from bench.errors import UsageError

#: Sides of the images, and the MD5 of each file, in their order.
SIDES = (28, 64, 128, 224)
MD5 = tomllib.loads((Path(__file__).parent / "medmnist_md5.toml").read_text(encoding="utf-8"))
Name = Literal[
    "pathmnist", "chestmnist", "dermamnist", "octmnist", "pneumoniamnist", "retinamnist", "breastmnist",
    "bloodmnist", "tissuemnist", "organamnist", "organcmnist", "organsmnist",
]  # fmt: skip
HOME = "https://medmnist.com"


class MedMnist(Dataset):
    """MedMNIST: medical images of 28x28 pixels, or 64, 128 and 224, in twelve sets; its own three splits.

    Addresses, MD5 sums and licences are those of the medmnist package (version 3.0.2).

    Args:
        name: which set.
        root: folder in which its file lies (``pathmnist.npz``, ``pathmnist_64.npz``); default: ``datasets``
            in the cache folder.
        size: side of the images.
        download: whether to download the file if it is not there.

    References:
        Yang et al.: MedMNIST v2, Scientific Data 10, 41 (2023).
        Home: https://medmnist.com
    """

    def __init__(
        self,
        name: Name = "pathmnist",
        root: str | None = None,
        size: Literal[28, 64, 128, 224] = 28,
        download: bool = False,
    ):
        self.name, self.root, self.size, self.download = name, default_root(root), size, download

    def parts(self) -> list[Part]:
        name = f"{self.name}.npz" if self.size == SIDES[0] else f"{self.name}_{self.size}.npz"
        md5 = MD5[self.name][SIDES.index(self.size)]
        archive = Archive(f"https://zenodo.org/records/10519652/files/{name}?download=1", md5=md5)
        licence = "CC BY-NC 4.0" if self.name == "dermamnist" else "CC BY 4.0"
        return [Part(name, self.root / name, HOME, licence, archive)]

    def load(self) -> Splits:
        if self.download:
            self.fetch()
        (part,) = self.parts()
        if not part.here:
            raise part.missing("medmnist")
        train, chosen, test = (_images(part.place, f"{split}_images") for split in ("train", "val", "test"))
        return Splits(train, test, chosen)


def _images(file: Path, key: str) -> Tensor:
    """One array of the file, ``(N, H, W)`` or ``(N, H, W, 3)`` uint8, as ``(N, C, H, W)``."""
    try:
        with np.load(file, allow_pickle=False) as held:
            images = held[key]
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise UsageError(
            f"medmnist: {file} has no readable array {key} ({error}): damaged, or another file; "
            f"get it at {HOME}"
        ) from error
    if images.dtype != np.uint8 or images.ndim not in (3, 4):
        raise UsageError(
            f"medmnist: {key} in {file} is {images.dtype} {images.shape}; 2-D images of 8 bits are read; "
            f"get the file at {HOME}"
        )
    channels = images[:, None] if images.ndim == 3 else np.moveaxis(images, -1, 1)
    return torch.from_numpy(np.ascontiguousarray(channels))
