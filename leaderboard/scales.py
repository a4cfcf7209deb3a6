"""What a column of scores is like: its unit, which way is better, and what is too small to matter.

A table is read without importing what computes its metrics; of those that are not the harness's own, the
record says unit and direction. A test holds these facts to the metrics' own.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench.leaderboard.estimates import Array
from bench.runs.record import Record

#: Shares of a score that are numerical, and negligible, where its scale is not known: what 0.01 and 0.1 dB
#: are in squared error.
NUMERICAL, NEGLIGIBLE = 0.0023, 0.023


@dataclass(frozen=True)
class Scale:
    """A metric as tables and tests take it.

    Attributes:
        name: the metric.
        unit: of its values; empty for plain numbers.
        higher_is_better: which of two values is the better one.
        digits: decimals that are shown.
        negligible: a difference that nobody would choose a method for; None: :data:`NEGLIGIBLE` of the score.
        numerical: a difference that another number of threads makes as well; None: :data:`NUMERICAL` of the
            score. The threads of one and the same training were seen to move its PSNR by up to 0.006 dB,
            hence 0.01 dB.
    """

    name: str
    unit: str = ""
    higher_is_better: bool = True
    digits: int = 3
    negligible: float | None = None
    numerical: float | None = None

    @property
    def sign(self) -> float:
        """1 where higher is better, else -1: times this, the larger value is the better one."""
        return 1.0 if self.higher_is_better else -1.0

    @property
    def title(self) -> str:
        """Head of its column: ``PSNR``, ``SSIM``, ``nmse``."""
        return self.name.upper() if self.name in ("psnr", "ssim") else self.name

    def fitting(self, means: Sequence[float]) -> "Scale":
        """The same with digits enough for means like these, where the metric's own scale is not known."""
        sizes = np.abs([mean for mean in means if mean and math.isfinite(mean)])
        if self.numerical is not None or not len(sizes):
            return self
        return replace(self, digits=min(max(self.digits, 2 - math.floor(math.log10(np.median(sizes)))), 15))

    def resolution(self, means: Array) -> Array:
        """Differences up to this are no verdict, however sure they are: of each pair of means."""
        least = np.minimum(*np.broadcast_arrays(np.abs(means)[:, None], np.abs(means)))
        shares = NUMERICAL * np.where(np.isfinite(least), least, 0)
        return shares if self.numerical is None else np.full(least.shape, self.numerical)

    def trifle(self, mean: float) -> float:
        """A difference from this mean that nobody would choose a method for."""
        return NEGLIGIBLE * abs(mean) if self.negligible is None else self.negligible


_KNOWN = {
    scale.name: scale
    for scale in (
        Scale("psnr", "dB", digits=2, negligible=0.1, numerical=0.01),
        *(Scale(name, negligible=0.005, numerical=0.0005) for name in ("ssim", "ms_ssim", "haarpsi")),
        *(Scale(name, higher_is_better=False) for name in ("nmse", "mae", "lpips", "dists", "residual")),
    )
}


def scale(name: str, record: Record | None = None) -> Scale:
    """The scale of a metric.

    Args:
        name: of its column; of a metric that neither the harness nor the record knows, ``-name`` says that
            lower is better.
        record: a run that was scored by it.
    """
    plain = name.removeprefix("-")
    if plain in _KNOWN:
        return _KNOWN[plain]
    facts = record.metrics.get(plain) if record else None
    if facts is None:
        return Scale(plain, higher_is_better=plain == name)
    shown = Scale(plain, facts.unit, facts.higher_is_better)
    return replace(shown, digits=2, negligible=0.1, numerical=0.01) if facts.unit == "dB" else shown
