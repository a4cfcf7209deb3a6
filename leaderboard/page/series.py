"""Charts of series: methods against a number that problems, or methods, differ in."""

import math

from bench.leaderboard.page.charts import FOOT, TALL, Looks, ends, logarithmic, room_of
from bench.leaderboard.page.drawing import Axis, Drawing, label, upward
from bench.leaderboard.plots.series import MOST_TICKS, looks_in
from bench.leaderboard.plots.spans import Span
from bench.leaderboard.series import Line, Series
from bench.text import number


def series(one: Series, metric: str, looks: Looks, title: str = "") -> Drawing:
    """Means with their 95 % intervals at every value, floor and ceiling as lines.

    Args:
        one: the series.
        metric: what is drawn.
        looks: colour and mark of every method of the board.
        title: above the chart; default: what the series is of.
    """
    scale = one.lines[0].points[0][1].scale(metric)
    shown = {line.label: look for line, look in zip(one.lines, looks_in(one, looks), strict=True)}
    span = Span.of(one.spread(metric))
    unit = f" ({scale.unit})" if scale.unit else ""
    drawing = Drawing(title or f"{one.title}: {scale.title}{unit} against {one.parameter}", TALL)
    last = {line.label: line.points[-1][1].mean(metric) for line in one.lines}
    told = {name: f" {number(v, 1)}" for name, v in last.items() if span.beyond(v)}
    right = room_of([name + told.get(name, "") for name in shown])
    x = logarithmic(one.values, right) if one.logarithmic else _linear(one.values, right)
    y = Axis(*span.ends, TALL - FOOT, 22)
    _across(drawing, x, one)
    upward(drawing, y, x.start, x.end, "")
    for line in one.lines:
        _draw(drawing, line, metric, shown, (x, y), span)
    ends(drawing, {name: y(span.place(v)) for name, v in last.items()}, shown, right, told)
    drawing.about = "; ".join(_words(line, metric) for line in one.lines)
    return drawing


def _draw(
    drawing: Drawing, line: Line, metric: str, looks: Looks, axes: tuple[Axis, Axis], span: Span
) -> None:
    (x, y), look = axes, looks[line.label]
    places = [(x(value), y(span.place(method.mean(metric)))) for value, method in line.points]
    drawing.path(places, "curve" if line.role == "model" else line.role, look.colour)
    for (value, method), place in zip(line.points, places, strict=True) if line.role == "model" else ():
        mean, (low, high) = method.mean(metric), method.interval(metric)
        if not math.isnan(low) and not span.beyond(mean):
            ends_of = [(place[0], y(span.place(v))) for v in (low, high)]
            drawing.path(ends_of, "interval", look.colour)
        drawing.mark(*place, look, f"{line.label}: {number(mean)} at {value:,.6g}", 8)


def _across(drawing: Drawing, axis: Axis, one: Series) -> None:
    """The values themselves where they are few, else round ones."""
    few = len(one.values) <= MOST_TICKS
    for tick in one.values if few else axis.ticks():
        drawing.line(axis(tick), 22, axis(tick), TALL - FOOT, "grid")
        text = f"{tick:,.6g}" if few else label(tick, axis)
        drawing.text(axis(tick), TALL - FOOT + 13, text, "middle", "tick")
    drawing.text((axis.start + axis.end) / 2, TALL - FOOT + 31, one.parameter, "middle", "soft")


def _linear(values: list[float], right: float) -> Axis:
    air = 0.05 * (values[-1] - values[0])
    return Axis(values[0] - air, values[-1] + air, 48, right)


def _words(line: Line, metric: str) -> str:
    return f"{line.label} " + ", ".join(f"{number(m.mean(metric))} at {x:,.6g}" for x, m in line.points)
