"""Sample sheets show what was measured, made and true, with the right figure under each image."""

import numpy as np
import pytest

from bench.leaderboard.samples import picture, sheet
from bench.text import decibel


def _images(count: int = 3, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, channels, 12, 10), dtype=np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
def test_every_cell_shows_its_image_and_every_column_its_psnr(channels):
    """A swapped row or column would put a wrong reconstruction under a published score."""
    truth, made, measured = (_images(channels=channels) + i for i in range(3))
    figure = sheet(truth, made, measured, "xor_ctr, unet", [20.04, np.inf, -np.inf])
    axes = np.array(figure.axes).reshape(3, 3)
    for row, stack in enumerate((measured, made, truth)):
        for column in range(3):
            shown = axes[row, column].images[0].get_array()
            np.testing.assert_array_equal(shown, picture(stack)[column])
    assert [a.get_xlabel() for a in axes[1]] == ["20.0 dB", "+∞ dB", "−∞ dB"]
    assert [a.get_ylabel() for a in axes[:, 0]] == ["measurement", "reconstruction", "truth"]


def test_measurement_may_have_another_size(tmp_path):
    """A sinogram is no image of the same size: the sheet is drawn all the same."""
    measured = np.zeros((2, 1, 5, 40), np.uint8)
    sheet(_images(2), _images(2), measured, "ct", [1.0, 2.0]).savefig(tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").stat().st_size > 1000


def test_different_counts_are_refused():
    """A missing reconstruction must not shift the others."""
    with pytest.raises(ValueError, match="as many of each kind"):
        sheet(_images(3), _images(2), _images(3), "", [1.0, 2.0, 3.0])


def test_negative_psnr_uses_a_true_minus():
    """Negative values are legible and the infinite ones keep their sign."""
    assert [decibel(v) for v in (-3.21, np.inf, -np.inf)] == ["−3.2 dB", "+∞ dB", "−∞ dB"]
