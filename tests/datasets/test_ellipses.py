"""Ellipse phantoms: the drawing against scikit-image and the formula, the statistics, the contract."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from skimage.draw import ellipse

from bench.datasets.ellipses import COUNT, Ellipses, draw, random_ellipses


def drawn(size, *ellipses):
    """One phantom from tuples (value, semi-axis, semi-axis, x, y, angle)."""
    return draw(torch.tensor(ellipses, dtype=torch.float64).T[:, None], size)[0].numpy()


@given(
    st.floats(0.05, 0.9),
    st.floats(0.05, 0.9),
    st.floats(-1, 1),
    st.floats(-1, 1),
    st.floats(0, 2 * math.pi),
)
def test_an_ellipse_is_where_scikit_image_draws_it(a, b, x, y, angle):
    """Position, semi-axes and the sense of rotation, up to pixels exactly on the edge."""
    size = 40
    row, column = (1 - y) * size / 2 - 0.5, (x + 1) * size / 2 - 0.5
    expected = np.zeros((size, size))
    expected[ellipse(row, column, b * size / 2, a * size / 2, (size, size), rotation=angle)] = 1
    assert np.abs(drawn(size, (1, a, b, x, y, angle)) - expected).sum() <= 4


@given(st.integers(0, 1000), st.integers(2, 33))
def test_a_phantom_is_the_sum_of_the_formula(seed, size):
    """Every pixel is the sum of the values of the ellipses in which its centre lies."""
    ellipses = random_ellipses(torch.Generator().manual_seed(seed))[:, :1]
    v, a, b, cx, cy, angle = ellipses.numpy()[:, 0, :, None, None]
    x = (2 * np.arange(size) + 1) / size - 1
    dx, dy = x[None, None, :] - cx, -x[None, :, None] - cy
    along, across = dx * np.cos(angle) + dy * np.sin(angle), dy * np.cos(angle) - dx * np.sin(angle)
    expected = (v * ((along / a) ** 2 + (across / b) ** 2 <= 1)).sum(0)
    np.testing.assert_allclose(draw(ellipses, size)[0].numpy(), expected, atol=1e-12)


def test_the_distributions_are_those_of_dival():
    """Means worked by hand: |v| is 0.25 * 0.4, semi-axes 0.2; centres fill [-1, 1]; angles [0, 2 pi]."""
    generator = torch.Generator().manual_seed(0)
    v, a, b, x, y, angle = torch.cat([random_ellipses(generator) for _ in range(20)], 1).flatten(1)
    assert v.abs().mean() == pytest.approx(0.1, rel=0.02)
    assert v.mean() == pytest.approx(0, abs=0.002)
    assert a.mean() == pytest.approx(0.2, rel=0.02)
    assert b.mean() == pytest.approx(0.2, rel=0.02)
    for centre in (x, y):
        assert centre.min() == pytest.approx(-1, abs=0.001)
        assert centre.max() == pytest.approx(1, abs=0.001)
    assert angle.mean() == pytest.approx(math.pi, rel=0.02)
    assert COUNT == 50


def test_shapes_range_and_repetition():
    """One channel, all 256 grey levels used, the same at every call, training unlike test images."""
    splits = Ellipses(size=24, train=70, test=3).load()
    assert splits.train.images.shape == (70, 1, 24, 24)
    assert splits.test.images.shape == (3, 1, 24, 24)
    assert splits.train.images.dtype == torch.uint8
    assert (splits.train.images.amin((1, 2, 3)) == 0).all()
    assert (splits.train.images.amax((1, 2, 3)) == 255).all()
    assert splits.digest() == Ellipses(size=24, train=70, test=3).load().digest()
    assert not (splits.train.images[:, None] == splits.test.images).flatten(2).all(2).any()


def test_more_phantoms_begin_with_the_same():
    """A larger training set extends a smaller one, so learning curves are comparable."""
    few, many = (Ellipses(size=16, train=train, test=1).load().train.images for train in (10, 100))
    assert torch.equal(few, many[:10])


@pytest.mark.parametrize(("name", "value"), [("size", 1), ("train", 0), ("test", -1)])
def test_bad_numbers_are_refused(name, value):
    """The message names the parameter and the value."""
    with pytest.raises(ValueError, match=f"{name} must be at least . *, not {value}".replace(" *", "")):
        Ellipses(**{name: value})
