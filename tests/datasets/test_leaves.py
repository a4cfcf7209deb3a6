"""Leaves: the same bits everywhere, independent images, and the statistics of photographs."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

from bench.datasets import _leaves_light, _leaves_shapes, _palettes, _srgb, _textures, photos
from bench.datasets import leaves as room
from bench.datasets._hashing import mix, uniform, words
from bench.datasets.leaves import Leaves, draw
from bench.datasets.photos import regions
from bench.datasets.shared import cache
from bench.metrics.psnr import psnr
from bench.metrics.ssim import ssim

#: SHA-256 of eight colour images of 32x32 and eight grey ones of 17x17 with the seeds 0 to 7.
DIGESTS = {
    (32, True): "809843a5916bddc902fabb6daa74f2d893451f24175c40f9b0c64efd112e950a",
    (17, False): "9e5ee577a40e0ae83da5fe004a4c21d330e953d641727bbc390ee1e26addb0d4",
}
SEEDS = np.arange(8, dtype=np.uint64)


def digest(size: int, colour: bool) -> str:
    """SHA-256 of the images that ``DIGESTS`` are of."""
    return hashlib.sha256(draw(SEEDS, size, colour).tobytes()).hexdigest()


@pytest.mark.parametrize(("size", "colour"), DIGESTS)
def test_the_same_to_the_last_bit(size, colour):
    """Images are those that were drawn when this was written: digests do not split boards."""
    assert digest(size, colour) == DIGESTS[size, colour]


def test_the_same_without_vector_units():
    """With NumPy's loops for the plainest processor of the kind, images have the same bits."""
    features = np._core._multiarray_umath.__cpu_features__
    wanted = {
        "AVX512F",
        "AVX512CD",
        "AVX512_SKX",
        "AVX2",
        "FMA3",
        "AVX",
        "F16C",
        "X86_V3",
        "X86_V4",
        "ASIMDHP",
    }
    dispatched = set(np._core._multiarray_umath.__cpu_dispatch__)
    present = " ".join(sorted(f for f in wanted & dispatched if features.get(f)))
    if not present:
        pytest.skip("this processor has nothing to leave out")
    code = "from tests.datasets.test_leaves import digest; print(digest(32, True))"
    top = str(Path(__file__).parents[2])
    script = f"import sys; sys.path.insert(0, {top!r}); {code}"
    environment = os.environ | {"NPY_DISABLE_CPU_FEATURES": present}
    command = [sys.executable, "-c", script]
    shown = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert shown.stdout.strip() == DIGESTS[32, True], shown.stderr


@settings(deadline=None, max_examples=10)
@given(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=5), st.sampled_from([1, 2, 11, 24]))
def test_independent_of_the_batch(seeds, size):
    """An image depends on its own seed, not on what is drawn beside it."""
    seeds = np.array(seeds, np.uint64)
    alone = np.concatenate([draw(seeds[i : i + 1], size) for i in range(len(seeds))])
    np.testing.assert_array_equal(draw(seeds, size), alone)


def test_independent_of_how_many(tmp_path, monkeypatch):
    """The first images are the same whatever is asked for; splits, seeds and images differ."""
    monkeypatch.setenv("INVBENCH_CACHE", str(tmp_path))
    monkeypatch.setattr(room, "BLOCK", 7)
    few, many = (Leaves(size=12, train=n, test=n).load() for n in (3, 9))
    for split in ("train", "test", "validation"):
        few_images, many_images = (getattr(s, split)[:3] for s in (few, many))
        n = min(len(few_images), len(many_images))
        assert torch.equal(few_images[:n], many_images[:n])
    other = Leaves(size=12, train=9, test=9, seed=1).load()
    images = torch.cat([many.train[:], many.test[:], many.validation[:], other.train[:], other.test[:]])
    assert len(images.flatten(1).unique(dim=0)) == len(images)


def test_shapes_and_types():
    """The parameters mean what they say; each image stands for itself."""
    splits = Leaves(size=13, train=30, test=4, colour=False).load()
    assert splits.train[:].shape == (30, 1, 13, 13)
    assert splits.test[:].shape == (4, 1, 13, 13)
    assert splits.validation[:].shape == (2, 1, 13, 13)
    assert splits.train[:].dtype == torch.uint8
    assert splits.test.groups is None


@pytest.mark.parametrize("name", ["size", "train", "test"])
def test_numbers_below_one_are_refused(name):
    """The message names the parameter and the value."""
    with pytest.raises(ValueError, match=f"{name} must be at least 1, not 0"):
        Leaves(**{name: 0})


def test_cache(tmp_path, monkeypatch):
    """Images are drawn once; a damaged file is drawn again; without a folder all is drawn each time."""
    monkeypatch.setenv("INVBENCH_CACHE", str(tmp_path / "cache"))
    wanted, drawn = Leaves(size=8, train=4, test=2), []
    monkeypatch.setattr(room, "draw", lambda *given: drawn.append(1) or draw(*given))
    first = wanted.load().digest()
    assert drawn
    files = sorted((tmp_path / "cache" / "leaves").iterdir())
    assert len(files) == 3
    drawn.clear()
    assert wanted.load().digest() == first
    assert not drawn
    files[0].write_bytes(files[0].read_bytes()[:-1] + b"\0\1")
    files[1].write_bytes(b"")
    assert wanted.load().digest() == first
    assert len(drawn) >= 2
    drawn.clear()
    (tmp_path / "file").touch()
    monkeypatch.setenv("INVBENCH_CACHE", str(tmp_path / "file"))
    assert wanted.load().digest() == first
    assert drawn


def test_where_the_cache_is(monkeypatch):
    """INVBENCH_CACHE comes before XDG_CACHE_HOME, that before the home folder."""
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.delenv("INVBENCH_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache.cache_folder() == Path("/home/somebody/.cache/invbench")
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert cache.cache_folder() == Path("/caches/invbench")
    monkeypatch.setenv("INVBENCH_CACHE", "/own")
    assert cache.cache_folder() == Path("/own")


def test_patience(capsys, monkeypatch):
    """Short work is silent, long work says how far it is, and not at every step."""
    now = [0.0]
    monkeypatch.setattr(cache.time, "monotonic", lambda: now[0])
    work = cache.Patience("drawing", 10)
    for second in range(10):
        now[0] = second + 0.5
        work.step(1)
    told = capsys.readouterr().err.splitlines()
    assert told == ["drawing: 30 % done, about 6 s left"]


def test_hashing_is_splitmix64():
    """The first words of SplitMix64 from seed 1234567, as its reference implementation prints them."""
    expected = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
    assert words(np.array([1234567], np.uint64), np.arange(4)).tolist() == expected
    assert mix(np.zeros(1, np.uint64))[0] == 0


def test_uniform_parts_are_independent_and_uniform():
    """Both parts of a word fill [0, 1) evenly, and say nothing of each other."""
    word = words(np.zeros(1, np.uint64), np.arange(20_000))
    parts = [uniform(word, part) for part in range(3)]
    assert all(kstest(part, "uniform").pvalue > 1e-3 for part in parts)
    assert np.abs(np.corrcoef(parts) - np.eye(3)).max() < 0.03


def test_srgb_tables():
    """Tables of exact integers agree with the standard's formula in floating point."""
    c = np.arange(256) / 255
    expected = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    np.testing.assert_allclose(_srgb.to_linear(), expected, atol=1e-7)
    light = np.arange(_srgb.STEPS + 1) / _srgb.STEPS
    curve = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    assert np.abs(_srgb.to_level() - 255 * curve).max() < 0.53


def test_radii_have_density_r_to_the_minus_three():
    """Between an image's smallest radius and its size, the distribution function is that of r^-3."""
    seeds = np.arange(40, dtype=np.uint64)
    thrown = _leaves_shapes.scatter(seeds, 64, 64)
    inside = (np.minimum(thrown.x, thrown.y) > 0) & (np.maximum(thrown.x, thrown.y) < 64)
    radii = thrown.radius[inside & (thrown.radius > 6)]
    assert len(radii) > 300
    assert kstest(radii, lambda r: (1 - (6 / r) ** 2) / (1 - (6 / 64) ** 2)).pvalue > 1e-3


@pytest.mark.parametrize("seed", range(4))
def test_nearest_leaf_is_seen(seed):
    """Sample by sample, in float64 and one leaf after another, the same leaves are in front."""
    thrown = _leaves_shapes.scatter(np.array([seed], np.uint64), 12, 14)
    seen = _leaves_shapes.nearest(thrown, 14, 3)[0]
    outlines, _ = _leaves_shapes._outlines(thrown, 3)
    py, px = np.mgrid[:42, :42] + 0.5
    expected = np.zeros((42, 42), int)
    for leaf in np.argsort(thrown.id):
        x, y, ux, uy, vx, vy, taper, bend, m = outlines[:, leaf].astype(float)
        u = (px - x) * ux + (py - y) * uy
        v = ((px - x) * vx + (py - y) * vy) * (1 + taper * u) - bend * (u**2 - 0.5)
        s, t = u**2, v**2
        expected[(s < 1) & (t < 1) & (s + t + m * s * t < 1)] = thrown.id[leaf]
    assert (seen != expected).mean() < 0.002  # samples on an edge may round to either side


def test_leaves_stay_within_their_radius():
    """No outline leaves its circle: the square in which it is drawn holds it whole."""
    thrown = _leaves_shapes.scatter(np.arange(3, dtype=np.uint64), 32, 32)
    _, reach = _leaves_shapes._outlines(thrown, 1)
    assert (reach <= thrown.radius * 1.0001).all()
    seen = _leaves_shapes.nearest(thrown, 32, 3)
    where = np.stack(np.meshgrid(*[(np.arange(96) + 0.5) / 3] * 2, indexing="xy"))
    place = np.argsort(thrown.id)
    for image, ids in enumerate(seen):
        covered = ids >= 3
        leaf = place[ids[covered] - 3]
        assert (thrown.image[leaf] == image).all()
        distance = np.hypot(where[0][covered] - thrown.x[leaf], where[1][covered] - thrown.y[leaf])
        assert (distance <= thrown.radius[leaf] * 1.001).all()


@pytest.mark.parametrize("steps", [1, 5])
def test_point_spread(steps):
    """A point of light keeps its light and gets the variance that was asked for."""
    light = np.zeros((1, 1, 31, 31), np.float32)
    light[..., 15, 15] = 1
    spread = _leaves_light.blurred(light, np.array([0.6], np.float32), steps)[0, 0]
    at = np.arange(len(spread)) - len(spread) // 2
    assert spread.sum() == pytest.approx(1, abs=1e-6)
    assert (spread * at[:, None] ** 2).sum() == pytest.approx(0.36, rel=1e-4)


def test_textures_are_periodic_and_balanced():
    """Means of 0 and mean absolute values of 1; no seam where a texture begins again."""
    bank = _textures.bank()
    assert np.abs(bank.mean((1, 2))).max() < 1e-3
    np.testing.assert_allclose(np.abs(bank).mean((1, 2)), 1, atol=1e-3)
    seam, inner = np.abs(bank[:, 0] - bank[:, -1]).mean(), np.abs(np.diff(bank, axis=1)).mean()
    assert seam < 1.5 * inner


def test_palettes_come_from_training_regions():
    """No colour is taken from where ``photos`` validates or tests."""
    for name in _palettes.PHOTOGRAPHS:
        region = _palettes.region(name)
        whole = np.asarray(photos._open(name))
        for size in (1, 32, 96):
            start, stop = regions(whole.shape[1], size)["train"]
            assert start == 0
            assert region.shape[1] <= stop
        np.testing.assert_array_equal(region, whole[:, : region.shape[1]])


GREY = np.array([0.299, 0.587, 0.114])


def spectrum_slope(grey):
    """Slope of the mean power spectrum, Hann-windowed, from 1/16 to 1/4 cycles a pixel."""
    n = grey.shape[-1]
    window = np.hanning(n)[:, None] * np.hanning(n)
    grey = grey - (grey * window).sum((1, 2), keepdims=True) / window.sum()
    power = (np.abs(np.fft.fft2(grey * window)) ** 2).mean(0)
    ring = np.round(np.hypot(*np.meshgrid(*[np.fft.fftfreq(n) * n] * 2))).astype(int)
    rings = np.arange(n // 16, n // 4 + 1)
    return np.polyfit(np.log(rings), np.log([power[ring == r].mean() for r in rings]), 1)[0]


def statistics(images):
    """What is compared of images ``(N, 3, H, W)`` of 8 bits."""
    values = images.astype(float)
    grey = np.tensordot(GREY, values, (0, 1))
    steps = np.diff(grey, axis=2)
    rg, rb, gb = np.corrcoef(values.transpose(1, 0, 2, 3).reshape(3, -1))[[0, 0, 1], [1, 2, 2]]
    truth = torch.from_numpy(images).float() / 255
    mean = truth.mean(0).expand_as(truth)
    return {
        "slope": spectrum_slope(grey),
        "kurtosis": ((steps - steps.mean()) ** 4).mean() / steps.var() ** 2,
        "rms": np.sqrt((steps**2).mean()),
        "level": grey.mean(),
        "deviation": grey.std(),
        "rg": rg,
        "rb": rb,
        "gb": gb,
        "flat": (grey.std((1, 2)) < 5).mean(),
        "psnr": float(psnr(mean, truth).mean()),
        "ssim": float(ssim(mean.contiguous(), truth).mean()),
    }


@pytest.fixture(scope="module")
def images():
    """1,000 images of 32x32."""
    return np.concatenate([draw(np.arange(n, n + 25, dtype=np.uint64), 32) for n in range(0, 1000, 25)])


@pytest.mark.parametrize(
    ("statistic", "low", "high"),
    [
        ("slope", -2.9, -2.5),
        ("kurtosis", 13, 22),
        ("rms", 15, 19),
        ("level", 105, 120),
        ("deviation", 54, 62),
        ("rg", 0.74, 0.86),
        ("rb", 0.48, 0.60),
        ("gb", 0.84, 0.96),
        ("flat", 0.03, 0.10),
        ("psnr", 12.4, 13.7),
        ("ssim", 0.30, 0.42),
    ],
)
def test_statistics_of_photographs(images, statistic, low, high):
    """What was measured on windows of photographs, give or take what still passes for it."""
    assert low <= statistics(images)[statistic] <= high


#: Per mille of the grey values of 5,500 windows of 32x32, from six photographs, in 32 bins from 0 to 256;
#: the bounds above are of the same windows.
HISTOGRAM = [
    15.1, 22, 21.5, 22.2, 29.8, 40.1, 44.3, 45.1, 41.7, 48.5, 47.3, 46.5, 45.1, 44.5, 46.2, 49.6,
    47.5, 45.8, 43.2, 37.4, 34.8, 30.6, 31, 21.6, 17.2, 17.4, 18.9, 16.3, 12.4, 11.6, 2.7, 2.3,
]  # fmt: skip


def test_histogram_of_photographs(images):
    """Half the sum of differences to the histogram of photographs."""
    shares = np.histogram(np.tensordot(GREY, images, (0, 1)), 32, (0, 256))[0] / (images.size / 3)
    assert np.abs(shares - np.array(HISTOGRAM) / 1000).sum() / 2 <= 0.08
