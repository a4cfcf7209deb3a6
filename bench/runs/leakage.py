"""Images that are in the training and in the test split: exact copies and near duplicates."""

import hashlib
import math
from collections import Counter

import torch
from torch import Tensor
from torch.nn import functional as F

from bench.datasets import Images, InMemory, Split, Values
from bench.datasets.shared.split import one_size
from bench.problem import Problem
from bench.runs.record import Duplicates
from bench.seeding import stream

#: Two hashes of 64 bits are close if at most this many bits differ.
CLOSE = 8
#: Close images are near duplicates if the correlation of their 16x16 thumbnails is at least this.
SAME = 0.98
#: Thumbnails with less deviation than this, in grey levels, show nothing that could be recognised.
FLAT = 4.0
#: Hashes and profiles of a split: ``(N, 64)``, ``(N, 256)``.
Seen = tuple[Tensor, Tensor]
#: Images handled at a time, and bytes of them.
CHUNK, PIECE = 2048, 2**26


def duplicates(train: Images, test: Images, values: Values | None = None) -> Duplicates:
    """How many test images have a duplicate among the training images.

    An exact duplicate has the same pixels. A near duplicate has a close perceptual hash
    (:func:`perceptual_hash`), and 16x16 grey thumbnails that correlate at 0.98 or more: the same
    picture compressed again, a little brighter, with some noise, or mirrored left to right. A
    window that was shifted by a pixel is mostly not found.

    Args:
        train: a split, or ``(N, C, H, W)``.
        test: a split, or ``(M, C, H, W)``.
        values: what their numbers stand for; default: uint8 grey levels.

    Returns:
        Numbers of test images, those with an exact one not counted again as near; and the first ten
        such pairs (test image, training image).
    """
    splits = [split if isinstance(split, Split) else InMemory(split) for split in (train, test)]
    exact = _exact(*splits)
    known, *both = (
        _seen(split, values or Values(), mirrored)
        for split, mirrored in zip((*splits, splits[1]), (False, False, True), strict=True)
    )
    found = _near(known, both[1]) | _near(known, both[0])
    near = {t: n for t, n in found.items() if t not in exact}
    pairs = sorted((exact | near).items())[:10]
    return Duplicates(len(exact), len(near), tuple(pairs))


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


def perceptual_hash(images: Tensor) -> Tensor:
    """The 64 bits of pHash: signs, about their median, of the 8x8 lowest DCT coefficients at 32x32.

    Args:
        images: ``(N, C, H, W)`` uint8.

    Returns:
        ``(N, 64)`` bool.

    Reference:
        Zauner: Implementation and benchmarking of perceptual image hash functions, 2010.
    """
    grey = _thumbnails(images, 32)
    basis = _dct_basis(32)[:8]
    low = (basis @ grey @ basis.T).flatten(1)
    return low > low.median(1, keepdim=True).values


def _exact(train: Split, test: Split) -> dict[int, int]:
    """A training image with the same pixels for each test image that has one."""
    known = {_digest(train[number]): number for number in range(len(train))}
    found = ((number, known.get(_digest(test[number]))) for number in range(len(test)))
    return {number: match for number, match in found if match is not None}


def _digest(image: Tensor) -> bytes:
    return hashlib.blake2b(image.contiguous().numpy().data, digest_size=16).digest()


def _seen(split: Split, values: Values, mirrored: bool) -> Seen:
    """Hashes and profiles of all images, ``(N, 64)`` and ``(N, 256)``, read once, piece by piece."""
    piece = min(CHUNK, max(1, PIECE * len(split) // max(1, split.nbytes))) if one_size(split) else 1
    signs, profiles = [], []
    for indices in torch.arange(len(split)).split(piece):
        grey = _grey_levels(split.read(indices.tolist()), values)
        grey = grey.flip(-1) if mirrored else grey
        signs.append(_signs(grey))
        profiles.append(_profiles(grey))
    return torch.cat(signs), torch.cat(profiles)


def _grey_levels(stored: Tensor, values: Values) -> Tensor:
    """Images from 0 to 255, float32; of complex ones the magnitude."""
    if stored.dtype == torch.uint8 and values.levels is None:
        return stored.float()
    numbers = values(stored)
    low, high = values.value_range
    return 255 * ((numbers.abs() if numbers.is_complex() else numbers) - low) / (high - low)


def _near(train: Seen, test: Seen) -> dict[int, int]:
    """The most similar training image of each test image that has a near duplicate.

    Of each block of pairs the best of every row is kept: memory does not grow with the matches.
    """
    best, match = torch.full((len(test[0]),), -1.0), torch.zeros(len(test[0]), dtype=torch.long)
    for start in range(0, len(test[0]), CHUNK):
        rows = slice(start, start + CHUNK)
        for other in range(0, len(train[0]), CHUNK):
            (train_bits, train_small), (bits, small) = (
                (part[0][where], part[1][where])
                for part, where in ((train, slice(other, other + CHUNK)), (test, rows))
            )
            alike = (small @ train_small.T).masked_fill_(bits @ train_bits.T < 64 - 2 * CLOSE, -1.0)
            value, number = alike.max(1)
            better = value > best[rows]
            best[rows] = torch.where(better, value, best[rows])
            match[rows] = torch.where(better, number + other, match[rows])
    return {int(t): int(match[t]) for t in (best >= SAME).nonzero()[:, 0]}


def _signs(images: Tensor) -> Tensor:
    """Hashes as -1 and 1: their product is 64 minus twice the number of bits that differ."""
    return perceptual_hash(images).float() * 2 - 1


def _profiles(images: Tensor) -> Tensor:
    """Thumbnails of mean 0 and norm 1, ``(N, 256)``: their product is their correlation; flat ones are 0."""
    small = _thumbnails(images, 16).flatten(1)
    small = small - small.mean(1, keepdim=True)
    unit = small / small.norm(dim=1, keepdim=True).clamp_min(1e-6)
    return torch.where(small.std(1, keepdim=True) >= FLAT, unit, 0)


def _thumbnails(images: Tensor, size: int) -> Tensor:
    """Grey images ``(N, size, size)`` in grey levels, each pixel the mean of its area."""
    return F.adaptive_avg_pool2d(images.float().mean(1, keepdim=True), size)[:, 0]


def _dct_basis(size: int) -> Tensor:
    """Rows are the cosines of the DCT-II, without scale: signs about the median need none."""
    k = torch.arange(size, dtype=torch.float32)
    return torch.cos(math.pi * (2 * k[None] + 1) * k[:, None] / (2 * size))
