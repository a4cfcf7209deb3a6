"""Axes that no single value can spoil: infinite values and outliers stand at the edge, with their value."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from bench.leaderboard.statistics import Array

#: A gap in dB, and in spans of the other values, beyond which values are outliers.
GAP, SPANS = 10.0, 2.0
#: An axis covers at least so many dB: methods that are alike should look it.
LEAST = 1.0


@dataclass(frozen=True)
class Span:
    """Values that an axis shows as they are, and room at the edges for those beyond.

    Attributes:
        low: smallest of them.
        high: largest.
        below: whether there are values beyond ``low``.
        above: whether there are values beyond ``high``.
    """

    low: float
    high: float
    below: bool = False
    above: bool = False

    @classmethod
    def of(cls, values: Iterable[float], least: float = LEAST) -> "Span":
        """The span of values of which some may be infinite or far from all others.

        A value is far if a gap lies between it and the half around the median, or more, that is larger
        than 10 dB and twice as large as what those span.
        """
        known = np.sort([v for v in values if not math.isnan(v)])
        finite = known[np.isfinite(known)]
        kept = _together(finite) if len(finite) else np.zeros(1)
        low, high = float(kept[0]), float(kept[-1])
        missing = max(least - (high - low), 0) / 2
        below, above = bool((known < low).any()), bool((known > high).any())
        return cls(low - missing, high + missing, below, above)

    @property
    def ends(self) -> tuple[float, float]:
        """Where the axis ends: some air, and a place for what is beyond."""
        size = self.high - self.low
        air, room = 0.06 * size, 0.16 * size
        return self.low - air - room * self.below, self.high + air + room * self.above

    def beyond(self, value: float) -> bool:
        """Whether a value stands at the edge."""
        return not self.low <= value <= self.high

    def place(self, value: float) -> float:
        """Where a value is shown."""
        room = 0.16 * (self.high - self.low)
        return self.high + room if value > self.high else self.low - room if value < self.low else value


def _together(values: Array) -> Array:
    """Sorted values around their median, as far as no gap sets the next one apart; at least half of them."""
    first = last = (len(values) - 1) // 2
    while last - first + 1 < len(values):
        below = values[first] - values[first - 1] if first else np.inf
        above = values[last + 1] - values[last] if last + 1 < len(values) else np.inf
        enough = 2 * (last - first + 1) >= len(values)
        if enough and min(below, above) > max(GAP, SPANS * (values[last] - values[first])):
            break
        first, last = (first - 1, last) if below <= above else (first, last + 1)
    return values[first : last + 1]
