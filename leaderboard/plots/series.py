"""Quality against a number that problems or methods differ in: angles, noise, width, images, epochs."""

import math
from collections.abc import Sequence

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from bench.leaderboard.plots import placing
from bench.leaderboard.plots.grid import MOST_PANELS, Looks, bound, cut, figure_of, looks_of
from bench.leaderboard.plots.looks import Look, of_role
from bench.leaderboard.plots.spans import Span
from bench.leaderboard.series import Line, Series
from bench.leaderboard.series import series as found_in
from bench.leaderboard.table import Board
from bench.text import number

#: Under the figure.
NOTE = "Mean with 95 % interval. Dotted: floor. Dashed: ceiling."
#: Values that an axis names, each where it lies; of more, round ones between.
MOST_TICKS = 8


def series(board: Board) -> Figure | None:
    """Mean and 95 % interval of every method at every value of a number, floor and ceiling as lines."""
    metric = board.rankings[0].metric.name if board.rankings else "psnr"
    looks = looks_of(board)
    found = found_in(r.group for r in board.rankings)[:MOST_PANELS]
    panels = [(s.title, lambda axes, s=s: _panel(axes, s, metric, looks)) for s in found]
    return figure_of(panels, 3.0, NOTE)


def looks_in(one: Series, looks: Looks) -> list[Look]:
    """The look of each line: that of its method; where that is varied, of one whose colour is free."""
    chosen: list[Look] = []
    for line in one.lines:
        known = [looks[label] for label in (line.label, *(m.label for _, m in line.points)) if label in looks]
        taken = {look.colour for look in chosen}
        chosen.append(of_role(next((k for k in known if k.colour not in taken), known[0]), line.role))
    return chosen


def _panel(axes: Axes, one: Series, metric: str, looks: Looks) -> None:
    scale = one.lines[0].points[0][1].scale(metric)
    span = Span.of(one.spread(metric))
    chosen = looks_in(one, looks)
    for line, look in zip(one.lines, chosen, strict=True):
        _draw(axes, line, metric, span, look)
    _across(axes, one)
    unit = f" ({scale.unit})" if scale.unit else ""
    bound(axes, span, "y")
    axes.set(xlabel=one.parameter, ylabel=f"{scale.title}{unit}")
    _name(axes, one.lines, metric, span, chosen)


def _draw(axes: Axes, line: Line, metric: str, span: Span, look: Look) -> None:
    """A line through the means with its interval as a band."""
    ends = [method.interval(metric) for _, method in line.points]
    frame = pd.DataFrame(
        {"x": [x for x, _ in line.points], "y": [span.place(m.mean(metric)) for _, m in line.points]}
    )
    style = {"floor": ":", "ceiling": "--"}.get(line.role, "-")
    marks = {"marker": look.mark, "markersize": 7, "markeredgewidth": 0.5} if line.role == "model" else {}
    sns.lineplot(frame, x="x", y="y", color=look.colour, linestyle=style, ax=axes, **marks)
    low, high = ([span.place(end[k]) for end in ends] for k in (0, 1))
    if line.role == "model" and not any(math.isnan(v) for v in (*low, *high)):
        axes.fill_between(frame.x, low, high, color=look.colour, alpha=0.13, linewidth=0)


def _across(axes: Axes, one: Series) -> None:
    if one.logarithmic:
        axes.set_xscale("log")
    if len(one.values) <= MOST_TICKS:
        axes.xaxis.set_major_locator(FixedLocator(one.values))
        axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))


def _name(axes: Axes, lines: Sequence[Line], metric: str, span: Span, chosen: Sequence[Look]) -> None:
    """Each line's name at its end, in its colour."""
    last = [line.points[-1][1].mean(metric) for line in lines]
    low, high = span.ends
    wanted = [(span.place(v) - low) / (high - low) for v in last]
    heights = placing.apart(wanted, 0.075)
    for line, value, height, look in zip(lines, last, heights, chosen, strict=True):
        told = cut(line.label) + (f" {number(value, 1)}" if span.beyond(value) else "")
        axes.text(1.02, height, told, transform=axes.transAxes, va="center", fontsize=8, color=look.colour)
