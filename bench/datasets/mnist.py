"""MNIST, the dataset on which the paper's network learned nothing."""

from pathlib import Path

from torch import Tensor
from torchvision.datasets import MNIST
from torchvision.datasets.mnist import read_image_file

from bench.datasets import Dataset, Splits
from bench.datasets._download import fetched
from bench.datasets.shared.download import Archive, Part, default_root
from bench.errors import at_least

#: Its files of images, to train on and to test on.
FILES = ("train-images-idx3-ubyte", "t10k-images-idx3-ubyte")


class Mnist(Dataset):
    """MNIST: handwritten digits, 28x28, one channel; downloaded only with download=true.

    Its own training and test images are kept apart as they come. Addresses and MD5 are torchvision's.

    Args:
        root: folder in which ``MNIST/raw`` lies, with the files unpacked, or into which they are
            downloaded; default: ``datasets`` in the cache folder.
        download: whether to download the files if they are not there.
        train: at most this many of its 60,000 training images, the first ones.
        test: at most this many of its 10,000 test images, the first ones.

    References:
        LeCun, Bottou, Bengio, Haffner: Gradient-based learning applied to document recognition, 1998.
        Home: http://yann.lecun.com/exdb/mnist
    """

    def __init__(
        self, root: str | None = None, download: bool = False, train: int = 60_000, test: int = 10_000
    ):
        at_least(1, train=train, test=test)
        self.root = str(default_root(root))
        self.download = download
        self.train = train
        self.test = test

    def parts(self) -> list[Part]:
        raw, md5 = Path(self.root) / "MNIST" / "raw", dict(MNIST.resources)
        archives = {name: Archive(f"{MNIST.mirrors[0]}{name}.gz", md5=md5[f"{name}.gz"]) for name in FILES}
        home = "http://yann.lecun.com/exdb/mnist"
        return [Part(name, raw / name, home, archive=archive) for name, archive in archives.items()]

    def load(self) -> Splits:
        if self.download:
            self.fetch()
        train, test = fetched("mnist", self.root, self.download, self._read)
        return Splits(train=train[: self.train, None], test=test[: self.test, None])

    def _read(self) -> tuple[Tensor, Tensor]:
        train, test = (read_image_file(str(part.place)) for part in self.parts())
        return train, test
