"""CIFAR-10: tiny photographs."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bench.datasets import Dataset, Splits
from bench.datasets.shared.download import Archive, Part, default_root
from bench.errors import UsageError

#: Bytes of one image in its files: a label, then 32x32 red, green and blue values.
RECORD, SHAPE = 1 + 3 * 32 * 32, (3, 32, 32)


class Cifar10(Dataset):
    """CIFAR-10: 50,000 training and 10,000 test photographs of 32x32 pixels, colour.

    Its binary version is read (``cifar-10-batches-bin``), which needs no pickle. Some of its test images have
    near copies among its training images; the record counts them.

    Args:
        root: folder in which ``cifar-10-batches-bin`` lies; default: ``datasets`` in the cache folder.
        download: whether to download it if it is not there (170,052,171 bytes).

    References:
        Krizhevsky: Learning multiple layers of features from tiny images, 2009.
        Home: https://www.cs.toronto.edu/~kriz/cifar.html
    """

    def __init__(self, root: str | None = None, download: bool = False):
        self.root, self.download = default_root(root), download

    def parts(self) -> list[Part]:
        archive = Archive(
            "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz", md5="c32a1d4ab5d03f1284b67883e8d87530"
        )
        place = self.root / "cifar-10-batches-bin"
        home = "https://www.cs.toronto.edu/~kriz/cifar.html"
        return [Part("CIFAR-10 binary version", place, home, archive=archive)]

    def load(self) -> Splits:
        if self.download:
            self.fetch()
        (part,) = self.parts()
        if not part.here:
            raise part.missing("cifar10")
        train = [_images(part, f"data_batch_{number}.bin") for number in range(1, 6)]
        return Splits(torch.cat(train), _images(part, "test_batch.bin"))


def _images(part: Part, name: str) -> Tensor:
    """Images of one file, ``(N, 3, 32, 32)`` uint8."""
    file: Path = part.place / name
    try:
        content = np.fromfile(file, np.uint8)
    except OSError as error:
        raise UsageError(f"cifar10: {file} cannot be read ({error}); get it at {part.home}") from error
    if not content.size or content.size % RECORD:
        raise UsageError(
            f"cifar10: {file} has {content.size:,} bytes, which is no multiple of {RECORD}: a part of a "
            f"download, or another version; get the binary version at {part.home}"
        )
    images = content.reshape(-1, RECORD)[:, 1:].reshape(-1, *SHAPE)
    return torch.from_numpy(np.ascontiguousarray(images))
