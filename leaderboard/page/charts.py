"""Charts of the page; each is a :class:`bench.leaderboard.page.drawing.Drawing`."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from bench.leaderboard.estimates import Array
from bench.leaderboard.groups import Group
from bench.leaderboard.methods import Method
from bench.leaderboard.page.drawing import LETTER, WIDTH, Axis, Drawing, across, upward
from bench.leaderboard.plots import placing
from bench.leaderboard.plots.looks import Look, of_role
from bench.leaderboard.plots.spans import Span
from bench.leaderboard.plots.tradeoff import by_setting, pareto, stairs
from bench.leaderboard.ranking import Ranking
from bench.runs.record import Record
from bench.text import number

#: Height of a row, of a chart without rows, and of the space below it for ticks and title.
ROW, TALL, FOOT = 22.0, 250.0, 42.0

Looks = Mapping[str, Look]
Points = list[tuple[float, float]]


def charts(ranking: Ranking, looks: Looks) -> list[Drawing]:
    """The charts of one group.

    Args:
        ranking: the group with its ranks.
        looks: colour and mark of every method.
    """
    group = ranking.group
    places = [speed(place, entries, looks) for place, entries in by_setting(group)]
    curves = [curve for name in ("validation_psnr", "loss") if (curve := training(group, looks, name))]
    found = [quality(ranking, looks), *places, distributions(group, looks), *curves]
    return [drawing for drawing in found if drawing is not None]


def quality(ranking: Ranking, looks: Looks) -> Drawing | None:
    """Mean and 95 % interval of every method, floor and ceiling as lines."""
    entries, metric = ranking.group.entries, ranking.metric
    if not entries:
        return None
    ends = [e.interval(metric.name) for e in entries]
    means = [e.mean(metric.name) for e in entries]
    span = Span.of([*means, *sum(ends, ())])
    drawing, axis = _rows(
        f"{metric.title}, with 95 % interval",
        entries,
        span,
        f"{metric.title} ({metric.unit})" if metric.unit else metric.title,
    )
    for line in (ranking.group.floor, ranking.group.ceiling):
        if line is not None and not span.beyond(value := line.mean(metric.name)):
            drawing.line(axis(value), 0, axis(value), drawing.height - FOOT, line.role)
    for i, (entry, mean, (low, high)) in enumerate(zip(entries, means, ends, strict=True)):
        y, look = _row(i), of_role(looks[entry.label], entry.role)
        places = [axis(span.place(v)) for v in (low, mean, high)]
        if not math.isnan(low) and not span.beyond(mean):
            drawing.line(places[0], y, places[2], y, "interval", look.colour)
        told = f"{entry.label}: {number(mean, metric.digits)} {metric.unit}"
        drawing.mark(places[1], y, look, told)
        star = "★ " if ranking.standings[i].best else ""
        drawing.text(WIDTH, y, f"{star}{number(mean, min(metric.digits, 3) - (metric.unit == 'dB'))}", "end")
    return drawing


def speed(setting: str, entries: Sequence[Method], looks: Looks) -> Drawing:
    """PSNR against reconstructions per second in one setting; the Pareto front steps down to the right."""
    points = [(e.first.timings["images_per_second"], e.mean()) for e in entries]
    span = Span.of([y for _, y in points])
    drawing = Drawing(f"PSNR against speed: {setting}", TALL)
    x, y = logarithmic([x for x, _ in points]), Axis(*span.ends, TALL - FOOT, 22, shown=span.shown)
    across(drawing, x, 22, TALL - FOOT, "images per second")
    upward(drawing, y, x.start, x.end, "PSNR (dB)")
    shown = [(x(a), y(span.place(b))) for a, b in points]
    front = stairs([shown[i] for i in pareto(points)], x.start)
    drawing.path(front, "front")
    for entry, (a, b), place in zip(entries, points, shown, strict=True):
        told = f"{entry.label}: {number(b)} dB, {number(a, 0)} images/s"
        drawing.mark(*place, of_role(looks[entry.label], entry.role), told, 10)
    names = [
        _short(e) + (f" {number(b, 1)}" if span.beyond(b) else "")
        for e, (_, b) in zip(entries, points, strict=True)
    ]
    sizes = [(LETTER * len(n), 12.0) for n in names]
    labels = placing.beside(shown, sizes, (x.start, 14, WIDTH, TALL - FOOT), 8, front)
    for name, label in zip(names, labels, strict=True):
        if label is not None:
            drawing.text(*label, name, "middle", "label")
    return drawing


def distributions(group: Group, looks: Looks) -> Drawing | None:
    """PSNR of the units: box from the 25th to the 75th percentile, whiskers to the 5th and 95th."""
    if not group.entries:
        return None
    marks = [_quantiles(e.score()) for e in group.entries]
    span = Span.of([v for row in marks for v in row])
    unit = group.entries[0].first.data.unit
    title = f"PSNR {unit} by {unit}"
    drawing, axis = _rows(title, group.entries, span, "PSNR (dB): 5, 25, 50, 75 and 95 %")
    for i, (entry, row) in enumerate(zip(group.entries, marks, strict=True)):
        places, y = [axis(span.place(v)) for v in row], _row(i)
        colour = of_role(looks[entry.label], entry.role).colour
        drawing.line(places[0], y, places[4], y, "whisker", colour)
        drawing.line(places[1], y, places[3], y, "box", colour)
        drawing.line(places[2], y - 6, places[2], y + 6, "median")
        drawing.text(WIDTH, y, _infinite(entry.score()), "end", "soft")
    return drawing


def training(group: Group, looks: Looks, name: str) -> Drawing | None:
    """``validation_psnr`` or ``loss`` after every epoch, of each method's first training."""
    curves = {}
    for entry in group.entries:
        curve = entry.history
        if len(curve) > 1 and name in curve:
            curves[entry.label] = list(zip(curve.epoch.tolist(), curve[name].tolist(), strict=True))
    title = {"validation_psnr": "Validation PSNR (dB)", "loss": "Training loss"}[name]
    return _curves(title, curves, looks, "epoch", 1.0 if name == "validation_psnr" else 0.0)


def of_run(record: Record, label: str, looks: Looks) -> list[Drawing]:
    """Validation PSNR and training loss of one run."""
    own = Group("", "", "", (Method(label, (record,)),))
    return [c for name in ("validation_psnr", "loss") if (c := training(own, looks, name))]


def _curves(
    title: str,
    curves: Mapping[str, Points],
    looks: Looks,
    below: str,
    least: float,
) -> Drawing | None:
    """Lines with their names at their ends."""
    kept = {n: [(x, y) for x, y in points if math.isfinite(y)] for n, points in curves.items()}
    kept = {name: points for name, points in kept.items() if points}
    if not kept:
        return None
    right = room_of(kept)
    xs = [x for points in kept.values() for x, _ in points]
    span = Span.of([y for points in kept.values() for _, y in points], least)
    drawing = Drawing(title, TALL)
    x = Axis(min(xs), max(*xs, min(xs) + 1), 48, right, whole=below == "epoch")
    bottom = span.low - 1e-9 - 0.05 * (span.high - span.low)
    y = Axis(bottom, span.ends[1] + 1e-9, TALL - FOOT, 22, shown=(bottom, span.shown[1] + 1e-9))
    across(drawing, x, 22, TALL - FOOT, below)
    upward(drawing, y, x.start, x.end, "")
    for name, points in kept.items():
        places = [(x(a), y(span.place(b))) for a, b in points]
        drawing.path(places, "curve", looks[name].colour)
        for place, (a, b) in zip(places, points, strict=True):
            if len(points) <= 30:
                drawing.mark(*place, looks[name], f"{name}: {number(b, 4)} at {a:g}", 6)
    ends(drawing, {n: y(span.place(points[-1][1])) for n, points in kept.items()}, looks, right)
    return drawing


def room_of(names: Collection[str]) -> float:
    """Where lines end, so that their names have room beside them."""
    return WIDTH - (LETTER * max(map(len, map(_cut, names))) + 22 if len(names) > 1 else 8)


def ends(
    drawing: Drawing,
    heights: Mapping[str, float],
    looks: Looks,
    right: float,
    more: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Names at the right of the lines, none on another; ``more`` is told behind some of them."""
    if len(heights) < 2:
        return
    for name, height in zip(heights, placing.apart(list(heights.values()), 13), strict=True):
        drawing.text(right + 8, height, _cut(name) + more.get(name, ""), "start", "label", told=name)
        drawing.line(right + 1, heights[name], right + 6, height, "leader", looks[name].colour)


def _rows(title: str, entries: Sequence[Method], span: Span, below: str) -> tuple[Drawing, Axis]:
    """A chart with one row per method, names at the left."""
    height = ROW * len(entries) + FOOT
    drawing = Drawing(title, height)
    left = 14 + LETTER * max(len(_short(e)) for e in entries)
    axis = Axis(*span.ends, left, WIDTH - 54, shown=span.shown)
    across(drawing, axis, 0, height - FOOT, below)
    for i, entry in enumerate(entries):
        drawing.text(0, _row(i), _short(entry), told=entry.label)
    return drawing, axis


def _row(index: int) -> float:
    return ROW * (index + 0.5)


def _short(entry: Method) -> str:
    return _cut(entry.label)


def _cut(label: str, most: int = 24) -> str:
    return label if len(label) <= most else f"{label[: most - 1]}…"


def logarithmic(values: Iterable[float], right: float = WIDTH - 8) -> Axis:
    """An axis across the chart with powers of ten at equal distances, and air at both ends."""
    found = [v for v in values if v > 0] or [1.0]
    low, high = min(found), max(found)
    pad = max((high / low) ** 0.08, 1.3)
    return Axis(low / pad, high * pad, 48, right, logarithmic=True)


def _infinite(scores: Array) -> str:
    counts = [(int((scores == v).sum()), sign) for v, sign in ((np.inf, "+∞"), (-np.inf, "−∞"))]
    return ", ".join(f"{n} × {sign}" for n, sign in counts if n)


def _quantiles(scores: Array) -> list[float]:
    """Percentiles 5, 25, 50, 75 and 95 that are scores themselves, so that infinity is not averaged."""
    return [float(v) for v in np.quantile(scores, (0.05, 0.25, 0.5, 0.75, 0.95), method="inverted_cdf")]
