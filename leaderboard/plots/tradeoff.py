"""Quality against speed, only where speeds may be compared."""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from textwrap import wrap

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from bench.leaderboard.groups import Group
from bench.leaderboard.methods import Method
from bench.leaderboard.plots import placing
from bench.leaderboard.plots.grid import (
    LONGEST_LINE,
    MOST_PANELS,
    Looks,
    bound,
    cut,
    figure_of,
    largest,
    looks_of,
    marks,
    rest,
)
from bench.leaderboard.plots.spans import Span
from bench.leaderboard.rows import computes, setting
from bench.leaderboard.table import Board
from bench.text import count, number

#: Under the figure.
NOTE = "Line: the best that is reached at each speed (Pareto front)."
#: Ground of a name, so that no line crosses it.
WHITE = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.6}


def speed(board: Board) -> Figure | None:
    """PSNR against reconstructions per second, only on equal hardware and batch size, with Pareto front."""
    places = [(r.group, *place) for r in largest(board) for place in by_setting(r.group)][:MOST_PANELS]
    found = looks_of(board)
    panels = [
        (group.title, lambda axes, p=p, entries=entries: _speed_panel(axes, entries, p, found))
        for group, p, entries in places
    ]
    return figure_of(panels, 3.2, NOTE + rest(board))


def by_setting(group: Group) -> Iterator[tuple[str, list[Method]]]:
    """Methods of a group whose speeds may be compared: same hardware, threads and batch size."""
    places: dict[str, list[Method]] = {}
    for entry in group.entries:
        if computes(entry.first) and entry.role != "transfer":
            places.setdefault(setting(entry.first), []).append(entry)
    yield from places.items()


def pareto(points: Sequence[tuple[float, float]]) -> list[int]:
    """Indices of the points that no other beats in both coordinates, fastest first."""
    order = sorted(range(len(points)), key=lambda i: (-points[i][0], -points[i][1]))
    front, best = [], -math.inf
    for i in order:
        if points[i][1] > best:
            front.append(i)
            best = points[i][1]
    return front


def stairs(front: Sequence[tuple[float, float]], left: float) -> list[tuple[float, float]]:
    """A front from the fastest point to the best as a line: what is reached at each speed.

    Args:
        front: its points, the fastest first.
        left: where the line ends, at the height of the best.
    """
    steps = [front[0]]
    for (_, height), (x, y) in pairwise(front):
        steps += [(x, height), (x, y)]
    return [*steps, (left, front[-1][1])]


def _speed_panel(axes: Axes, entries: Sequence[Method], where: str, found: Looks) -> None:
    points = [(e.first.timings["images_per_second"], e.mean()) for e in entries]
    span = Span.of([y for _, y in points])
    shown = [(x, span.place(y)) for x, y in points]
    fastest, slowest = max(x for x, _ in points), min(x for x, _ in points)
    pad = max((fastest / slowest) ** 0.12, 2.5)
    axes.set_xscale("log")
    axes.set_xlim(slowest / pad, fastest * pad)
    bound(axes, span, "y")
    front = stairs([shown[i] for i in pareto(points)], slowest / pad)
    axes.plot(*zip(*front, strict=True), color="#b0b0b0", linewidth=1.2, zorder=1)
    marks(axes, entries, [x for x, _ in shown], [y for _, y in shown], found)
    narrow = fastest < 50 * slowest
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if narrow else (1,), numticks=6))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: count(value)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    below = "\n".join(wrap(f"images per second ({where})", LONGEST_LINE, max_lines=3, placeholder=" …"))
    axes.set(xlabel=below, ylabel="PSNR (dB)")
    names = [
        cut(e.label) + (f" {number(y, 1)}" if span.beyond(y) else "")
        for e, (_, y) in zip(entries, points, strict=True)
    ]
    _labels(axes, shown, names, front)


def _labels(
    axes: Axes,
    points: Sequence[tuple[float, float]],
    names: Sequence[str],
    front: Sequence[tuple[float, float]],
) -> None:
    """Names beside their points, in a panel of about 300 x 190 points; those without room are left out."""
    width, height = 300.0, 190.0
    to_panel = axes.transData + axes.transAxes.inverted()
    places, line = (
        [(x * width, y * height) for x, y in to_panel.transform(list(some))] for some in (points, front)
    )
    sizes = [(5.0 * len(name) + 4, 11.0) for name in names]
    found = placing.beside(places, sizes, (0, 0, width, height), 9, line)
    for name, middle in zip(names, found, strict=True):
        if middle is not None:
            x, y = middle[0] / width, middle[1] / height
            axes.text(x, y, name, transform=axes.transAxes, ha="center", va="center", fontsize=8, bbox=WHITE)
