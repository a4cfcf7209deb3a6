"""Test sets of photographs, which networks meet after learning from another set."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from torch import Tensor

from bench.datasets import Dataset, Split, Splits
from bench.datasets.shared.download import Archive, Part, default_root
from bench.datasets.shared.folders import SUFFIXES, Pictures, each, kept
from bench.datasets.shared.pictures import head
from bench.datasets.shared.scale import Scale
from bench.datasets.shared.split import Sizes, Subset, cut, size_of_each
from bench.errors import UsageError, at_least

DIV2K_HOME = "https://data.vision.ee.ethz.ch/cvl/DIV2K"
#: deepinv's downloader names address and MD5 of the unpacked folders.
DIV2K_TRAIN = Archive(
    "http://data.vision.ee.ethz.ch/cvl/DIV2K/DIV2K_train_HR.zip",
    contents_md5="f9de9c251af455c1021017e61713a48b",
)
DIV2K_VALID = Archive(
    "http://data.vision.ee.ethz.ch/cvl/DIV2K/DIV2K_valid_HR.zip",
    contents_md5="542325e500b0a474c7ad18bae922da72",
)


class Photographs(Dataset):
    """A folder of test photographs, whole and in their own sizes, and another folder to learn from.

    ``root`` holds the sets, each in a folder of its publisher's name. Training takes windows of ``size``,
    others in each epoch; test images come whole, one by one.

    Args:
        root: folder that holds the sets; default: ``datasets`` in the cache folder.
        train: folder of training photographs, in place of the usual ones.
        size: side of the windows that training takes.
        multiple: test images are cut, at the bottom and the right, to sides that it divides: the factor of a
            super-resolution.
        windows: of each photograph in an epoch.
        colour: whether images are colour; else grey, as Pillow converts them.
        download: whether to download what is not there.

    Raises:
        ValueError: a value outside its range.
    """

    #: Folder of the test images in ``root``, other names it goes by, and how many there are.
    folder: ClassVar[str]
    also: ClassVar[tuple[str, ...]] = ()
    count: ClassVar[int]
    home: ClassVar[str]
    archive: ClassVar[Archive | None] = None

    def __init__(
        self,
        root: str | None = None,
        train: str | None = None,
        size: int = 128,
        windows: int = 1,
        colour: bool = True,
        download: bool = False,
        multiple: int = 1,
    ):
        at_least(1, size=size, windows=windows, multiple=multiple)
        self.multiple = multiple
        self.root, self.train = default_root(root), None if train is None else Path(train).expanduser()
        self.size, self.windows, self.channels, self.download = size, windows, 3 if colour else 1, download

    @property
    def name(self) -> str:
        """As it is called on the command line."""
        return type(self).__name__.lower()

    def parts(self) -> list[Part]:
        place = next((p for f in self.also if (p := self.root / f).is_dir()), self.root / self.folder)
        test = Part(self.folder, place, self.home, archive=self.archive)
        return [test] if self.train else [test, self.learned_from()]

    def learned_from(self) -> Part:
        """The usual training set. Default: DIV2K's."""
        place = self.root / "DIV2K_train_HR"
        return Part("DIV2K_train_HR", place, DIV2K_HOME, archive=DIV2K_TRAIN)

    def load(self) -> Splits:
        if self.download:
            self.fetch()
        parts = self.parts()
        for part in parts:
            if not part.here:
                raise part.missing(self.name)
        test = self._pictures(found := pictures_in(parts[0].place), parts[0].home)
        if len(found) != self.count:
            raise UsageError(
                f"{self.name}: {parts[0].place} holds {len(found)} pictures, {self.folder} has {self.count}: "
                f"a part of a download, or another set. It is given out at {self.home}"
            )
        home = "" if self.train else parts[-1].home
        train, chosen = cut(self._pictures(self.training_pictures(found), home), 16, self.name)
        again = Subset(train, list(range(len(train))) * self.windows) if self.windows > 1 else train
        test = Cut(test, self.multiple) if self.multiple > 1 else test
        return Splits(again, test, chosen, crop=(self.size, self.size))

    def training_pictures(self, test: Sequence[Path]) -> list[Path]:
        """Files to learn from.

        Raises:
            UsageError: fewer than two.
        """
        place = self.train or self.parts()[-1].place
        found = pictures_in(place)
        if len(found) < 2:
            raise UsageError(
                f"{self.name}: {len(found)} training pictures in {place}, at least 2 are needed; pictures "
                f"are files that end in {' '.join(sorted(SUFFIXES))}"
            )
        return found

    def _pictures(self, found: Sequence[Path], home: str) -> Split:
        try:
            sizes = [h[1:] for h in each(self.name, head, found)]
            return kept(self.name, Pictures(found, sizes, self.channels, Scale(), None))
        except UsageError as error:
            raise UsageError(f"{error}{f', or get them again at {home}' if home else ''}") from error


class Cut(Split):
    """Images without the last rows and columns, so that ``multiple`` divides their sides."""

    def __init__(self, split: Split, multiple: int):
        self.split, self.multiple, self.groups = split, multiple, split.groups

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, index: int) -> Tensor:
        image = self.split[index]
        height, width = (side - side % self.multiple for side in image.shape[1:])
        return image[:, :height, :width]

    @property
    def sizes(self) -> Sizes:
        multiple = self.multiple
        return [(h - h % multiple, w - w % multiple) for h, w in size_of_each(self.split)]


def pictures_in(folder: Path) -> list[Path]:
    """The picture files of a folder and of those in it, in the order of their paths; hidden ones left out."""
    found = [f for f in folder.rglob("*") if f.suffix.lower() in SUFFIXES and not f.name.startswith(".")]
    return sorted(found)
