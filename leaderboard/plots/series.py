"""Quality against a number that problems or methods differ in: angles, noise, width, training images."""

import math
from collections.abc import Sequence

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from bench.leaderboard.plots import placing
from bench.leaderboard.plots.grid import MOST_PANELS, Looks, cut, figure_of, looks_of
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


def look_of(line: Line, looks: Looks) -> Look:
    """The look of a line: that of its method, of the first one where the method is what is varied."""
    known = looks.get(line.label) or looks[line.points[0][1].label]
    return of_role(known, line.role)


def _panel(axes: Axes, one: Series, metric: str, looks: Looks) -> None:
    scale = one.lines[0].points[0][1].scale(metric)
    span = Span.of(v for line in one.lines for _, method in line.points for v in method.interval(metric))
    for line in one.lines:
        _draw(axes, line, metric, span, look_of(line, looks))
    _across(axes, one)
    unit = f" ({scale.unit})" if scale.unit else ""
    axes.set(xlabel=one.parameter, ylabel=f"{scale.title}{unit}", ylim=span.ends)
    _name(axes, one.lines, metric, span, looks)


def _draw(axes: Axes, line: Line, metric: str, span: Span, look: Look) -> None:
    """A line through the means with its interval as a band."""
    ends = [method.interval(metric) for _, method in line.points]
    frame = pd.DataFrame(
        {"x": [x for x, _ in line.points], "y": [span.place(m.mean(metric)) for _, m in line.points]}
    )
    style = {"floor": ":", "ceiling": "--"}.get(line.role, "-")
    marks = {"marker": look.mark, "markersize": 6} if line.role == "model" else {}
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


def _name(axes: Axes, lines: Sequence[Line], metric: str, span: Span, looks: Looks) -> None:
    """Each line's name at its end, in its colour."""
    last = [line.points[-1][1].mean(metric) for line in lines]
    low, high = span.ends
    wanted = [(span.place(v) - low) / (high - low) for v in last]
    for line, value, height in zip(lines, last, placing.apart(wanted, 0.075), strict=True):
        told = cut(line.label) + (f" {number(value, 1)}" if span.beyond(value) else "")
        colour = look_of(line, looks).colour
        axes.text(1.02, height, told, transform=axes.transAxes, va="center", fontsize=8, color=colour)
