"""A figure of several panels in one style: one for each problem, methods by their colour and mark."""

import math
from collections.abc import Callable, Mapping, Sequence
from textwrap import wrap

import matplotlib as mpl
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator

from bench.leaderboard.methods import Method
from bench.leaderboard.plots.looks import MOVED, Look, looks, of_role
from bench.leaderboard.plots.spans import Span
from bench.leaderboard.ranking import Ranking
from bench.leaderboard.table import Board

#: A figure shows at most this many panels, the groups with most methods; the page shows them all.
MOST_PANELS = 12
#: Characters of a name or of a title's line.
LONGEST_NAME, LONGEST_LINE = 28, 38

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


def largest(board: Board) -> list[Ranking]:
    """The problems with most methods, in order; what was only transferred has a figure of its own."""
    found = [r for r in board.rankings if not r.group.only_transferred]
    most = sorted(found, key=lambda r: -len(r.group.entries))[:MOST_PANELS]
    return [r for r in found if any(r is other for other in most)]


def rest(board: Board) -> str:
    """A sentence on the problems that :func:`largest` leaves to the page; empty where it leaves none."""
    left = sum(not r.group.only_transferred for r in board.rankings) - MOST_PANELS
    return f" The page has {left} more problem{'s' * (left > 1)}, of fewer methods." if left > 0 else ""


def looks_of(board: Board) -> Looks:
    """The look of every method of a board; what was trained elsewhere is grey, and takes no colour."""
    entries = [e for r in board.rankings for e in r.group.entries]
    found = looks(e.label for e in entries if e.role != "transfer")
    return found | {e.label: MOVED for e in entries if e.role == "transfer"}


def figure_of(panels: Sequence[Panel], height: float, note: str) -> Figure | None:
    """Panels in rows of three at most, with a line of text below; None without panels."""
    if not panels:
        return None
    columns = min(len(panels), 3)
    rows = math.ceil(len(panels) / columns)
    with mpl.rc_context(STYLE):
        layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.08)  # panels' names stand apart
        figure = Figure(figsize=(max(5.4 * columns, 5.8), (height + 0.6) * rows + 0.4), layout=layout)
        axes = figure.subplots(rows, columns, squeeze=False)
        for axis, (title, draw) in zip(axes.flat, panels, strict=False):
            draw(axis)
            lines = wrap(title, LONGEST_LINE, max_lines=3, placeholder=" …")
            axis.set_title("\n".join(lines), loc="left", fontweight="bold", parse_math=False)
        for axis in axes.flat[len(panels) :]:
            axis.remove()
        figure.supxlabel(note, fontsize=8, color="#555555")
    return figure


def marks(
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


def bound(axes: Axes, span: Span, axis: str) -> None:
    """The ends of an axis, ticks where values have their own place, and a band where they have not."""
    ends, shown = span.ends, span.shown
    ticks = [t for t in MaxNLocator(5).tick_values(*shown) if shown[0] <= t <= shown[1]]
    for low, high in ((ends[0], shown[0]), (shown[1], ends[1])):
        if high > low:
            (axes.axvspan if axis == "x" else axes.axhspan)(low, high, color="#efefef", zorder=0)
    if axis == "x":
        axes.set(xlim=ends, xticks=ticks)
    else:
        axes.set(ylim=ends, yticks=ticks)


def cut(label: str) -> str:
    """A name as long as a panel has room for."""
    return label if len(label) <= LONGEST_NAME else f"{label[: LONGEST_NAME - 1]}…"
