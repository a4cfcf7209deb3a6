"""Each protocol gives what its reference implementation gives, on random images."""

import numpy as np
import pytest
import torch
from skimage.color import rgb2ycbcr
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from bench.component import Component
from bench.errors import BenchError, UsageError
from bench.operators.denoising import Denoising
from bench.operators.shared.chain import Chain
from bench.operators.super_resolution import SuperResolution
from bench.problem import Batch
from bench.protocols import Protocol, find, names
from bench.protocols.prepare import prepare
from bench.runs.scoring import Scoring, Volumes, build

GAUSSIAN = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}


def _pair(count, channels, size=48, seed=0):
    generator = torch.Generator().manual_seed(seed)
    truth = torch.rand(count, channels, size, size, generator=generator)
    return truth + 0.2 * torch.randn(truth.shape, generator=generator), truth


def _scores(protocol, image, truth, operator=None, value_range=(0.0, 1.0)):
    """One row per image."""
    operator = operator or Denoising(tuple(truth.shape[1:]))
    scoring = Scoring(find(protocol), build((), protocol), value_range)
    batch = Batch(torch.zeros(len(image), *truth.shape[1:]), truth, operator)
    return scoring.images(image, batch, [str(i) for i in range(len(image))])


@pytest.mark.parametrize("name", names())
def test_every_protocol_says_what_it_is(name):
    """A table's heading can name it."""
    assert find(name).description
    assert set(names()) == {"unit", "lodopab", "fastmri", "ldct", "luma", "clipped"}


def test_unit_is_raw_and_of_all_channels():
    """Values beyond the range count as they are; the range is the dataset's."""
    image, truth = (2000 * t - 1000 for t in _pair(2, 3))
    for row, i, t in zip(_scores("unit", image, truth, None, (-1000, 1000)), image, truth, strict=True):
        pair = t.double().numpy(), i.double().numpy()
        assert row["psnr"] == pytest.approx(peak_signal_noise_ratio(*pair, data_range=2000), abs=1e-6)
        expected = structural_similarity(*pair, data_range=2000, channel_axis=0, **GAUSSIAN)
        assert row["ssim"] == pytest.approx(expected, abs=1e-9)


def test_clipped_cuts_to_the_range_first():
    """As saving a picture does; the truth lies in the range anyway."""
    image, truth = _pair(2, 3)
    for row, i, t in zip(_scores("clipped", image, truth), image, truth, strict=True):
        expected = peak_signal_noise_ratio(t.double().numpy(), i.clamp(0, 1).double().numpy(), data_range=1)
        assert row["psnr"] == pytest.approx(expected, abs=1e-6)


def test_lodopab_is_divals_measure():
    """Range max - min of the truth, 20 log10(range) - 10 log10(mse), SSIM of scikit-image's default."""
    image, truth = _pair(3, 1)
    truth = 0.1 + 0.5 * truth
    for row, i, t in zip(_scores("lodopab", image, truth), image, truth, strict=True):
        reco, gt = i[0].double().numpy(), t[0].double().numpy()
        span = np.max(gt) - np.min(gt)
        expected = 20 * np.log10(span) - 10 * np.log10(np.mean((reco - gt) ** 2))
        assert row["psnr"] == pytest.approx(expected, abs=1e-6)
        assert row["ssim"] == pytest.approx(structural_similarity(reco, gt, data_range=span), abs=1e-9)


def test_a_constant_truth_has_the_range_of_the_dataset():
    """Its own would be 0, and every score -inf."""
    truth = torch.full((1, 1, 16, 16), 0.5)
    assert _scores("lodopab", truth + 0.1, truth)[0]["psnr"] == pytest.approx(20, abs=1e-5)


def test_fastmri_is_its_evaluate():
    """Range of the volume, PSNR and NMSE of the whole, SSIM slice by slice, of complex images the magnitude.

    The slices of two volumes come mixed, in two batches.
    """
    generator = torch.Generator().manual_seed(0)
    truth = 3 * torch.rand(7, 1, 32, 32, generator=generator)
    image = torch.polar(truth + 0.3 * torch.rand(truth.shape, generator=generator), truth)
    groups = ["a", "b", "a", "a", "b", "a", "b"]
    scoring = Scoring(find("fastmri"), build([Component("nmse")], "fastmri"), (0.0, 3.0))
    volumes, operator = Volumes(groups), Denoising((1, 32, 32))
    rows = [
        scoring.volume(name, slices, operator)
        for part in (slice(0, 4), slice(4, 7))
        for name, slices in volumes.completed(image[part], truth[part], {})
    ]
    assert {row["group"] for row in rows} == {"a", "b"}
    for row in rows:
        chosen = [g == row["group"] for g in groups]
        gt, pred = truth[chosen, 0].double().numpy(), image[chosen, 0].abs().double().numpy()
        maxval = gt.max()
        ssim = sum(structural_similarity(g, p, data_range=maxval) for g, p in zip(gt, pred, strict=True))
        assert row["psnr"] == pytest.approx(peak_signal_noise_ratio(gt, pred, data_range=maxval), rel=1e-6)
        assert row["ssim"] == pytest.approx(ssim / len(gt), abs=1e-6)
        nmse = np.linalg.norm(gt - pred) ** 2 / np.linalg.norm(gt) ** 2
        assert row["nmse"] == pytest.approx(nmse, rel=1e-6)


@pytest.mark.parametrize("scale", [2, 4])
def test_luma_is_basicsrs_psnr_with_test_y_channel(scale):
    """Rounded to 8 bits, a border of ``scale`` pixels, Y of BT.601; scikit-image has the same Y."""
    image, truth = _pair(2, 3)
    operator = Chain([SuperResolution((3, 48, 48), scale), Denoising((3, 48 // scale, 48 // scale))])
    for row, i, t in zip(_scores("luma", image, truth, operator), image, truth, strict=True):
        pair = [np.round(np.clip(a.permute(1, 2, 0).double().numpy(), 0, 1) * 255) / 255 for a in (i, t)]
        y, gt = (rgb2ycbcr(a[scale:-scale, scale:-scale])[..., 0] for a in pair)
        assert row["psnr"] == pytest.approx(10 * np.log10(255**2 / np.mean((y - gt) ** 2)), abs=1e-5)
        expected = structural_similarity(gt, y, data_range=255, **GAUSSIAN)
        assert row["ssim"] == pytest.approx(expected, abs=1e-6)


def test_luma_by_hand():
    """White is 235, black 16, of 255; grey images are what they are; two channels have none."""
    protocol = find("luma")
    white, black = torch.ones(1, 3, 4, 4), torch.zeros(1, 3, 4, 4)
    operator = Denoising((3, 4, 4))
    prepared = prepare(protocol, white, black, (0.0, 1.0), operator)
    assert prepared.image.unique().tolist() == pytest.approx([235 / 255])
    assert prepared.truth.unique().tolist() == pytest.approx([16 / 255])
    grey = prepare(protocol, white[:, :1], black[:, :1], (0.0, 1.0), operator)
    assert grey.image.unique().tolist() == [1]
    with pytest.raises(BenchError, match="not of 2"):
        prepare(protocol, white[:, :2], black[:, :2], (0.0, 1.0), operator)


@pytest.mark.parametrize("name", ["clipped", "luma", "unit", "lodopab"])
def test_infinite_pixels_are_not_clipped_into_good_ones(name):
    """An image that is infinite somewhere has failed, whatever the protocol cuts."""
    image, truth = _pair(2, 3)
    image[0, 0, 30, 30] = torch.inf
    lost, other = _scores(name, image, truth)
    assert (lost["psnr"], lost["ssim"]) == (-np.inf, 0)
    assert np.isfinite(other["psnr"])


def test_a_protocol_of_ones_own(tmp_path):
    """A path to a TOML file; what is wrong in it is named."""
    own = tmp_path / "own.toml"
    own.write_text('description = "mine"\nrange = 2.0\nborder = 3\n[metrics.ssim]\nwindow = "uniform"\n')
    image, truth = _pair(1, 1)
    i, t = (a[0, 0, 3:-3, 3:-3].double().numpy() for a in (image, truth))
    row = _scores(str(own), image, truth)[0]
    assert row["psnr"] == pytest.approx(peak_signal_noise_ratio(t, i, data_range=2.0), rel=1e-9)
    assert row["ssim"] == pytest.approx(structural_similarity(t, i, data_range=2.0), abs=1e-9)
    wrong = tmp_path / "wrong.toml"
    wrong.write_text('description = "mine"\nborders = 3\nborder = -1\n')
    with pytest.raises(UsageError, match=r"borders: Extra inputs are not permitted"):
        find(str(wrong))
    wrong = tmp_path / "broken.toml"
    wrong.write_text("description = \n")
    with pytest.raises(UsageError, match="cannot be read"):
        find(str(wrong))


@pytest.mark.parametrize("name", ["lodopap", "./none.toml", "../unit"])
def test_an_unknown_protocol(name):
    """What is near, or that there is no such file."""
    with pytest.raises(UsageError, match=r"Did you mean lodopab|no such protocol file"):
        find(name)


def test_volumes_have_no_luma():
    """Slices are channels there: the combination would score nonsense."""
    with pytest.raises(ValueError, match="no luma"):
        Protocol(description="", unit="volume", colour="luma")
