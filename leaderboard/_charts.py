"""Charts of the page: Plotly figures as plain dictionaries, drawn by the browser.

Colours of text and grid come from the page's style sheet, so that they follow dark mode.
"""

import html
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from bench.leaderboard.groups import Group, Method
from bench.leaderboard.loading import history
from bench.leaderboard.plots import by_setting, pareto
from bench.leaderboard.ranking import Ranking
from bench.text import number

Figure = dict[str, Any]

#: Okabe & Ito's colours that stand out on white and on black, and shapes for those who see no colours.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
SYMBOLS = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "x", "star")
ROLE_COLOUR = {"model": "#0072B2", "floor": "#8a8a8a", "ceiling": "#009E73"}


def charts(ranking: Ranking, siblings: Sequence[Group]) -> list[Figure]:
    """The figures of one group; each has ``title``, ``data``, ``layout``.

    Args:
        ranking: the group with its ranks.
        siblings: groups of the same operator and test measurements with other numbers of training images.
    """
    group = ranking.group
    places = [speed(place, entries) for place, entries in by_setting(group)]
    found = [quality(group), *places, distributions(group), training(group), images(siblings)]
    return [figure for figure in found if figure is not None]


def quality(group: Group) -> Figure | None:
    """Mean PSNR with its 95 % interval, floor and ceiling as lines."""
    if not group.entries:
        return None
    means = [e.mean() for e in group.entries]
    ends = [e.interval() for e in group.entries]
    edge = _edges([v for v in [*means, *sum(ends, ())] if math.isfinite(v)])
    rows = list(range(len(means)))
    trace = {
        "type": "scatter",
        "mode": "markers",
        "x": [edge(m) for m in means],
        "y": rows,
        "hovertext": [_told(e) for e in group.entries],
        "hoverinfo": "text",
        "cliponaxis": False,
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [edge(h) - edge(m) for m, (_, h) in zip(means, ends, strict=True)],
            "arrayminus": [edge(m) - edge(low) for m, (low, _) in zip(means, ends, strict=True)],
            "thickness": 2,
            "width": 4,
        },
        "marker": {
            "size": 10,
            "color": [ROLE_COLOUR[e.role] for e in group.entries],
            "symbol": [_symbol_at_edge(m) for m in means],
        },
    }
    labels = {
        "type": "scatter",
        "mode": "text",
        "x": [edge(high) for _, high in ends],
        "y": rows,
        "text": [f"  {number(m, 1)}" for m in means],
        "textposition": "middle right",
        "cliponaxis": False,
        "hoverinfo": "skip",
    }
    axis = {"tickvals": rows, "ticktext": [_name(e) for e in group.entries], "autorange": "reversed"}
    layout = {
        "xaxis": {"title": {"text": "PSNR (dB), 95 % interval"}, "range": _range(edge, means)},
        "yaxis": axis,
        "shapes": [_line(e) for e in (group.floor, group.ceiling) if e and math.isfinite(e.mean())],
        "height": 130 + 34 * len(means),
        "showlegend": False,
    }
    return {"title": "Quality, with floor and ceiling", "data": [trace, labels], "layout": layout}


def speed(place: str, entries: Sequence[Method]) -> Figure:
    """PSNR against reconstructions per second on one machine, with the Pareto front."""
    points = [(e.first.timings["images_per_second"], e.mean()) for e in entries]
    edge = _edges([y for _, y in points if math.isfinite(y)])
    front = [points[i] for i in pareto(points)]
    line: Figure = {
        "type": "scatter",
        "mode": "lines",
        "x": [x for x, _ in front],
        "y": [edge(y) for _, y in front],
        "line": {"shape": "vh", "color": "#8a8a8a", "width": 1.5},
        "hoverinfo": "skip",
        "name": "Pareto front",
    }
    dots: list[Figure] = [
        {
            "type": "scatter",
            "mode": "markers",
            "x": [x],
            "y": [edge(y)],
            "name": _name(e) + ("" if math.isfinite(y) else f" ({number(y)} dB)"),
            "hovertext": [f"{_told(e)}<br>{number(x, 0)} images/s"],
            "hoverinfo": "text",
            "marker": {"size": 11, **_style(i)},
        }
        for i, (e, (x, y)) in enumerate(zip(entries, points, strict=True))
    ]
    layout = {
        "xaxis": {"title": {"text": "images per second"}, **_logarithmic([x for x, _ in points])},
        "yaxis": {"title": {"text": "PSNR (dB)"}},
    }
    return {"title": f"Quality against speed: {place}", "data": [line, *dots], "layout": layout}


def distributions(group: Group) -> Figure | None:
    """Per-image PSNR: box from the 25th to the 75th percentile, whiskers to the 5th and 95th."""
    if not group.entries:
        return None
    scores = [e.score() for e in group.entries]
    finite = [v for s in scores for v in s[np.isfinite(s)]]
    edge = _edges(finite)
    marks = np.array([[edge(q) for q in _quantiles(s)] for s in scores])
    trace: Figure = {
        "type": "box",
        "orientation": "h",
        "y": list(range(len(scores))),
        **{k: marks[:, i].tolist() for i, k in enumerate(("lowerfence", "q1", "median", "q3", "upperfence"))},
        "marker": {"color": "#0072B2"},
        "line": {"width": 1.5},
        "hoverinfo": "x",
    }
    names = [_name(e) + _infinite(s) for e, s in zip(group.entries, scores, strict=True)]
    layout = {
        "xaxis": {"title": {"text": "PSNR of each test image (dB): 5, 25, 50, 75, 95 %"}},
        "yaxis": {"tickvals": list(range(len(scores))), "ticktext": names, "autorange": "reversed"},
        "height": 130 + 34 * len(scores),
        "showlegend": False,
    }
    return {"title": "Scores image by image", "data": [trace], "layout": layout}


def training(group: Group) -> Figure | None:
    """PSNR of the validation split after every epoch."""
    traces: list[Figure] = []
    for entry in group.entries:
        curve = history(entry.first)
        if len(curve):
            values = zip(curve.epoch.tolist(), curve.validation_psnr.tolist(), strict=True)
            traces.append(_curve(_name(entry), list(values), len(traces)))
    if not traces:
        return None
    layout = _axes("epoch", "validation PSNR (dB)") | {"showlegend": len(traces) > 1}
    layout["xaxis"] |= {"tick0": 0, "dtick": max(1, math.ceil(max(t["x"][-1] for t in traces) / 10))}
    return {"title": "Training curves", "data": traces, "layout": layout}


def images(siblings: Sequence[Group]) -> Figure | None:
    """PSNR against the number of training images, where runs differ in it."""
    points: dict[str, list[tuple[float, float]]] = {}
    for group in siblings:
        for entry in group.of_role("model"):
            points.setdefault(_name(entry), []).append((entry.first.data.train, entry.mean()))
    curves = {name: sorted(found) for name, found in points.items() if len(found) > 1}
    if not curves:
        return None
    layout = _axes("training images", "PSNR (dB)")
    layout["xaxis"] |= _logarithmic([x for found in curves.values() for x, _ in found])
    traces = [_curve(name, found, i) for i, (name, found) in enumerate(curves.items())]
    return {"title": "Quality against number of training images", "data": traces, "layout": layout}


def _axes(x: str, y: str) -> Figure:
    return {"xaxis": {"title": {"text": x}}, "yaxis": {"title": {"text": y}}}


def _logarithmic(values: Sequence[float]) -> Figure:
    """A logarithmic axis with ticks at powers of ten, and 2 and 5 times them where there is room."""
    low, high = math.log10(min(values)), math.log10(max(values))
    ticks = [
        d * 10.0**e
        for e in range(math.floor(low) - 1, math.ceil(high) + 2)
        for d in ((1, 2, 5) if high - low < 2 else (1,))
    ]
    texts = [f"{t:,.0f}" if t >= 1 else f"{t:g}" for t in ticks]
    pad = max(0.08 * (high - low), 0.12)
    return {"type": "log", "tickvals": ticks, "ticktext": texts, "range": [low - pad, high + pad]}


def _curve(name: str, points: Iterable[tuple[float, float]], index: int) -> Figure:
    x, y = zip(*points, strict=True)
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": name,
        "x": list(x),
        "y": [v if math.isfinite(v) else None for v in y],
        "line": {"color": COLOURS[index % len(COLOURS)]},
        "marker": {"size": 7, **_style(index)},
    }


def _style(index: int) -> Figure:
    turn = index // len(COLOURS)
    return {"color": COLOURS[index % len(COLOURS)], "symbol": SYMBOLS[(index + turn) % len(SYMBOLS)]}


def _name(entry: Method) -> str:
    """Plotly reads some HTML in texts: names of plug-ins must not be any."""
    return html.escape(entry.label)


def _told(entry: Method) -> str:
    low, high = entry.interval()
    return f"{_name(entry)}: {number(entry.mean())} dB [{number(low)}, {number(high)}]"


def _infinite(scores: Any) -> str:
    counts = [(int((scores == v).sum()), sign) for v, sign in ((np.inf, "+∞"), (-np.inf, "−∞"))]
    text = ", ".join(f"{n} × {sign}" for n, sign in counts if n)
    return f" ({text})" if text else ""


def _quantiles(scores: Any) -> list[float]:
    """Percentiles 5, 25, 50, 75 and 95 that are scores themselves, so that infinity is not averaged."""
    return list(np.quantile(scores, (0.05, 0.25, 0.5, 0.75, 0.95), method="inverted_cdf"))


def _edges(finite: Sequence[float]) -> Callable[[float], float]:
    """A function that puts infinite values beyond the finite ones."""
    low, high = (min(finite), max(finite)) if finite else (0.0, 1.0)
    pad = max(0.12 * (high - low), 0.5)
    return lambda value: value if math.isfinite(value) else high + pad if value > 0 else low - pad


def _range(edge: Callable[[float], float], means: Sequence[float]) -> list[float]:
    low, high = edge(-math.inf), edge(math.inf)
    return [low - 0.02 * (high - low), high + 0.12 * (high - low)]


def _symbol_at_edge(value: float) -> str:
    return "circle" if math.isfinite(value) else "triangle-right" if value > 0 else "triangle-left"


def _line(entry: Method) -> Figure:
    return {
        "type": "line",
        "yref": "paper",
        "y0": 0,
        "y1": 1,
        "x0": entry.mean(),
        "x1": entry.mean(),
        "line": {
            "color": ROLE_COLOUR[entry.role],
            "width": 1.5,
            "dash": "dot" if entry.role == "floor" else "dash",
        },
    }
