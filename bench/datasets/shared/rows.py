"""Slices of arrays in HDF5 files, read from where they lie."""

import math
import os
from array import array
from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np

#: Where the chunks of some slices lie in a file, by the number of the chunk among those above one another.
Known = dict[int, Sequence[int] | None]


class Rows:
    """The slices ``array[i]`` of an HDF5 array, in any order, each of their bytes read once.

    An array without filters lies in its file as it is, whole or in chunks. HDF5 reads whole chunks, and where
    one holds parts of several slices (LoDoPaB-CT's: of eight) it reads eight slices for one; here the part of
    a chunk that is wanted is read alone. Filtered arrays, which have to be read chunk by chunk, go by h5py.

    Args:
        array: of an open file.
        known: where its chunks lie, as far as that was looked up: what was found is added. Kept beyond the
            open file, which a set of many files cannot keep, it spares what costs more than the reading.

    Attributes:
        shape, dtype: the array's.
    """

    def __init__(self, array: Any, known: Known | None = None):
        self.array, self.shape, self.dtype = array, array.shape, array.dtype
        self.chunk = array.chunks or (1, *array.shape[1:])
        self.direct = _as_it_is(array)
        self._bytes = math.prod(self.chunk[1:]) * int(self.dtype.itemsize)  # of one slice in one chunk
        self._start = array.id.get_offset() if self.direct and array.chunks is None else None
        self._found: Known = {} if known is None else known
        sides = [range(0, side, part) for side, part in zip(self.shape[1:], self.chunk[1:], strict=True)]
        self._corners = list(product(*sides))
        self._windows = [self._window(corner) for corner in self._corners]

    def __len__(self) -> int:
        return len(self.array)

    def read(self, numbers: Sequence[int], found: Any, scale: float = 1.0) -> None:
        """Slices in the order of ``numbers``, times ``scale``.

        Args:
            numbers: of the slices.
            found: where they go, ``(len(numbers), *shape[1:])`` of the array's type.
            scale: what they are multiplied by.

        Raises:
            IndexError: there is no such slice.
            OSError: the file is shorter than it says, or cannot be read.
        """
        if numbers and not 0 <= min(numbers) <= max(numbers) < len(self):
            raise IndexError(f"slices {min(numbers)} to {max(numbers)} of {len(self)}")
        runs = _runs(numbers, self.chunk[0])
        every = [self._places(first) for _, first, _ in runs]
        for (_, _, count), places in zip(runs, every, strict=True):
            self._announce(places, count)
        for (place, first, count), places in zip(runs, every, strict=True):
            part = found[place : place + count]
            if places is None:
                self.array.read_direct(part, np.s_[first : first + count])
            else:
                self._gather(part, places)
            if scale != 1:
                part *= scale

    def _gather(self, part: Any, places: Sequence[int]) -> None:
        """Slices that lie in the same chunks: of each chunk its rows of them."""
        file = self.array.file.id.get_vfd_handle()
        whole = self.chunk[1:] == self.shape[1:]
        held: Any = part if whole else np.empty((len(part), *self.chunk[1:]), self.dtype)
        buffer = memoryview(held.reshape(-1).view(np.uint8))
        for place, (window, inside) in zip(places, self._windows, strict=True):
            done = os.preadv(file, [buffer], place)
            while done < held.nbytes:  # a disk on the net may give less than is asked for
                if not (more := os.preadv(file, [buffer[done:]], place + done)):
                    raise OSError(f"{held.nbytes} bytes at {place} are expected, {done} are there")
                done += more
            if not whole:
                part[window] = held[inside]

    def _announce(self, places: Sequence[int] | None, count: int) -> None:
        """Tell the system what will be read, so that a disk fetches many small pieces at once."""
        if places is None or len(places) == 1 or not hasattr(os, "posix_fadvise"):
            return
        file, size = self.array.file.id.get_vfd_handle(), count * self._bytes
        for place in places:
            os.posix_fadvise(file, place, size, os.POSIX_FADV_WILLNEED)

    def _places(self, number: int) -> list[int] | None:
        """Where the parts of a slice lie in the file; None: h5py has to read it."""
        slab, row = divmod(number, self.chunk[0])
        if slab not in self._found:
            self._found[slab] = self._offsets(slab)
        offsets = self._found[slab]
        return None if offsets is None else [offset + row * self._bytes for offset in offsets]

    def _offsets(self, slab: int) -> Sequence[int] | None:
        """Where some chunks lie, side by side those of the same slices."""
        if not self.direct:
            return None
        if self.array.chunks is None:
            return None if self._start is None else array("q", [self._start + slab * self._bytes])
        about = self.array.id.get_chunk_info_by_coord
        offsets = [about((slab * self.chunk[0], *corner)).byte_offset for corner in self._corners]
        return None if None in offsets else array("q", offsets)  # a chunk that was never written lies nowhere

    def _window(self, corner: Sequence[int]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
        """Where a chunk's rows go in slices, and which of them: the last chunks reach beyond the array."""
        ends = [min(c + p, s) for c, p, s in zip(corner, self.chunk[1:], self.shape[1:], strict=True)]
        pairs = list(zip(corner, ends, strict=True))
        every = (slice(None),)
        return every + tuple(slice(a, b) for a, b in pairs), every + tuple(slice(b - a) for a, b in pairs)


def _as_it_is(array: Any) -> bool:
    """Whether the numbers lie in the file as they do in memory."""
    file = array.file
    moved = array.is_virtual or array.external or file.userblock_size or file.driver != "sec2"
    changed = array.id.get_create_plist().get_nfilters() or not array.dtype.isnative
    return hasattr(os, "preadv") and not moved and not changed


def _runs(numbers: Sequence[int], length: int) -> list[tuple[int, int, int]]:
    """Successive numbers in pieces that cross no multiple of ``length``: place, first number, count of each.

    Example:
        >>> _runs([6, 7, 8, 3], 8)
        [(0, 6, 2), (2, 8, 1), (3, 3, 1)]
    """
    found: list[tuple[int, int, int]] = []
    for place, number in enumerate(numbers):
        if found and number == sum(found[-1][1:]) and number % length:
            found[-1] = (*found[-1][:2], found[-1][2] + 1)
        else:
            found.append((place, number, 1))
    return found
