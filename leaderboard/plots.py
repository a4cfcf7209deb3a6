"""The leaderboard's figures, drawn by seaborn: quality with verdicts, quality against speed, curves."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from textwrap import wrap

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from bench.files import replacing
from bench.leaderboard import placing
from bench.leaderboard.groups import Group, Method
from bench.leaderboard.loading import history
from bench.leaderboard.looks import Look, looks, of_role
from bench.leaderboard.ranking import Ranking
from bench.leaderboard.rows import computes, place, setting
from bench.leaderboard.spans import Span
from bench.leaderboard.table import Board
from bench.text import count, number

#: A figure shows at most this many panels, the groups with most methods; the page shows them all.
MOST_PANELS = 12
#: Characters of a name or of a title's line.
LONGEST_NAME, LONGEST_LINE = 28, 48

#: Under the figure of quality.
NOTE = "At the right: mean and rank interval; ★ shown better than all others. Dotted: floor. Dashed: ceiling."

Looks = Mapping[str, Look]
Panel = tuple[str, Callable[[Axes], None]]

STYLE = {
    **sns.axes_style("whitegrid"),
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.labelsize": 9,
    "grid.color": "#e6e6e6",
    "axes.edgecolor": "#b0b0b0",
    "text.parse_math": False,  # names of plug-ins may hold a dollar sign
}


def write(board: Board, folder: Path) -> list[Path]:
    """Write ``quality.png``, ``speed.png`` and ``training.png``; those with nothing to show are removed."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, draw in (("quality", quality), ("speed", speed), ("training", training)):
        path, figure = folder / f"{name}.png", draw(board)
        if figure is None:
            path.unlink(missing_ok=True)
            continue
        with replacing(path) as draft:
            figure.savefig(draft, dpi=150)
        written.append(path)
    return written


def quality(board: Board) -> Figure | None:
    """Mean and 95 % interval of every method, with rank interval and verdict; floor and ceiling as lines."""
    rankings = _rankings(board)
    found = _looks(board)
    panels = [(r.group.title, lambda axes, r=r: _quality_panel(axes, r, found)) for r in rankings]
    heights = max((len(r.group.entries) for r in rankings), default=0)
    return _figure(panels, 1.1 + 0.27 * heights, NOTE)


def speed(board: Board) -> Figure | None:
    """PSNR against reconstructions per second, only on equal hardware and batch size, with Pareto front."""
    places = [(r.group, *place) for r in _rankings(board) for place in by_setting(r.group)][:MOST_PANELS]
    found = _looks(board)
    panels = [
        (group.title, lambda axes, p=p, entries=entries: _speed_panel(axes, entries, p, found))
        for group, p, entries in places
    ]
    return _figure(panels, 3.2, "Line: the best that is reached at each speed (Pareto front).")


def training(board: Board) -> Figure | None:
    """PSNR of the validation split after every epoch, of each method's first training."""
    found, panels = _looks(board), []
    for ranking in _rankings(board):
        curves = {e.label: history(e.first) for e in ranking.group.entries}
        curves = {label: curve for label, curve in curves.items() if len(curve)}
        if curves:
            panels.append(
                (ranking.group.title, lambda axes, curves=curves: _training_panel(axes, curves, found))
            )
    return _figure(panels, 3.2, "")


def by_setting(group: Group) -> Iterator[tuple[str, list[Method]]]:
    """Methods of a group whose speeds may be compared: same hardware, threads and batch size."""
    places: dict[str, list[Method]] = {}
    for entry in group.entries:
        if computes(entry.first):
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


def _rankings(board: Board) -> list[Ranking]:
    """The problems with most methods, in the table's order."""
    found = [r for r in board.rankings if r.group.entries]
    largest = sorted(found, key=lambda r: -len(r.group.entries))[:MOST_PANELS]
    return [r for r in found if any(r is other for other in largest)]


def _looks(board: Board) -> Looks:
    return looks(e.label for r in board.rankings for e in r.group.entries)


def _figure(panels: Sequence[Panel], height: float, note: str) -> Figure | None:
    if not panels:
        return None
    columns = min(len(panels), 3)
    rows = math.ceil(len(panels) / columns)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(max(4.8 * columns, 5.8), (height + 0.6) * rows + 0.4), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False)
        for axis, (title, draw) in zip(axes.flat, panels, strict=False):
            draw(axis)
            lines = wrap(title, LONGEST_LINE, max_lines=3, placeholder=" …")
            axis.set_title("\n".join(lines), loc="left", fontweight="bold", parse_math=False)
        for axis in axes.flat[len(panels) :]:
            axis.remove()
        figure.supxlabel(note, fontsize=8, color="#555555")
    return figure


def _quality_panel(axes: Axes, ranking: Ranking, found: Looks) -> None:
    entries, metric = ranking.group.entries, ranking.metric
    means = [e.mean(metric.name) for e in entries]
    ends = [e.interval(metric.name) for e in entries]
    span = Span.of([*means, *(v for pair in ends for v in pair)])
    for line, style in ((ranking.group.floor, ":"), (ranking.group.ceiling, "--")):
        if line is not None and not span.beyond(line.mean(metric.name)):
            axes.axvline(line.mean(metric.name), color="#777777", linestyle=style, linewidth=1.2, zorder=1)
    _marks(axes, entries, [span.place(m) for m in means], range(len(entries)), found)
    for y, (entry, mean, (low, high)) in enumerate(zip(entries, means, ends, strict=True)):
        colour = of_role(found[entry.label], entry.role).colour
        if not math.isnan(low) and not span.beyond(mean):
            axes.hlines(y, span.place(low), span.place(high), colors=colour, linewidth=2, zorder=2)
        standing = ranking.standings[y]
        told = f"{'★ ' if standing.best else ''}{number(mean, metric.digits - (metric.unit == 'dB'))}"
        for offset, text, tone in ((6, told, "black"), (52, place(entry, standing), "#555555")):
            axes.annotate(
                text,
                (1, y),
                (offset, 0),
                xycoords=axes.get_yaxis_transform(),
                textcoords="offset points",
                va="center",
                color=tone,
            )
    axes.set_yticks(range(len(entries)), [_cut(e.label) for e in entries], parse_math=False)
    axes.set_ylim(len(entries) - 0.4, -0.6)
    axes.set_xlim(span.ends)
    axes.grid(axis="y", visible=False)
    unit = f" ({metric.unit})" if metric.unit else ""
    axes.set(xlabel=f"{metric.title}{unit} with 95 % interval", ylabel="")


def _marks(
    axes: Axes, entries: Sequence[Method], x: Sequence[float], y: Sequence[float], found: Looks
) -> None:
    """One mark per method, in its own colour and form."""
    chosen = {e.label: of_role(found[e.label], e.role) for e in entries}
    sns.scatterplot(
        x=list(x),
        y=list(y),
        hue=[e.label for e in entries],
        style=[e.label for e in entries],
        palette={label: look.colour for label, look in chosen.items()},
        markers={label: look.mark for label, look in chosen.items()},
        s=60,
        zorder=3,
        legend=False,
        clip_on=False,
        ax=axes,
    )


def _speed_panel(axes: Axes, entries: Sequence[Method], where: str, found: Looks) -> None:
    points = [(e.first.timings["images_per_second"], e.mean()) for e in entries]
    span = Span.of([y for _, y in points])
    shown = [(x, span.place(y)) for x, y in points]
    fastest, slowest = max(x for x, _ in points), min(x for x, _ in points)
    pad = max((fastest / slowest) ** 0.12, 2.5)
    axes.set_xscale("log")
    axes.set(xlim=(slowest / pad, fastest * pad), ylim=span.ends)
    front = stairs([shown[i] for i in pareto(points)], slowest / pad)
    axes.plot(*zip(*front, strict=True), color="#b0b0b0", linewidth=1.2, zorder=1)
    _marks(axes, entries, [x for x, _ in shown], [y for _, y in shown], found)
    narrow = fastest < 50 * slowest
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if narrow else (1,), numticks=6))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: count(value)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    below = "\n".join(wrap(f"images per second ({where})", LONGEST_LINE, max_lines=3, placeholder=" …"))
    axes.set(xlabel=below, ylabel="PSNR (dB)")
    names = [
        _cut(e.label) + (f" {number(y, 1)}" if span.beyond(y) else "")
        for e, (_, y) in zip(entries, points, strict=True)
    ]
    _labels(axes, shown, names)


def _labels(axes: Axes, points: Sequence[tuple[float, float]], names: Sequence[str]) -> None:
    """Names beside their points, in a panel of about 300 x 190 points; those without room are left out."""
    width, height = 300.0, 190.0
    to_panel = axes.transData + axes.transAxes.inverted()
    places = [(x * width, y * height) for x, y in to_panel.transform(list(points))]
    sizes = [(5.0 * len(name) + 4, 11.0) for name in names]
    for name, middle in zip(names, placing.beside(places, sizes, (0, 0, width, height), 9), strict=True):
        if middle is not None:
            x, y = middle[0] / width, middle[1] / height
            axes.text(x, y, name, transform=axes.transAxes, ha="center", va="center", fontsize=8)


def _training_panel(axes: Axes, curves: Mapping[str, pd.DataFrame], found: Looks) -> None:
    frame = pd.concat([curve.assign(method=label) for label, curve in curves.items()], ignore_index=True)
    frame = frame[np.isfinite(frame.validation_psnr)]
    span = Span.of(frame.validation_psnr)
    frame = frame.assign(shown=[span.place(v) for v in frame.validation_psnr])
    chosen = {label: found[label] for label in curves}
    sns.lineplot(
        data=frame,
        x="epoch",
        y="shown",
        hue="method",
        style="method",
        palette={label: look.colour for label, look in chosen.items()},
        markers={label: look.mark for label, look in chosen.items()},
        dashes=False,
        legend=False,
        ax=axes,
    )
    axes.set(xlabel="epoch", ylabel="validation PSNR (dB)", ylim=span.ends)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    last = frame.groupby("method").shown.last()
    low, high = span.ends
    heights = placing.apart([(v - low) / (high - low) for v in last], 0.07)
    for label, height in zip(last.index, heights, strict=True):
        colour = found[label].colour
        axes.text(1.02, height, _cut(label), transform=axes.transAxes, va="center", fontsize=8, color=colour)


def _cut(label: str) -> str:
    return label if len(label) <= LONGEST_NAME else f"{label[: LONGEST_NAME - 1]}…"


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
