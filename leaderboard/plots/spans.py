"""Axes that no single value can spoil: infinite values and outliers stand at the edge, with their value."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from bench.leaderboard.estimates import Array

#: A gap in dB, and in spans of the other values, beyond which values are outliers.
GAP, SPANS = 10.0, 2.0
#: An axis covers at least so many dB: methods that are alike should look it.
LEAST = 1.0
#: Air at the ends of an axis, and room for what is beyond, as shares of it.
AIR, ROOM = 0.06, 0.14


@dataclass(frozen=True)
class Span:
    """Values that an axis shows as they are, and room at the edges for those beyond.

    Attributes:
        low: smallest of them.
        high: largest.
        below: whether there are finite values beyond ``low``.
        above: whether there are finite values beyond ``high``.
        least: whether there are values of minus infinity; they stand below all others.
        most: whether there are infinite ones, above all others.
    """

    low: float
    high: float
    below: bool = False
    above: bool = False
    least: bool = False
    most: bool = False

    @classmethod
    def of(cls, values: Iterable[float], least: float = LEAST) -> "Span":
        """The span of values of which some may be infinite or far from all others.

        A value is far if a gap lies between it and the half around the median, or more, that is larger
        than 10 dB and twice as large as what those span. Of two, neither is.
        """
        known = np.sort([v for v in values if not math.isnan(v)])
        finite = known[np.isfinite(known)]
        kept = _together(finite) if len(finite) else np.zeros(1)
        low, high = float(kept[0]), float(kept[-1])
        missing = max(least - (high - low), 0) / 2
        below, above = bool((finite < low).any()), bool((finite > high).any())
        infinite = bool((known == -np.inf).any()), bool((known == np.inf).any())
        return cls(low - missing, high + missing, below, above, *infinite)

    @property
    def shown(self) -> tuple[float, float]:
        """Where values are at their place: those of the axis, and some air."""
        air = AIR * (self.high - self.low)
        return self.low - air, self.high + air

    @property
    def ends(self) -> tuple[float, float]:
        """Where the axis ends: what is shown, and a place for each kind of what is beyond."""
        (low, high), room = self.shown, ROOM * (self.high - self.low)
        return low - room * (self.below + self.least), high + room * (self.above + self.most)

    def beyond(self, value: float) -> bool:
        """Whether a value stands at the edge."""
        return not self.low <= value <= self.high

    def place(self, value: float) -> float:
        """Where a value is shown: outliers outside of the axis, infinite values outside of those."""
        (low, high), room = self.shown, ROOM * (self.high - self.low)
        if value > self.high:
            return high + room * (0.5 + (self.above if value == math.inf else 0))
        if value < self.low:
            return low - room * (0.5 + (self.below if value == -math.inf else 0))
        return value


def _together(values: Array) -> Array:
    """Sorted values around their median, as far as no gap sets the next one apart; at least half, and two."""
    first = last = (len(values) - 1) // 2
    while last - first + 1 < len(values):
        below = values[first] - values[first - 1] if first else np.inf
        above = values[last + 1] - values[last] if last + 1 < len(values) else np.inf
        enough = first < last and 2 * (last - first + 1) >= len(values)
        if enough and min(below, above) > max(GAP, SPANS * (values[last] - values[first])):
            break
        first, last = (first - 1, last) if below <= above else (first, last + 1)
    return values[first : last + 1]
