"""Where things stand in charts: spans without outliers, labels that do not cover one another, looks."""

import math
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from bench.leaderboard.page.drawing import Axis
from bench.leaderboard.plots.looks import looks
from bench.leaderboard.plots.placing import apart, beside
from bench.leaderboard.plots.spans import Span


def test_an_outlier_stands_at_the_edge():
    """-150 dB and +inf do not squeeze the seven methods between 20 and 26 dB."""
    values = [20.0, 21, 22, 23, 24, 25, 26]
    span = Span.of([*values, -150.0, math.inf])
    assert (span.low, span.high) == (20, 26)
    assert span.beyond(-150)
    assert span.ends[0] < span.place(-150) < span.shown[0] < 20
    assert 26 < span.place(math.inf) < span.ends[1]
    assert Span.of(values) == Span(20, 26)


def test_of_two_values_neither_is_an_outlier():
    """A floor of 13 dB and a method of 24: both are shown, +inf beside them or not."""
    assert Span.of([13.0, 24.0, math.inf]) == Span(13, 24, most=True)


def test_infinite_values_stand_outside_of_outliers():
    """40 dB beyond an axis of 12 to 16 is not shown where +inf is; neither has a tick beside it."""
    span = Span.of([12.0, 13, 14, 15, 16, 60.0, math.inf, -math.inf])
    assert 16 < span.shown[1] < span.place(60) < span.place(math.inf) < span.ends[1]
    axis = Axis(*span.ends, 0, 100, shown=span.shown)
    assert max(axis.ticks()) <= span.shown[1]
    assert len(axis.breaks) == 2


def test_methods_that_are_alike_look_it():
    """A hundredth of a dB does not fill an axis."""
    span = Span.of([20.0, 20.01])
    assert span.high - span.low >= 1 - 1e-9


@given(st.lists(st.floats(-1e6, 1e6) | st.sampled_from([math.inf, -math.inf]), max_size=12))
def test_every_value_has_a_place_on_the_axis(values):
    """Whatever the scores, nothing is drawn outside; most finite values are drawn where they are."""
    span = Span.of(values)
    low, high = span.ends
    assert all(low <= span.place(v) <= high for v in values)
    finite = [v for v in values if math.isfinite(v)]
    assert 2 * sum(span.beyond(v) for v in finite) <= len(finite)


def test_labels_keep_off_a_line_where_they_can():
    """A front that ends at its point from the left is not written over; nor is a label lost to it."""
    line = [(100.0, 50.0), (0.0, 50.0)]
    ((x, _),) = beside([(100, 50)], [(40, 12)], (0, 0, 120, 100), 8)
    assert x < 100  # no room at the right: without a line it stands at the left
    ((x, y),) = beside([(100, 50)], [(40, 12)], (0, 0, 120, 100), 8, line)
    assert (x, abs(y - 50)) == (100, 14)
    assert beside([(100, 50)], [(40, 12)], (0, 44, 120, 56), 8, line) == [(72, 50)]


@given(st.lists(st.tuples(st.floats(0, 200), st.floats(0, 100)), max_size=8))
def test_labels_cover_no_other(points):
    """Labels that are shown lie within the chart, apart from one another."""
    sizes = [(40.0, 12.0)] * len(points)
    found = [place for place in beside(points, sizes, (0, 0, 200, 100), 8) if place]
    for i, (x, y) in enumerate(found):
        assert 20 - 1e-6 <= x <= 180 + 1e-6
        assert 6 - 1e-6 <= y <= 94 + 1e-6
        assert all(abs(x - a) >= 40 - 1e-6 or abs(y - b) >= 12 - 1e-6 for a, b in found[i + 1 :])


@given(st.lists(st.floats(-1e3, 1e3), max_size=12))
def test_names_at_line_ends_are_apart_and_in_order(heights):
    """Moved labels keep the order of their lines and do not touch; those with room stay."""
    moved = apart(heights, 13)
    order = sorted(range(len(heights)), key=lambda i: heights[i])
    assert all(moved[b] - moved[a] >= 13 - 1e-6 for a, b in pairwise(order))
    assert apart([0.0, 50.0], 13) == [0, 50]


def test_48_methods_have_each_their_own_look():
    """Colour and mark together name a method, whatever order they come in."""
    names = [f"model{i}" for i in range(48)]
    found = looks(names)
    assert len(set(found.values())) == 48
    assert looks(reversed(names)) == found
    assert len({look.character for look in found.values()}) == len({look.mark for look in found.values()})
