"""Where labels stand beside their points, so that none covers another."""

from collections.abc import Sequence
from itertools import pairwise

Box = tuple[float, float, float, float]

#: Directions that are tried in turn: right, left, above, below, and the corners.
_TRIED = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1))


def beside(
    points: Sequence[tuple[float, float]],
    sizes: Sequence[tuple[float, float]],
    within: Box,
    gap: float,
    line: Sequence[tuple[float, float]] = (),
) -> list[tuple[float, float] | None]:
    """The middle of each point's label; None where there is no room for it.

    Args:
        points: ``(x, y)`` of each, in pixels.
        sizes: width and height of each label.
        within: left, bottom, right and top edge that no label crosses.
        gap: between a point and its label.
        line: horizontal and vertical pieces through these points, which labels keep off where they can.
    """
    crossed = [(min(a, c), min(b, d), max(a, c) + 1, max(b, d) + 1) for (a, b), (c, d) in pairwise(line)]
    taken = [(x - gap / 2, y - gap / 2, x + gap / 2, y + gap / 2) for x, y in points]
    found: list[tuple[float, float] | None] = []
    for (x, y), (width, height) in zip(points, sizes, strict=True):
        places = [(x + dx * (gap + width / 2), y + dy * (gap + height / 2)) for dx, dy in _TRIED]
        boxes = [(a - width / 2, b - height / 2, a + width / 2, b + height / 2) for a, b in places]
        free = [i for i, box in enumerate(boxes) if _inside(box, within) and not _meets(box, taken)]
        free.sort(key=lambda i: _meets(boxes[i], crossed))
        found.append(places[free[0]] if free else None)
        taken += [boxes[free[0]]] if free else []
    return found


def apart(heights: Sequence[float], least: float) -> list[float]:
    """Heights moved as little as it takes for neighbours to be ``least`` apart, order kept."""
    order = sorted(range(len(heights)), key=lambda i: heights[i])
    blocks: list[tuple[float, int]] = []  # middle and number of labels of runs that touch
    for i in order:
        blocks.append((heights[i], 1))
        while len(blocks) > 1 and blocks[-1][0] - blocks[-2][0] < least * (blocks[-1][1] + blocks[-2][1]) / 2:
            (a, m), (b, n) = blocks[-2:]
            blocks[-2:] = [((a * m + b * n) / (m + n), m + n)]
    places = [middle + least * (k - (n - 1) / 2) for middle, n in blocks for k in range(n)]
    moved = [0.0] * len(heights)
    for i, place in zip(order, places, strict=True):
        moved[i] = place
    return moved


def _inside(box: Box, within: Box) -> bool:
    return box[0] >= within[0] and box[1] >= within[1] and box[2] <= within[2] and box[3] <= within[3]


def _meets(box: Box, taken: Sequence[Box]) -> bool:
    return any(
        box[0] < other[2] and other[0] < box[2] and box[1] < other[3] and other[1] < box[3] for other in taken
    )
