"""Mean and interval of every method, with its rank and verdict."""

import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.leaderboard.plots.grid import Looks, bound, cut, figure_of, largest, looks_of, marks, rest
from bench.leaderboard.plots.looks import of_role
from bench.leaderboard.plots.spans import Span
from bench.leaderboard.ranking import Ranking
from bench.leaderboard.rows import place
from bench.leaderboard.table import Board
from bench.text import number

#: Under the figure.
NOTE = (
    "At the right: mean and rank interval; ★ shown better than all others. Dotted: floor. Dashed: ceiling. "
    "Grey: beyond the axis, infinite values outermost."
)


def quality(board: Board) -> Figure | None:
    """Mean and 95 % interval of every method, with rank interval and verdict; floor and ceiling as lines."""
    rankings = largest(board)
    found = looks_of(board)
    panels = [(r.group.title, lambda axes, r=r: _quality_panel(axes, r, found)) for r in rankings]
    heights = max((len(r.group.entries) for r in rankings), default=0)
    return figure_of(panels, 1.1 + 0.27 * heights, NOTE + rest(board))


def _quality_panel(axes: Axes, ranking: Ranking, found: Looks) -> None:
    entries, metric = ranking.group.entries, ranking.metric
    means = [e.mean(metric.name) for e in entries]
    ends = [e.interval(metric.name) for e in entries]
    span = Span.of([*means, *(v for pair in ends for v in pair)])
    for line, style in ((ranking.group.floor, ":"), (ranking.group.ceiling, "--")):
        if line is not None and not span.beyond(line.mean(metric.name)):
            axes.axvline(line.mean(metric.name), color="#777777", linestyle=style, linewidth=1.2, zorder=1)
    marks(axes, entries, [span.place(m) for m in means], range(len(entries)), found)
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
    axes.set_yticks(range(len(entries)), [cut(e.label) for e in entries], parse_math=False)
    axes.set_ylim(len(entries) - 0.4, -0.6)
    bound(axes, span, "x")
    axes.grid(axis="y", visible=False)
    unit = f" ({metric.unit})" if metric.unit else ""
    axes.set(xlabel=f"{metric.title}{unit} with 95 % interval", ylabel="")
