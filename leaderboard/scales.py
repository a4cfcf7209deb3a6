"""What a column of scores is like: its unit, which way is better, and what is too small to matter.

A table is read without importing what computes its metrics; of those that are not the harness's own, the
record says unit and direction. A test holds these facts to the metrics' own.
"""

from dataclasses import dataclass, replace

from bench.runs.record import Record


@dataclass(frozen=True)
class Scale:
    """A metric as tables and tests take it.

    Attributes:
        name: the metric.
        unit: of its values; empty for plain numbers.
        higher_is_better: which of two values is the better one.
        digits: decimals that are shown.
        negligible: a difference that nobody would choose a method for.
    """

    name: str
    unit: str = ""
    higher_is_better: bool = True
    digits: int = 3
    negligible: float = 0.005

    @property
    def sign(self) -> float:
        """1 where higher is better, else -1: times this, the larger value is the better one."""
        return 1.0 if self.higher_is_better else -1.0

    @property
    def title(self) -> str:
        """Head of its column: ``PSNR``, ``SSIM``, ``nmse``."""
        return self.name.upper() if self.name in ("psnr", "ssim") else self.name


_KNOWN = {
    scale.name: scale
    for scale in (
        Scale("psnr", "dB", digits=2, negligible=0.1),
        Scale("ssim"),
        Scale("ms_ssim"),
        Scale("haarpsi"),
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
    return replace(shown, digits=2, negligible=0.1) if facts.unit == "dB" else shown
