"""What a column of scores is like: its unit, which way is better, and what is too small to matter.

A table is read without importing what computes its metrics; a test holds these facts to the metrics' own.
"""

from dataclasses import dataclass


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


def scale(name: str) -> Scale:
    """The scale of a metric; where it is somebody's own, higher is better, or lower with ``-name``."""
    plain = name.removeprefix("-")
    return _KNOWN.get(plain, Scale(plain, higher_is_better=plain == name))
