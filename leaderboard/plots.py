"""The leaderboard's figures: quality with floor and ceiling, quality against speed, training curves."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from bench.files import replacing
from bench.leaderboard.groups import Group, Method
from bench.leaderboard.loading import history
from bench.leaderboard.rows import computes, setting
from bench.leaderboard.table import Board
from bench.text import count, number

#: A figure shows at most this many panels, the groups with most methods; the page shows them all.
MOST_PANELS = 12
#: Okabe & Ito's colours, which colour-blind readers can tell apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
ROLE_COLOUR = {"model": "#0072B2", "floor": "#777777", "ceiling": "#009E73"}
MARKERS = "os^DvP*X"

Panel = tuple[Group, Callable[[Axes], None]]
Styles = dict[str, dict[str, Any]]

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
    """Mean PSNR of every method with its 95 % interval, floor and ceiling as lines."""
    rows = board.frame.set_index("fingerprint")
    panels = [(g, lambda axes, g=g: _quality_panel(axes, g, rows)) for g in _groups(board)]
    heights = max((len(g.entries) for g, _ in panels), default=0)
    return _figure(panels, "", 0.9 + 0.27 * heights)


def speed(board: Board) -> Figure | None:
    """PSNR against reconstructions per second, only on equal hardware and batch size, with Pareto front."""
    places = [(g, *place) for g in _groups(board) for place in by_setting(g)][:MOST_PANELS]
    styles = _styles(e.label for _, _, entries in places for e in entries)
    panels = [
        (g, lambda axes, p=p, entries=entries: _speed_panel(axes, entries, p, styles))
        for g, p, entries in places
    ]
    return _figure(panels, "PSNR (dB)", 3.0, styles)


def training(board: Board) -> Figure | None:
    """PSNR of the validation split after every epoch."""
    curves = [(g, [(e.label, history(e.first)) for e in g.entries]) for g in _groups(board)]
    curves = [(g, [(n, h) for n, h in found if len(h)]) for g, found in curves]
    curves = [(g, found) for g, found in curves if found]
    styles = _styles(name for _, found in curves for name, _ in found)
    panels = [(g, lambda axes, found=found: _training_panel(axes, found, styles)) for g, found in curves]
    return _figure(panels, "validation PSNR (dB)", 3.0, styles)


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


def _groups(board: Board) -> list[Group]:
    """The groups with most methods, in the table's order."""
    groups = [r.group for r in board.rankings if r.group.entries]
    largest = sorted(groups, key=lambda g: -len(g.entries))[:MOST_PANELS]
    chosen = set(map(id, largest))
    return [g for g in groups if id(g) in chosen]


def _figure(
    panels: Sequence[Panel], ylabel: str, height: float, styles: Styles | None = None
) -> Figure | None:
    if not panels:
        return None
    columns = min(len(panels), 3)
    rows = math.ceil(len(panels) / columns)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(max(4.6 * columns, 5.5), (height + 0.6) * rows + 0.3), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False)
        for place, (group, draw) in zip(axes.flat, panels, strict=False):
            draw(place)
            place.set_title(_wrapped(group.title), loc="left", fontweight="bold", parse_math=False)
            place.set_ylabel(ylabel)
        for place in axes.flat[len(panels) :]:
            place.remove()
        if styles:
            _legend(figure, styles)
    return figure


def _wrapped(title: str, width: int = 52) -> str:
    return title if len(title) <= width else title.replace(" on ", "\non ", 1)


#: PSNR in dB below which a method has collapsed (ten times the range of error): marked at the edge.
COLLAPSED = -20.0


def _at_edge(value: float) -> bool:
    return not math.isfinite(value) or value < COLLAPSED


@dataclass(frozen=True)
class _Span:
    """Where shown values end, and where infinite and collapsed ones are marked beyond them."""

    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "_Span":
        shown = [v for v in values if not _at_edge(v)]
        low, high = (min(shown), max(shown)) if shown else (0.0, 1.0)
        pad = max(0.12 * (high - low), 0.5)
        return cls(low - pad, high + pad)

    def place(self, value: float) -> float:
        return value if not _at_edge(value) else self.high if value > 0 else self.low


def _quality_panel(axes: Axes, group: Group, rows: pd.DataFrame) -> None:
    table = rows.loc[[e.first.fingerprint for e in group.entries]]
    span = _Span.of([*table.psnr, *table.psnr_low, *table.psnr_high])
    for line, style in ((group.floor, ":"), (group.ceiling, "--")):
        if line is not None and math.isfinite(line.mean()):
            axes.axvline(line.mean(), color=ROLE_COLOUR[line.role], linestyle=style, linewidth=1.2, zorder=1)
    for y, (entry, row) in enumerate(zip(group.entries, table.itertuples(), strict=True)):
        _interval(axes, span, y, row, ROLE_COLOUR[entry.role])
    axes.set_yticks(range(len(group.entries)), [e.label for e in group.entries], parse_math=False)
    axes.set_ylim(len(group.entries) - 0.4, -0.6)
    axes.set_xlim(span.low - 0.04 * (span.high - span.low), span.high + 0.22 * (span.high - span.low))
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("PSNR (dB) with 95 % interval")


def _interval(axes: Axes, span: _Span, y: int, row: Any, colour: str) -> None:
    if _at_edge(row.psnr):
        marker = ">" if row.psnr > 0 else "<"
        axes.plot(span.place(row.psnr), y, marker, color=colour, markersize=8, clip_on=False)
    else:
        ends = [span.place(row.psnr_low), span.place(row.psnr_high)]
        axes.plot(ends, [y, y], color=colour, linewidth=2, solid_capstyle="butt")
        axes.plot(row.psnr, y, "o", color=colour, markersize=5.5)
    text = number(row.psnr, 1)
    axes.annotate(text, (span.place(row.psnr_high), y), (7, 0), textcoords="offset points", va="center")


def _speed_panel(axes: Axes, entries: Sequence[Method], place: str, styles: Styles) -> None:
    points = [(e.first.timings["images_per_second"], e.mean()) for e in entries]
    span = _Span.of([p[1] for p in points])
    shown = [(x, span.place(y)) for x, y in points]
    front = [shown[i] for i in pareto(points)]
    axes.plot(*zip(*front, strict=True), color="#b0b0b0", linewidth=1.2, zorder=1, drawstyle="steps-post")
    for entry, (x, y) in zip(entries, shown, strict=True):
        axes.plot(x, y, linestyle="", markersize=7.5, **styles[entry.label])
        if _at_edge(entry.mean()):
            above = entry.mean() > 0
            axes.annotate(
                number(entry.mean()),
                (x, y),
                (0, 7 if above else -7),
                textcoords="offset points",
                ha="center",
                va="bottom" if above else "top",
            )
    axes.set_xscale("log")
    narrow = max(x for x, _ in points) < 50 * min(x for x, _ in points)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if narrow else (1,), numticks=6))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: count(value)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.margins(x=0.15, y=0.15)
    _spread(axes)
    axes.set_xlabel(f"images per second\n({place})")


def _training_panel(axes: Axes, curves: Sequence[tuple[str, pd.DataFrame]], styles: Styles) -> None:
    for label, curve in curves:
        values = curve.validation_psnr.replace([np.inf, -np.inf], np.nan)
        axes.plot(curve.epoch, values, markersize=4.5, linewidth=1.6, **styles[label])
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _spread(axes)
    axes.set_xlabel("epoch")


def _spread(axes: Axes, least: float = 1.0) -> None:
    """At least so many dB from bottom to top: methods that are alike should look it."""
    low, high = axes.get_ylim()
    missing = max(least - (high - low), 0) / 2
    axes.set_ylim(low - missing, high + missing)


def _styles(labels: Iterable[str]) -> Styles:
    """A colour and a marker for each method, the same in every panel."""
    distinct = dict.fromkeys(labels)
    pairs = ((c, m) for round_ in range(len(distinct)) for c, m in zip(COLOURS, _turned(round_), strict=True))
    return {n: {"color": c, "marker": m, "label": n} for n, (c, m) in zip(distinct, pairs, strict=False)}


def _turned(by: int) -> str:
    """The markers, begun elsewhere, so that the next round of colours gives new pairs."""
    by %= len(MARKERS)
    return MARKERS[by:] + MARKERS[:by]


def _legend(figure: Figure, styles: Styles) -> None:
    handles = [Line2D([], [], linewidth=1.6, **style) for style in styles.values()]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 6), frameon=False)
