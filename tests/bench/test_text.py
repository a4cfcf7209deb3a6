"""Numbers as people read them."""

import math

import pytest

from bench import text


@pytest.mark.parametrize(
    ("value", "shown"),
    [(1.005, "1.00"), (-3.2, "−3.20"), (-0.001, "0.00"), (math.inf, "+∞"), (-math.inf, "−∞"), (math.nan, "")],
)
def test_number(value, shown):
    """True minus, infinities with their sign, no negative zero, nothing for what is missing."""
    assert text.number(value) == shown


@pytest.mark.parametrize(
    ("value", "sign", "shown"),
    [(3e-6, False, "3.00e−06"), (-3e-6, True, "−3.00e−06"), (0.0, True, "0"), (-math.inf, False, "−∞")],
)
def test_small_numbers(value, sign, shown):
    """Where more than six digits would be needed, three that count are shown."""
    assert text.number(value, 8, sign) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(0.4213, "0.421"), (1240.4, "1,240"), (31_100_000, "31.1 M"), (0, "0"), (None, "")]
)
def test_count(value, shown):
    """Three digits where they matter, thousands separated."""
    assert text.count(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(0.42, "0.4 s"), (95, "95 s"), (720, "12 min"), (11520, "3.2 h")]
)
def test_seconds(value, shown):
    """Durations in the unit that people would use."""
    assert text.seconds(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(0.5, "50 %"), (1.2, "120 %"), (-50, "−999 %"), (80, "> 999 %")]
)
def test_share(value, shown):
    """Shares beyond floor and ceiling are said as such, without absurd figures."""
    assert text.share(value) == shown
