"""Numbers as they are shown to people: in the terminal, in tables, under pictures and on the page."""

import math

#: Digits that are written out.
MOST_DIGITS = 6


def number(value: float | None, digits: int = 2, sign: bool = False) -> str:
    """Fixed digits, more than six as ``2.96e−06``; infinite values as ``+∞`` and ``−∞``, missing ones as an
    empty text.
    """
    if value is None or math.isnan(value):
        return ""
    if math.isinf(value):
        return "+∞" if value > 0 else "−∞"
    if digits > MOST_DIGITS:
        return (f"{value:+.2e}" if sign else f"{value:.2e}").replace("-", "−") if value else "0"
    value = round(value, digits) + 0.0  # adding zero turns -0.0 into 0.0
    text = f"{value:+.{digits}f}" if sign else f"{value:.{digits}f}"
    return text.replace("-", "−")


def decibel(value: float) -> str:
    """A PSNR as it is written under an image: ``23.4 dB``, ``+∞ dB``, ``−∞ dB``."""
    return f"{number(value, 1)} dB"


def count(value: float | None) -> str:
    """Three significant digits: ``1,240``, ``31.1 M``, ``0.42``; missing values as an empty text."""
    if value is None or math.isnan(value):
        return ""
    for limit, unit in ((1e9, " G"), (1e6, " M")):
        if abs(value) >= limit:
            return f"{value / limit:.3g}{unit}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def seconds(value: float | None) -> str:
    """A duration: ``0.4 s``, ``95 s``, ``12 min``, ``3.2 h``."""
    if value is None or math.isnan(value):
        return ""
    if value < 120:
        return f"{value:.1f} s" if value < 10 else f"{value:.0f} s"
    return f"{value / 60:.0f} min" if value < 7200 else f"{value / 3600:.1f} h"


def interval(low: float, high: float, digits: int = 2) -> str:
    """``[17.8, 18.2]``; empty where there is none."""
    if math.isnan(low):
        return ""
    return f"[{number(low, digits)}, {number(high, digits)}]"


def share(value: float | None) -> str:
    """Way from floor to ceiling in percent, beyond either end as such."""
    if value is None or math.isnan(value):
        return ""
    if value > 9.99:
        return "> 999 %"
    # "+ 0.0" makes of -0.0 a plain 0.
    return f"{round(100 * max(value, -9.99)) + 0.0:.0f} %".replace("-", "−")


def printable(text: str, lines: bool = False) -> str:
    r"""Text that only shows itself: control characters, directions and surrogates become escapes (``\x1b``).

    What moves a terminal's cursor, colours it or turns lines around does not reach it. ``lines``
    keeps line breaks.
    """
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() or (lines and c == "\n") else c.encode("unicode_escape").decode("ascii")
        for c in text
    )
