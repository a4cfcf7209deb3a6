"""Images that show the same: brighter, noisier, compressed again, mirrored, or shifted by a few pixels.

Candidates are found by a few cosines of small grey images, then laid over each other at every small shift.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

#: Side of the grey images that are compared, and shifts that are tried, in their pixels.
SIDE, SHIFT = 32, 3
#: Grey images with less deviation than this, in levels of 255, show nothing that could be recognised.
FLAT = 4.0
#: Candidates for each image, and how far the cosines of one must agree.
CANDIDATES, LIKE = 4, 0.3
#: Correlations of grey levels and of their differences from which on two images show the same.
SAME, SAME_DETAIL = 0.98, 0.9
#: Images handled at a time.
CHUNK = 2048


class Seen(NamedTuple):
    """What is kept of images: a kilobyte each.

    Attributes:
        grey: grey levels ``(N, 32, 32)`` uint8.
        waves: cosines that are not constant, of norm 1; 0 of flat images.
    """

    grey: Tensor
    waves: Tensor


def seen(images: Tensor) -> Seen:
    """Images ``(N, C, H, W)`` with values from 0 to 255, as they are compared."""
    colourless = images.mean(1, keepdim=True, dtype=torch.float32)
    shrunk = colourless.shape[-2:] != (SIDE, SIDE)
    grey = (F.adaptive_avg_pool2d(colourless, SIDE) if shrunk else colourless)[:, 0].clamp(0, 255).round()
    waves = ((_BASIS @ grey @ _BASIS.T) * _WEIGHT)[:, _KEPT]
    waves = waves / waves.norm(dim=1, keepdim=True).clamp_min(1e-6)
    shows = grey.flatten(1).std(1, keepdim=True) >= FLAT
    return Seen(grey.byte(), torch.where(shows, waves, 0))


def joined(parts: list[Seen]) -> Seen:
    """All images of several parts."""
    return Seen(*(torch.cat(tensors) for tensors in zip(*parts, strict=True)))


def matches(train: Seen, test: Seen) -> dict[int, int]:
    """The training image that shows the same as a test image, for each test image that has one."""
    found: dict[int, tuple[float, int]] = {}
    for start in range(0, len(test.grey), CHUNK):
        rows = Seen(*(part[start : start + CHUNK] for part in test))
        for pairs in _candidates(train.waves, rows.waves):
            likeness = _laid_over(rows.grey[pairs.test], train.grey[pairs.train], pairs.mirrored)
            for t, n, value in zip(pairs.test.tolist(), pairs.train.tolist(), likeness.tolist(), strict=True):
                if value >= SAME and value > found.get(start + t, (0.0, 0))[0]:
                    found[start + t] = value, n
    return {t: n for t, (_, n) in found.items()}


class _Pairs(NamedTuple):
    test: Tensor
    train: Tensor
    mirrored: Tensor


def _candidates(train: Tensor, test: Tensor) -> Iterator[_Pairs]:
    """Pairs whose cosines agree best, for each test image; the best of a block of training images counts."""
    size = max(1, min(CHUNK, math.ceil(len(train) / 32)))
    values, numbers, mirrors = [], [], []
    for start in range(0, len(train), size):
        block = train[start : start + size].T
        straight, mirrored = test @ block, (test * _MIRROR) @ block
        value, number = torch.maximum(straight, mirrored).max(1)
        values.append(value)
        numbers.append(number + start)
        mirrors.append(mirrored.gather(1, number[:, None])[:, 0] > straight.gather(1, number[:, None])[:, 0])
    best, blocks = torch.stack(values, 1).topk(min(CANDIDATES, len(values)), 1)
    like = best >= LIKE
    rows = torch.arange(len(test))[:, None].expand_as(blocks)[like]
    train_numbers, flips = (torch.stack(part, 1).gather(1, blocks)[like] for part in (numbers, mirrors))
    for part in torch.arange(len(rows)).split(CHUNK) if len(rows) else ():
        yield _Pairs(rows[part], train_numbers[part], flips[part])


def _laid_over(test: Tensor, train: Tensor, mirrored: Tensor) -> Tensor:
    """Correlation of pairs at the shift where it is largest; 0 where their details disagree."""
    first = torch.where(mirrored[:, None, None], test.flip(-1), test)
    a, b = (_smoothed(images) for images in (first, train))
    side, shifts = a.shape[-1] - 2 * SHIFT, 2 * SHIFT + 1
    middle = a[:, SHIFT:-SHIFT, SHIFT:-SHIFT]
    middle = middle - middle.mean((1, 2), keepdim=True)
    waves = torch.fft.rfft2(middle, (SIDE, SIDE)).conj() * torch.fft.rfft2(b, (SIDE, SIDE))
    products = torch.fft.irfft2(waves, (SIDE, SIDE))[:, :shifts, :shifts]
    means, squares = (F.avg_pool2d(x[:, None], side, 1)[:, 0] for x in (b, b * b))
    norms = (squares - means * means).clamp_min(1e-6).sqrt() * side
    norms = norms * middle.norm(dim=(1, 2))[:, None, None].clamp_min(1e-6)
    value, place = (products / norms).flatten(1).max(1)
    return torch.where(_detail(a, b, place // shifts, place % shifts) >= SAME_DETAIL, value, 0)


def _smoothed(grey: Tensor) -> Tensor:
    """Weighted means (1, 2, 1) of 3x3 pixels at every place, about 0: ``(P, 30, 30)``.

    Half a pixel's shift is little to them, and so is noise.
    """
    means = F.avg_pool2d(F.avg_pool2d(grey[:, None].float(), 2, 1), 2, 1)[:, 0]
    return means - means.mean((1, 2), keepdim=True)


def _detail(a: Tensor, b: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Correlation of the differences of neighbours, ``b`` being shifted: of two smooth skies it is low."""
    side = a.shape[-1] - 2 * SHIFT
    rows, columns = (SHIFT + torch.arange(side) for _ in "yx")
    there = torch.arange(len(b))[:, None, None]
    moved = b[there, (rows - SHIFT + down[:, None])[:, :, None], (columns - SHIFT + right[:, None])[:, None]]
    first, second = (_differences(x) for x in (a[:, SHIFT:-SHIFT, SHIFT:-SHIFT], moved))
    norms: Tensor = first.norm(dim=1) * second.norm(dim=1)
    return (first * second).sum(1) / norms.clamp_min(1e-6)


def _differences(x: Tensor) -> Tensor:
    return torch.cat([(x[:, 1:] - x[:, :-1]).flatten(1), (x[..., 1:] - x[..., :-1]).flatten(1)], 1)


def _cosines(count: int) -> Tensor:
    """Rows of the orthonormal DCT-II, ``(count, 32)``."""
    k = torch.arange(SIDE, dtype=torch.float32)
    rows = torch.cos(math.pi * (2 * k[None] + 1) * k[:count, None] / (2 * SIDE)) * math.sqrt(2 / SIDE)
    rows[0] /= math.sqrt(2)
    return rows


_BASIS = _cosines(8)
_ORDER = torch.arange(8)
_KEPT = (_ORDER[:, None] + _ORDER < 8) & (_ORDER[:, None] + _ORDER > 0)
#: Photographs have less of the higher frequencies: they count more, but still less than the lowest.
_WEIGHT = (_ORDER[:, None] ** 2 + _ORDER**2).clamp_min(1).float() ** 0.375
#: Of a mirrored image the odd horizontal cosines have the other sign.
_MIRROR = (1.0 - 2.0 * (_ORDER % 2)).expand(8, 8)[_KEPT]
