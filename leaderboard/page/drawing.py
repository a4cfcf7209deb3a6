"""Charts as plain SVG: axes, marks and labels as shapes, which a template writes out and the page colours.

Nothing is drawn by a script, so that a chart costs some kilobytes and needs none. Ticks and marks are
matplotlib's own: a method looks the same here and in the plots.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache

from matplotlib.markers import MarkerStyle
from matplotlib.ticker import LogLocator, MaxNLocator

from bench.leaderboard.plots.looks import Look
from bench.text import count

#: Width of every chart in its own units; letters are 12 units high, so that a phone shows them as 11 pixels.
WIDTH = 440.0
#: Width of a letter.
LETTER = 6.3


@dataclass(frozen=True)
class Shape:
    """One element of SVG.

    Attributes:
        tag: ``line``, ``path`` or ``text``.
        attributes: of the element.
        text: inside of it.
        told: what is shown when a pointer rests on it.
    """

    tag: str
    attributes: dict[str, str]
    text: str = ""
    told: str = ""


@dataclass
class Drawing:
    """A chart.

    Attributes:
        title: what it shows.
        height: in its own units.
        about: the same in words, for who does not see it.
        shapes: what it is made of, the first at the back.
    """

    title: str
    height: float
    about: str = ""
    shapes: list[Shape] = field(default_factory=list)
    width: float = WIDTH

    def line(self, x1: float, y1: float, x2: float, y2: float, kind: str, colour: str = "") -> None:
        """A straight line; ``kind`` names its style."""
        self.path([(x1, y1), (x2, y2)], kind, colour)

    def path(self, points: Sequence[tuple[float, float]], kind: str, colour: str = "") -> None:
        """A line through points."""
        d = "M" + "L".join(f"{_short(x)} {_short(y)}" for x, y in points)
        self.shapes.append(Shape("path", {"d": d, "class": kind} | ({"stroke": colour} if colour else {})))

    def mark(self, x: float, y: float, look: Look, told: str, size: float = 9) -> None:
        """A method's mark."""
        place = f"translate({_short(x)} {_short(y)}) scale({_short(size)})"
        attributes = {"d": _mark(look.mark), "class": "mark", "fill": look.colour, "transform": place}
        self.shapes.append(Shape("path", attributes, told=told))

    def text(
        self, x: float, y: float, text: str, anchor: str = "start", kind: str = "", told: str = ""
    ) -> None:
        """Text whose line has its middle at ``y``."""
        place = {"x": _short(x), "y": _short(y + 4), "text-anchor": anchor}
        self.shapes.append(Shape("text", place | ({"class": kind} if kind else {}), text, told))


def _short(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


@cache
def _mark(letter: str) -> str:
    """The outline of one of matplotlib's marks, a unit wide, y downwards."""
    style = MarkerStyle(letter)
    outline = style.get_path().transformed(style.get_transform())
    parts = []
    for points, code in outline.iter_segments(simplify=False):
        letters = {1: "M", 2: "L", 3: "Q", 4: "C", 79: "Z"}[int(code)]
        numbers = "" if letters == "Z" else " ".join(f"{v * (-1) ** k:.2f}" for k, v in enumerate(points))
        parts.append(letters + numbers)
    return "".join(parts)


@dataclass(frozen=True)
class Axis:
    """From values to places.

    Attributes:
        low: value at ``start``.
        high: value at ``end``.
        start: place of ``low``.
        end: place of ``high``.
        logarithmic: powers of ten at equal distances.
        shown: lowest and highest value that has its own place; beyond stand outliers, without ticks.
        whole: ticks at whole numbers only.
    """

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False
    shown: tuple[float, float] | None = None
    whole: bool = False

    def __call__(self, value: float) -> float:
        change: Callable[[float], float] = math.log10 if self.logarithmic else float
        low, high = change(self.low), change(self.high)
        return self.start + (change(value) - low) / (high - low) * (self.end - self.start)

    def ticks(self, most: int = 6) -> list[float]:
        """Round values within."""
        if self.logarithmic:
            wide = math.log10(self.high / self.low) > 1.6
            found = LogLocator(subs=(1,) if wide else (1, 2, 5), numticks=most).tick_values(
                self.low, self.high
            )
        else:
            found = MaxNLocator(most, steps=[1, 2, 5, 10], integer=self.whole, min_n_ticks=1).tick_values(
                self.low, self.high
            )
        low, high = self.shown or (self.low, self.high)
        return [float(v) for v in found if low <= v <= high]

    @property
    def breaks(self) -> list[float]:
        """Places where the axis ends and those of outliers begin."""
        ends = zip(self.shown or (), (self.low, self.high), strict=False)
        return [self(shown) for shown, end in ends if not math.isclose(shown, end)]


def label(value: float, axis: Axis) -> str:
    """A tick's value, as short as it may be."""
    return count(value) if axis.logarithmic else f"{round(value, 6):g}".replace("-", "−")


def across(drawing: Drawing, axis: Axis, top: float, bottom: float, title: str) -> None:
    """Ticks and title of an axis below a chart, with its grid."""
    for place in axis.breaks:
        drawing.line(place, top, place, bottom, "break")
    for tick in axis.ticks():
        drawing.line(axis(tick), top, axis(tick), bottom, "grid")
        drawing.text(axis(tick), bottom + 13, label(tick, axis), "middle", "tick")
    drawing.text((axis.start + axis.end) / 2, bottom + 31, title, "middle", "soft")


def upward(drawing: Drawing, axis: Axis, left: float, right: float, title: str) -> None:
    """Ticks of an axis at the left of a chart, its title above it."""
    for place in axis.breaks:
        drawing.line(left, place, right, place, "break")
    for tick in axis.ticks():
        drawing.line(left, axis(tick), right, axis(tick), "grid")
        drawing.text(left - 6, axis(tick), label(tick, axis), "end", "tick")
    drawing.text(0, 8, title, "start", "soft")
