"""The inpainting operator."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bench.operators.inpainting import Inpainting

GENERATOR = torch.Generator()


@given(st.integers(1, 40), st.integers(1, 40), st.floats(0.001, 1.0), st.sampled_from(["random", "box"]))
def test_kept_share(height, width, fraction, mask):
    """The share of pixels kept is the one asked for, as near as whole pixels or a whole box allow."""
    kept = Inpainting((1, height, width), mask=mask, fraction=fraction).mask.double().mean()
    nearest = 1 / (height * width) if mask == "random" else 1 / height + 1 / width
    assert abs(kept - fraction) <= nearest


def test_box_of_dps():
    """DPS drops a box of 128x128 from 256x256; ours lies in the middle."""
    mask = Inpainting((3, 256, 256), mask="box").mask
    assert not mask[64:192, 64:192].any()
    assert mask.sum() == 256**2 - 128**2


def test_measures_kept_pixels_only():
    """Kept pixels pass unchanged in all channels, dropped ones are 0 whatever they were."""
    operator = Inpainting((3, 8, 8))
    x = torch.rand(2, 3, 8, 8, generator=GENERATOR)
    y = operator.forward(x, GENERATOR)
    assert torch.equal(y[..., operator.mask], x[..., operator.mask])
    assert not y[..., ~operator.mask].any()


@pytest.mark.parametrize("fraction", [0.0, -0.5, 1.5, float("nan")])
def test_bad_fraction(fraction):
    """A fraction outside (0, 1] is refused with the range."""
    with pytest.raises(ValueError, match="fraction must be above 0 and at most 1"):
        Inpainting((1, 8, 8), fraction=fraction)
