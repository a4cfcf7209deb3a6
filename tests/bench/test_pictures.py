"""Pictures show the values that there are, and sheets the right figure under the right image."""

import numpy as np
import pytest
import torch

from bench.pictures import GAP, SIDE, image, measurement, rgb, sheet


def _images(count: int = 3, channels: int = 3, shape: tuple[int, int] = (12, 10)) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, channels, *shape), dtype=np.uint8)


def _found(drawn, picture: np.ndarray) -> list[tuple[int, int]]:
    """Places (left, top) where each pixel of a picture is repeated into a square."""
    times = SIDE // max(picture.shape[:2])
    wanted = picture.repeat(times, 0).repeat(times, 1)
    canvas, (height, width) = np.asarray(drawn), wanted.shape[:2]
    corners = np.argwhere((canvas[: -height + 1, : -width + 1] == wanted[0, 0]).all(-1))
    return [(x, y) for y, x in corners.tolist() if (canvas[y : y + height, x : x + width] == wanted).all()]


@pytest.mark.parametrize("channels", [1, 3])
def test_each_image_is_shown_crisp_in_its_column_and_row(channels):
    """A swapped row or column would put a wrong reconstruction under a published score."""
    rng = np.random.default_rng(1)
    rows = {n: rng.integers(0, 256, (3, channels, 12, 10), np.uint8) for n in ("measured", "made", "true")}
    drawn = sheet(rows, {"made": ["20.0 dB", "+∞ dB", "−∞ dB"]}, "xor_ctr, unet")
    places = [[_found(drawn, picture) for picture in rgb(stack)] for stack in rows.values()]
    assert all(len(found) == 1 for row in places for found in row)
    assert [[found[0][0] for found in row] for row in places] == [
        [GAP, 2 * GAP + SIDE, 3 * GAP + 2 * SIDE]
    ] * 3
    tops = [row[0][0][1] for row in places]
    assert tops == sorted(tops)


def test_a_masked_picture_of_k_space_is_not_shown_by_its_logarithm_twice():
    """What an operator shows by its logarithm is only stretched: equal steps stay equal where lines lack."""
    levels = torch.zeros(2, 1, 32, 32)
    levels[..., ::4] = torch.linspace(0.1, 0.4, 32)[:, None]
    steps = np.diff(measurement(levels)[0, 0, :-1, 0].astype(int))
    assert steps.min() > 0
    assert steps.max() - steps.min() <= 1  # of rounding
    assert not measurement(levels)[..., 1].any()


def test_a_spectrum_is_shown_by_its_logarithm():
    """A peak a thousand times above all else leaves the rest visible."""
    levels = torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(0)) + 0.5
    levels[..., 12:20, 12:20] = 1000.0
    assert measurement(levels)[0, 0, :8].mean() > 10


def test_captions_stand_below_their_row():
    """Ink below the images of the row that has captions, and none below the others."""
    black = np.zeros((2, 1, 12, 12), np.uint8)
    drawn = np.asarray(sheet({"a": black, "b": black}, {"a": ["1 dB", "2 dB"]}, "").convert("L"))
    column = drawn[:, GAP : GAP + SIDE]
    bottoms = np.flatnonzero((column[:-1] == 0).all(1) & ~(column[1:] == 0).all(1))
    below = [(column[bottom + 1 : bottom + 19] < 128).any() for bottom in bottoms]
    assert below == [True, False]


def test_rows_may_have_sizes_of_their_own():
    """A sinogram has another size than images; what is larger than its place is averaged in blocks."""
    drawn = sheet({"y": np.zeros((2, 1, 5, 400), np.uint8), "x": _images(2)}, {}, "ct " * 100)
    assert drawn.width < 1000
    assert drawn.height < 500


def test_different_counts_are_refused():
    """A missing reconstruction must not shift the others."""
    with pytest.raises(ValueError, match="as many images in each row"):
        sheet({"made": _images(2), "true": _images(3)}, {}, "")


def test_levels_go_by_the_value_range():
    """Air (-1000 HU) is black, water in the middle, 1000 HU and above white: not all black and white."""
    ct = torch.tensor([-2000.0, -1000.0, 0.0, 1000.0, 3000.0, torch.nan]).view(1, 1, 2, 3)
    np.testing.assert_array_equal(image(ct, (-1000.0, 1000.0)).ravel(), [0, 0, 128, 255, 255, 0])


@pytest.mark.filterwarnings("error")
def test_what_is_not_finite_is_shown_without_a_warning():
    """Infinite, signalling and huge values, as decrypted floats have them, are black, white or as NaN is."""
    signalling = torch.tensor([0x7F800001, 0x7F7FFFFF], dtype=torch.int32).view(torch.float32)
    values = torch.cat([torch.tensor([-torch.inf, torch.inf, 0.5, torch.nan]), signalling]).view(1, 1, 2, 3)
    np.testing.assert_array_equal(image(values).ravel(), [0, 255, 128, 0, 0, 255])
    shown = measurement(values[..., :1, :].repeat(1, 1, 4, 4)).reshape(4, 12)
    assert (shown[:, 0::3] <= shown[:, 2::3]).all()
    assert (shown[:, 2::3] <= shown[:, 1::3]).all()
    assert measurement(values).shape == (1, 1, 2, 3)
    assert not measurement(torch.full((1, 1, 4, 4), torch.nan)).any()


def test_of_complex_images_the_magnitude_is_shown():
    """3 + 4i is as bright as 5, whatever its phase."""
    values = torch.tensor([3 + 4j, -5j, 0]).view(1, 1, 1, 3)
    np.testing.assert_array_equal(image(values, (0.0, 10.0)).ravel(), [128, 128, 0])
    assert measurement(torch.randn(2, 1, 8, 8, dtype=torch.complex64)).std() > 30


@pytest.mark.parametrize("shape", [(3, 16, 16), (1, 9, 14), (6, 8, 8), (3, 50), (7,)])
def test_pictures_of_any_measurement(shape):
    """Every measurement can be shown: images, spectra, and vectors laid out in a square."""
    shown = measurement(torch.randn(2, *shape))
    assert shown.dtype == np.uint8
    assert shown.shape[:2] in ((2, 1), (2, 3))
    assert shown.max() > shown.min()


def test_a_spectrum_shows_more_than_its_peak():
    """Of a magnitude that falls by 1e4 more than a tenth of the pixels are neither black nor white."""
    spectrum = torch.fft.fftshift(torch.fft.fft2(torch.rand(1, 1, 32, 32) + 10).abs(), dim=(-2, -1))
    shown = measurement(spectrum)
    assert ((shown > 10) & (shown < 245)).mean() > 0.1


@pytest.mark.parametrize("nothing", [0.0, 1e-9])
def test_a_sinogram_beside_a_small_object_is_shown(nothing):
    """Most of it is nothing, so that its median is: what there is spans the levels all the same."""
    sinogram = torch.full((1, 1, 40, 40), nothing)
    sinogram[..., 15:20] = torch.linspace(0.1, 1.2, 5)
    levels = measurement(sinogram)
    assert levels.min() == 0
    assert levels.max() == 255
    assert len(np.unique(levels)) >= 5
