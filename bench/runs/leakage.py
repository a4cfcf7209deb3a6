"""Images that are in the training and in the test split: exact copies and near duplicates."""

import hashlib
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import torch
from pydantic import TypeAdapter
from torch import Tensor

from bench.datasets import Images, InMemory, Split, Values
from bench.datasets.shared.cache import keep, kept
from bench.datasets.shared.split import one_size
from bench.problem import Problem
from bench.runs import alike
from bench.runs.parts import Duplicates
from bench.seeding import stream

#: Images and bytes of a split that are looked at; of larger ones a sample is.
MOST_IMAGES, MOST_BYTES = 200_000, 2**32
#: Images read at a time, and bytes of them.
CHUNK, PIECE = 2048, 2**26
#: Seconds of search from which on its result is kept.
WORTH_KEEPING = 0.05

_STORED = TypeAdapter(Duplicates)


def duplicates(train: Images, test: Images, values: Values | None = None) -> Duplicates:
    """How many test images have a duplicate among the training images.

    An exact duplicate has the same pixels. A near duplicate shows the same a little brighter, with some
    noise, compressed again, mirrored left to right, or shifted by up to 3/32 of its side: laid over the
    training image at the best shift of 32x32 grey images, grey levels correlate at 0.98 or more, and the
    differences of neighbours at 0.9 or more. Flat images are near to nothing.

    Found of 400 windows of the dataset ``photos`` that are not flat, 32x32 pixels, shifted by 0, 1, 2 and
    3 pixels along one axis or both: 1.00, 0.99, 0.97, 0.73; among 5,000 other windows of the same
    photographs 1.00, 0.98, 0.90, 0.64; with noise of deviation 5, or as JPEG of quality 75, up to 0.05 less.
    Of 96x96 pixels, shifted by 1 and 3: 0.90, 1.00. Found without being there: 1 of 500, among 5,000 windows
    of other parts of the photographs; 0 of 1,000 dead-leaves images. Two images of nothing but one sharp
    edge each are taken for shifted copies.

    Of splits of more than 200,000 images, or 4 GiB, only so many, evenly spaced, are looked at.

    Args:
        train: a split, or ``(N, C, H, W)``.
        test: a split, or ``(M, C, H, W)``.
        values: what their numbers stand for; default: uint8 grey levels.

    Returns:
        Numbers of test images, those with an exact one not counted again as near; the first ten such
        pairs (test image, training image); and how many images were looked at, where not all were.
    """
    splits = [split if isinstance(split, Split) else InMemory(split) for split in (train, test)]
    numbers = [_looked_at(split) for split in splits]
    (known, shown), (asked, asked_shown) = (
        _seen(split, chosen, values or Values()) for split, chosen in zip(splits, numbers, strict=True)
    )
    where = {digest: number for number, digest in enumerate(known)}
    exact = {t: where[digest] for t, digest in enumerate(asked) if digest in where}
    near = {t: n for t, n in alike.matches(shown, asked_shown).items() if t not in exact}
    pairs = [(numbers[1][t], numbers[0][n]) for t, n in sorted((exact | near).items())[:10]]
    sampled = [len(n) if len(n) < len(split) else None for n, split in zip(numbers, splits, strict=True)]
    return Duplicates(len(exact), len(near), tuple(pairs), *sampled)


def duplicates_kept(content: str, search: Callable[[], Duplicates]) -> Duplicates:
    """What ``search`` finds, from the cache folder if it was searched for there.

    Args:
        content: the images, by their digest and by how they are split.
        search: what is done otherwise; it is kept where it takes a while.
    """
    code = b"".join(Path(file).read_bytes() for file in (__file__, str(alike.__file__)))
    name = f"duplicates/{hashlib.sha256(code + content.encode()).hexdigest()}"
    if body := kept(name):
        with suppress(ValueError):
            return _STORED.validate_json(body)
    started = time.perf_counter()
    found = search()
    if time.perf_counter() - started > WORTH_KEEPING:
        keep(name, _STORED.dump_json(found))
    return found


def _looked_at(split: Split) -> list[int]:
    """Numbers of the images that are looked at: evenly spaced."""
    count = len(split)
    most = min(MOST_IMAGES, max(1, MOST_BYTES * count // max(1, split.nbytes)))
    return list(range(count)) if count <= most else [i * count // most for i in range(most)]


def repeated_ivs(problem: Problem) -> int | None:
    """Number of test images whose iv (:meth:`bench.Operator.nonces`) another test image has too.

    None where the operator draws nothing that must be unique.
    """
    seen: Counter[bytes] = Counter()
    for number in range(len(problem.splits.test)):
        drawn = problem.operator.nonces(1, stream("cpu", problem.seed, "test", number))
        if drawn is None:
            return None
        seen[drawn.numpy().tobytes()] += 1
    return sum(count for count in seen.values() if count > 1)


def _seen(split: Split, numbers: list[int], values: Values) -> tuple[list[bytes], alike.Seen]:
    """A digest of each image, and what is compared of it; read once, piece by piece."""
    piece = min(CHUNK, max(1, PIECE * len(split) // max(1, split.nbytes))) if one_size(split) else 1
    digests, parts = [], []
    for start in range(0, len(numbers), piece):
        stored = split.read(numbers[start : start + piece])
        digests += [_digest(image) for image in stored]
        parts.append(alike.seen(_grey_levels(stored, values)))
    return digests, alike.joined(parts)


def _digest(image: Tensor) -> bytes:
    shape = repr(tuple(image.shape)).encode()
    return hashlib.blake2b(image.contiguous().numpy().data, digest_size=16, key=shape).digest()


def _grey_levels(stored: Tensor, values: Values) -> Tensor:
    """Images from 0 to 255; of complex ones the magnitude."""
    if stored.dtype == torch.uint8 and values.levels is None:
        return stored
    numbers = values(stored)
    low, high = values.value_range
    return 255 * ((numbers.abs() if numbers.is_complex() else numbers) - low) / (high - low)
