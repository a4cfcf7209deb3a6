"""Images on their way to a model: from memory, or streamed from disk by worker processes."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils import data

from bench.datasets.shared.split import InMemory, Split, one_size
from bench.datasets.shared.values import Values
from bench.errors import BenchError, UsageError
from bench.operators import Operator

#: A split that takes no more memory than this, in bytes, is read once and kept.
KEPT = 2**29
#: Worker processes at most, and what they may read ahead together, in bytes.
WORKERS, AHEAD = 4, 2**28
#: Seconds between two looks of a worker process at whether its parent lives.
LOOK = 0.5


class Wanted(NamedTuple):
    """Which images a batch takes.

    Attributes:
        indices: their numbers.
        places: where their windows lie, ``(B, 2)`` in [0, 1): 0 is the top, and the left.
    """

    indices: list[int]
    places: Tensor


class Stored(NamedTuple):
    """A batch as it is stored: images, and their measurements where they were recorded."""

    images: Tensor
    measurements: Tensor | None


class Reader(data.Dataset[Stored | BenchError]):
    """Batches of a split as they are stored, brought to one size and checked.

    Args:
        split: what is read.
        values: what its images are checked against.
        size: height and width; larger images are cropped to it.
        recorded: whether recorded measurements are read too.
        name: of the split, for messages.
    """

    def __init__(
        self,
        split: Split,
        values: Values,
        size: tuple[int, int] | None = None,
        recorded: bool = False,
        name: str = "images",
    ):
        self.split, self.values, self.size, self.recorded, self.name = split, values, size, recorded, name
        self.whole = size is None or one_size(split) == size

    def read(self, wanted: Wanted) -> Stored:
        """One batch.

        Raises:
            UsageError: an image is of another type or size than declared, or lies outside its range.
        """
        indices = wanted.indices
        images = self.split.read(indices) if self.whole else self._windows(wanted)
        if images.dim() != 4 or len(images) != len(indices):
            raise UsageError(
                f"{self.name}: read must return ({len(indices)}, channels, height, width), "
                f"not {tuple(images.shape)}"
            )
        if self.whole and self.size and tuple(images.shape[2:]) != self.size:
            raise UsageError(
                f"{self.name}: images are {_by(images.shape[2:])}, not {_by(self.size)} as declared"
            )
        if not isinstance(self.split, InMemory):  # those were checked when they were loaded
            self.values.check(images, f"{self.name} {indices[0]} to {indices[-1]}")
        return Stored(images, self._measurements(indices) if self.recorded else None)

    def __getitem__(self, wanted: Wanted) -> Stored | BenchError:
        # As a value, because DataLoader would wrap it in the text of a traceback.
        try:
            return self.read(wanted)
        except BenchError as error:
            return error

    def _windows(self, wanted: Wanted) -> Tensor:
        assert self.size is not None
        height, width = self.size
        windows = []
        for index, (down, right) in zip(wanted.indices, wanted.places.tolist(), strict=True):
            image = self.split[index]
            free = image.shape[1] - height, image.shape[2] - width
            if min(free) < 0:
                raise UsageError(
                    f"{self.name} {index} is {_by(image.shape[1:])}: no {_by(self.size)} fits in it"
                )
            top, left = int(down * (free[0] + 1)), int(right * (free[1] + 1))
            windows.append(image[:, top : top + height, left : left + width])
        return torch.stack(windows)

    def _measurements(self, indices: Sequence[int]) -> Tensor | None:
        try:
            return self.split.measurements(indices)
        except UsageError as error:
            raise UsageError(f"{self.name} {indices[0]} to {indices[-1]}: {error}") from error


class Source:
    """A split on its way to a device.

    It lies on the device where it fits (half of a GPU's free memory), else in memory where it takes no more
    than 512 MiB; else worker processes read it, batch by batch. The batches are the same in each case.

    Args:
        reader: what is read.
        device: where it goes.
    """

    def __init__(self, reader: Reader, device: torch.device):
        self.values, self.device = reader.values, device
        self.reader = _kept(reader)
        self.images = self._placed()

    def __len__(self) -> int:
        return len(self.reader.split)

    def operator(self, indices: Sequence[int]) -> Operator | None:
        """The dataset's own operator of some images, where the measurements are the recorded ones."""
        return self.reader.split.operator(indices) if self.reader.recorded else None

    def without_measurements(self) -> "Source":
        """The images alone, which are read without what was recorded of them."""
        reader = self.reader
        if not reader.recorded:
            return self
        images = Reader(reader.split, reader.values, reader.size, False, reader.name)
        return Source(images, self.device)

    def batches(self, wanted: Iterable[Wanted]) -> Iterator[tuple[Tensor, Tensor | None]]:
        """Images as values, and their recorded measurements, on the device.

        Raises:
            UsageError: an image cannot be used.
        """
        if self.images is not None:
            for each in wanted:
                index = torch.tensor(each.indices, device=self.images.device)
                yield self.values(self.images[index].to(self.device)), None
            return
        for stored in self._read(list(wanted)):
            if isinstance(stored, BenchError):
                raise stored
            measured = stored.measurements
            y = None if measured is None else measured.to(self.device, non_blocking=True)
            yield self.values(stored.images.to(self.device, non_blocking=True)), y

    def _read(self, wanted: list[Wanted]) -> Iterable[Stored | BenchError]:
        workers = self._workers(wanted)
        if not workers:
            return map(self.reader.__getitem__, wanted)
        return data.DataLoader(
            self.reader,
            batch_size=None,
            sampler=wanted,
            num_workers=workers,
            pin_memory=self.device.type == "cuda",
            multiprocessing_context="fork",
            worker_init_fn=partial(_follow, os.getpid()),
            generator=torch.Generator(),  # else it draws from the global one
        )

    def _workers(self, wanted: list[Wanted]) -> int:
        """None where images lie in the memory that the device works in, or the system cannot fork."""
        in_memory = isinstance(self.reader.split, InMemory) and self.device.type == "cpu"
        if in_memory or not wanted or sys.platform != "linux":
            return 0
        one = self.reader.split[0]
        recorded = self.reader.split.measurement(0) if self.reader.recorded else None
        batch = len(wanted[0].indices) * (one.nbytes + (0 if recorded is None else recorded.nbytes))
        return min(WORKERS, os.cpu_count() or 1, len(wanted), AHEAD // (2 * batch))

    def _placed(self) -> Tensor | None:
        """All images as one tensor with memory of its own, where they can be; on the device if they fit."""
        split = self.reader.split
        if type(split) is not InMemory or not isinstance(split.images, Tensor) or not self.reader.whole:
            return None
        images = split.images
        if self.device.type == "cpu":
            return images
        fits = images.nbytes < torch.cuda.mem_get_info(self.device)[0] / 2
        return images.to(self.device) if fits else None


def _follow(parent: int, worker: int) -> None:
    """Have a worker process end with its parent, which alone decides what Ctrl-C at a terminal means.

    Torch's own watch takes whoever is the parent when it begins, which may be somebody else by then.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK)
    os._exit(1)


def _kept(reader: Reader) -> Reader:
    """The same reader over images in memory of their own, if they lie in memory or are few enough."""
    split = reader.split
    if type(split) is InMemory:
        images = split.images
        own = _owned(images) if isinstance(images, Tensor) else [_owned(image) for image in images]
        return _with(reader, InMemory(own, split.groups))
    if reader.recorded or not one_size(split) or split.nbytes > KEPT:
        return reader
    every = Wanted(list(range(len(split))), torch.zeros(len(split), 2))
    whole = Reader(split, reader.values, one_size(split), False, reader.name).read(every).images
    return _with(reader, InMemory(whole, split.groups))


def _owned(images: Tensor) -> Tensor:
    """Images in memory that holds nothing else: a view would lead to what lies beside it, as test images."""
    return images if images.untyped_storage().nbytes() == images.nbytes else images.clone()


def _with(reader: Reader, split: Split) -> Reader:
    return Reader(split, reader.values, reader.size, reader.recorded, reader.name)


def _by(size: Iterable[int]) -> str:
    return "x".join(map(str, size))
