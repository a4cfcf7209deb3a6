"""Dead leaves: where they lie, what outline they have, and which of them each sample sees.

Integer hashing and single + - x / sqrt of float32, which IEEE 754 rounds in one way only.
"""

from dataclasses import dataclass
from itertools import pairwise
from math import ceil

import numpy as np
import numpy.typing as npt

from bench.datasets._hashing import Floats, Words, bits, streams, uniform, words

#: Smallest radius of an image in pixels: this, times a factor that differs between images.
SMALLEST, LEAST_FACTOR, MOST_FACTOR = 0.5, 1.0, 12.0
#: Layers of leaves that an image has on average, and at most in an octave of radii.
LAYERS, LAYERS_PER_OCTAVE = 4.0, 1.3
#: Mean area of a leaf over its squared radius; ln 2; the square root of 2.
FILLING, LN2, ROOT2 = 1.1, 0.6931471805599453, 1.4142135623730951
#: Of leaves: their smallest aspect, shares of parallelograms and of ellipses among them, share without
#: taper and bend, and how much of these the others have at most.
ASPECT, ANGULAR, ROUND, PLAIN, TAPER, BEND = 0.35, 0.35, 0.35, 0.4, 0.6, 0.5
#: Tangent of 22.5 degrees: with t up to it, ((1 - t^2), 2 t) / (1 + t^2) covers half a right angle.
EIGHTH = 0.41421356
#: Samples of leaves' squares at once: what a processor's cache holds.
AT_ONCE = 2**14

Ints = npt.NDArray[np.int64]
Ids = npt.NDArray[np.int32]
F = np.float32


@dataclass(frozen=True)
class Leaves:
    """The leaves of several images, one after another; lengths in pixels.

    Attributes:
        streams: one seed for each image.
        image: in which image each leaf lies.
        number: of the leaf, unique in its image.
        radius: of a circle that it does not leave.
        x, y: its centre, from the upper left corner.
        id: its place from back to front among all leaves, after one background for each image.
    """

    seeds: Words
    image: Ints
    number: Ints
    radius: Floats
    x: Floats
    y: Floats
    id: Ids

    def words(self, purpose: int) -> Words:
        """A word for each leaf, of its own, for each purpose."""
        return words(streams(self.seeds, purpose)[self.image], self.number)


def scatter(seeds: Words, size: int, side: int) -> Leaves:
    """Leaves with radii of density r^-3 up to ``size``, thrown on squares of ``side`` pixels."""
    factor = uniform(words(streams(seeds, 1), np.zeros(1, np.int64)))
    smallest = F(SMALLEST) * (F(LEAST_FACTOR) + F(MOST_FACTOR - LEAST_FACTOR) * factor)
    smallest = np.minimum(smallest, F(size / 2))
    share = np.minimum(F(LAYERS / LAYERS_PER_OCTAVE) / _octaves(F(size) / smallest), F(1))
    stream, edges = streams(seeds, 2), _edges(size)
    parts = []
    for number, (low, high) in enumerate(pairwise(edges)):
        images = np.flatnonzero(smallest < high)
        density = LAYERS_PER_OCTAVE / (FILLING * LN2) / 2 * (1 / (low * low) - 1 / (high * high))
        expected = density * (side + 2 * high) * (side + 2 * high)
        numbers = np.arange(ceil(1.5 * expected)) + (number << 32)
        word = words(stream[images, None], numbers)
        ratio = low / high
        radius = F(low) / np.sqrt(F(1) - uniform(word) * F(1 - ratio * ratio))
        chance = F(expected / len(numbers)) * share[images, None]
        thrown, which = np.nonzero((uniform(word, 1) < chance) & (radius >= smallest[images, None]))
        parts.append((images[thrown], numbers[which], radius[thrown, which], np.full(len(which), high, F)))
    image, name, radii, reach = (np.concatenate(part) for part in zip(*parts, strict=True))
    word, depth = (words(streams(seeds, purpose)[image], name) for purpose in (3, 4))
    x, y = (uniform(word, part) * (F(side) + 2 * reach) - reach for part in (0, 1))
    met = (np.maximum(x, y) < F(side) + radii) & (np.minimum(x, y) > -radii)
    image, name, radii, x, y, depth = (values[met] for values in (image, name, radii, x, y, depth))
    ids = np.empty(len(image), np.int32)
    ids[np.lexsort((name, depth))] = np.arange(len(seeds), len(seeds) + len(image))
    return Leaves(seeds, image, name, radii, x, y, ids)


def nearest(leaves: Leaves, side: int, samples: int) -> Ids:
    """The id of the leaf that each sample sees, ``(B, side * samples, side * samples)``."""
    count, n = len(leaves.seeds), side * samples
    seen = np.repeat(np.arange(count, dtype=np.int32), n * n)
    outlines, reach = _outlines(leaves, samples)
    # Leaves of like size are drawn together, those that lie in front last.
    half = _rounded(np.ceil(reach).astype(np.int64), n)
    order = np.lexsort((leaves.id, half))
    for group in np.split(order, np.flatnonzero(np.diff(half[order])) + 1):
        if not len(group):
            continue
        width = min(2 * int(half[group[0]]) + 1, n)
        for piece in np.array_split(group, -(-len(group) * width * width // AT_ONCE)):
            _cover(seen, n, width, outlines[:, piece, None], leaves.image[piece], leaves.id[piece])
    return seen.reshape(count, n, n)


def _edges(size: int) -> list[float]:
    """Radii that part the classes: half octaves from the smallest to the image's size."""
    edges, low = [], SMALLEST
    while low < size:
        edges += [low, low * ROOT2]
        low *= 2
    return [edge for edge in edges if edge < size] + [float(size)]


def _octaves(ratio: Floats) -> Floats:
    """About the binary logarithm, linear between powers of 2."""
    mantissa, exponent = np.frexp(ratio)
    about: Floats = exponent.astype(F) + 2 * mantissa - F(2)
    return about


def _rounded(half: Ints, n: int) -> Ints:
    """Half widths rounded up to one of few, about a fifth apart; from half the image on it is all of it."""
    ladder = [1]
    while ladder[-1] < n // 2:
        ladder.append(max(ladder[-1] + 1, ladder[-1] * 6 // 5))
    return np.array([*ladder, n])[np.searchsorted(ladder, half)]


def _outlines(leaves: Leaves, samples: int) -> tuple[Floats, Floats]:
    """Centre, axes and form of each outline, ``(9, L)``, and how far it reaches; lengths in samples.

    With u and v along its axes, a and b long, a leaf is where ``s + t + m s t < 1``, s = u^2 < 1,
    t = (v (1 + taper u) - bend (u^2 - 1/2))^2 < 1: m = -1 is a parallelogram, 0 an ellipse, more a star.
    """
    word, turn, form = (leaves.words(purpose) for purpose in (5, 6, 7))
    t = uniform(word) * F(EIGHTH)
    cos, sin = (1 - t * t) / (1 + t * t), 2 * t / (1 + t * t)
    swapped, left, down = (bits(turn, place, 1) == 1 for place in range(3))
    cos, sin = np.where(swapped, sin, cos), np.where(swapped, cos, sin)
    cos, sin = np.where(left, -cos, cos), np.where(down, -sin, sin)
    kind = uniform(turn)
    m = np.where(kind < F(ANGULAR + ROUND), F(0), 4 * uniform(turn, 1))
    m = np.where(kind < F(ANGULAR), F(-1), m)
    bent = uniform(form, 2) >= F(PLAIN)
    taper = np.where(bent, (2 * uniform(form) - 1) * F(TAPER), F(0))
    bend = np.where(bent, (2 * uniform(form, 1) - 1) * F(BEND), F(0))
    aspect = F(ASPECT) + F(1 - ASPECT) * uniform(word, 1)
    a = leaves.radius * F(samples) / np.sqrt(1 + aspect * aspect)
    b = a * aspect
    reach = np.maximum(a * np.abs(cos) + b * np.abs(sin), a * np.abs(sin) + b * np.abs(cos))
    # Tapered or bent, it would be wider in places: it is made narrower, and stays inside.
    b = b * (1 - np.abs(taper)) / (1 + np.abs(bend) / 2)
    centre = leaves.x * F(samples), leaves.y * F(samples)
    return np.stack([*centre, cos / a, sin / a, -sin / b, cos / b, taper, bend, m]), reach


def _cover(seen: Ids, n: int, width: int, outlines: Floats, image: Ints, ids: Ids) -> None:
    """Lay leaves, from back to front, over what is seen: each in a square of ``width`` samples."""
    x, y, ux, uy, vx, vy, taper, bend, m = outlines
    across = np.arange(width) + (_corner(x, width) if width < n else np.zeros((len(ids), 1), np.int64))
    down = np.arange(width) + (_corner(y, width) if width < n else np.zeros((len(ids), 1), np.int64))
    dx, dy = across.astype(F) + F(0.5) - x, down.astype(F) + F(0.5) - y
    # Beside the image nothing is covered: far away from every leaf.
    dx[(across < 0) | (across >= n)], dy[(down < 0) | (down >= n)] = F(1e6), F(1e6)
    u = (dx * ux)[:, None, :] + (dy * uy)[:, :, None]
    v = (dx * vx)[:, None, :] + (dy * vy)[:, :, None]
    s = u * u
    u *= taper[:, None]
    u += F(1)
    v *= u
    np.subtract(s, F(0.5), out=u)
    u *= bend[:, None]
    v -= u
    v *= v
    np.minimum(s, F(1), out=s)
    np.minimum(v, F(1), out=v)
    np.multiply(s, v, out=u)
    u *= m[:, None]
    u += s
    u += v
    covered = u < F(1)
    at = ((image[:, None] * n + down) * n)[:, :, None] + across[:, None, :]
    at, here = at[covered], np.repeat(ids, covered.sum((1, 2)))
    front = here > seen[at]
    seen[at[front]] = here[front]


def _corner(centre: Floats, width: int) -> Ints:
    """First sample of a square of ``width`` around each centre, ``(L, 1)``."""
    return np.floor(centre).astype(np.int64) - width // 2
