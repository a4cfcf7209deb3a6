"""MedMNIST: small medical images."""

from pathlib import Path
from typing import Literal
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor

from bench.datasets import Dataset, Splits
from bench.datasets.shared.download import Archive, Part, default_root
from bench.errors import UsageError

#: MD5 of the files of 28x28 pixels, as the medmnist package (info.py) has them.
MD5 = {
    "pathmnist": "a8b06965200029087d5bd730944a56c1",
    "chestmnist": "02c8a6516a18b556561a56cbdd36c4a8",
    "dermamnist": "0744692d530f8e62ec473284d019b0c7",
    "octmnist": "c68d92d5b585d8d81f7112f81e2d0842",
    "pneumoniamnist": "28209eda62fecd6e6a2d98b1501bb15f",
    "retinamnist": "bd4c0672f1bba3e3a89f0e4e876791e4",
    "breastmnist": "750601b1f35ba3300ea97c75c52ff8f6",
    "bloodmnist": "7053d0359d879ad8a5505303e11de1dc",
    "tissuemnist": "ebe78ee8b05294063de985d821c1c34b",
    "organamnist": "866b832ed4eeba67bfb9edee1d5544e6",
    "organcmnist": "0afa5834fb105f7705a7d93372119a21",
    "organsmnist": "e5c39f1af030238290b9557d9503af9d",
}
Name = Literal[
    "pathmnist", "chestmnist", "dermamnist", "octmnist", "pneumoniamnist", "retinamnist", "breastmnist",
    "bloodmnist", "tissuemnist", "organamnist", "organcmnist", "organsmnist",
]  # fmt: skip
HOME = "https://medmnist.com"


class MedMnist(Dataset):
    """MedMNIST: medical images of 28x28 pixels, or 64, 128 and 224, in twelve sets; its own three splits.

    Args:
        name: which set.
        root: folder in which its file lies (``pathmnist.npz``, ``pathmnist_64.npz``); default: ``datasets``
            in the cache folder.
        size: side of the images; only those of 28 are downloaded.
        download: whether to download the file if it is not there.

    Reference:
        Yang et al.: MedMNIST v2, Scientific Data 10, 41 (2023).
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
        small = self.size == 28
        url = f"https://zenodo.org/record/6496656/files/{self.name}.npz?download=1"
        file = self.root / (f"{self.name}.npz" if small else f"{self.name}_{self.size}.npz")
        archive = Archive(url, md5=MD5[self.name]) if small else None
        return [Part(file.name, file, HOME, "CC BY 4.0; CC BY-NC 4.0 of dermamnist", archive)]

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
            f"medmnist: {key} in {file} is {images.dtype} {images.shape}; 2-D images of 8 bits are read"
        )
    channels = images[:, None] if images.ndim == 3 else np.moveaxis(images, -1, 1)
    return torch.from_numpy(np.ascontiguousarray(channels))
