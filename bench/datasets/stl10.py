"""STL-10, the dataset of the paper."""

from pathlib import Path

import numpy as np
import torch
from torchvision.datasets import STL10

from bench.datasets import Dataset, Splits
from bench.datasets._download import fetched
from bench.datasets.shared.download import Archive, Part, default_root
from bench.errors import UsageError, at_least


class Stl10(Dataset):
    """STL-10: 100,000 colour photographs of 96x96 pixels; downloaded only with download=true.

    The first ``train`` of its unlabelled images are for training and the last ``test`` for testing;
    with the defaults these are all of them, 90,000 and 10,000 as in Hauptmann and Adler, 2020. The
    files' MD5 sums are checked at every reading (3 GB).

    Args:
        root: folder in which ``stl10_binary`` lies, or into which it is downloaded; default: ``datasets`` in
            the cache folder.
        download: whether to download the files if they are not there.
        train: number of training images.
        test: number of test images.

    References:
        Coates, Lee, Ng: An analysis of single-layer networks in unsupervised feature learning, 2011.
        Home: https://cs.stanford.edu/~acoates/stl10
    """

    def __init__(
        self, root: str | None = None, download: bool = False, train: int = 90_000, test: int = 10_000
    ):
        at_least(1, train=train, test=test)
        self.root = str(default_root(root))
        self.download = download
        self.train = train
        self.test = test

    def parts(self) -> list[Part]:
        place = Path(self.root).expanduser() / "stl10_binary"
        archive = Archive(STL10.url, md5=STL10.tgz_md5)
        return [Part("STL-10", place, "https://cs.stanford.edu/~acoates/stl10", archive=archive)]

    def load(self) -> Splits:
        if self.download:
            self.fetch()
        images = fetched("stl10", self.root, False, self._read)
        if self.train + self.test > len(images):
            raise UsageError(
                f"stl10: train={self.train} and test={self.test} are {self.train + self.test} images; "
                f"it has {len(images)}"
            )
        parts = images[: self.train], images[len(images) - self.test :]
        train, test = (torch.from_numpy(np.ascontiguousarray(part)) for part in parts)
        return Splits(train=train, test=test)

    def _read(self) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
        images: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
        images = STL10(self.root, split="unlabeled").data
        return images
