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

        A value is far if a gap lies between it and most others that is larger than 10 dB and twice as
        large as what they span.
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
    """Sorted values without those that a gap sets apart, of which there are less than half."""
    kept, fewest = values, len(values) / 2
    while len(kept) - 1 > fewest:
        low, high = kept[1] - kept[0], kept[-1] - kept[-2]
        rest, gap = (kept[1:], low) if low >= high else (kept[:-1], high)
        if gap <= max(GAP, SPANS * (rest[-1] - rest[0])):
            break
        kept = rest
    return kept
