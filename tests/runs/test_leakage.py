"""The leakage check finds copies between training and test images, and nothing else."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy.fft import dctn
from skimage import data
from skimage.transform import resize
from torch.nn.functional import avg_pool2d

from bench.component import Component
from bench.datasets import Splits
from bench.datasets.shared import cache
from bench.problem import Problem, build_operator
from bench.runs import leakage
from bench.runs.alike import seen
from bench.runs.leakage import duplicates, repeated_ivs
from bench.runs.parts import Duplicates


def _windows(count: int = 24, size: int = 32) -> torch.Tensor:
    """Windows of photographs that do not overlap, scaled to one size."""
    photos = [data.astronaut(), data.coffee(), data.chelsea()]
    cut = [
        p[y : y + 100, x : x + 100] for p in photos for y in range(0, 300, 100) for x in range(0, 400, 100)
    ]
    cut = [c for c in cut if c.shape[:2] == (100, 100)][:count]
    small = [(resize(c, (size, size), anti_aliasing=True) * 255).astype(np.uint8) for c in cut]
    return torch.from_numpy(np.stack(small)).permute(0, 3, 1, 2).contiguous()


def test_different_windows_are_no_duplicates():
    """Windows of the same photographs that share no pixel are not reported."""
    images = _windows()
    assert duplicates(images[::2], images[1::2]) == Duplicates(0, 0)


def test_exact_copies_are_counted_and_named():
    """A copied image is found with the numbers of both."""
    images = _windows()
    found = duplicates(images[:20], torch.cat([images[20:], images[3:4]]))
    assert found == Duplicates(1, 0, ((4, 3),))


@pytest.mark.parametrize("change", ["brighter", "noise", "halved and enlarged", "mirrored"])
def test_near_copies_are_found(change):
    """The same picture a little brighter, noisier or coarser is still the same picture."""
    images = _windows()
    picture = images[5:6].float()
    changed = {
        "brighter": lambda: picture * 0.9 + 12,
        "mirrored": lambda: picture.flip(-1),
        "noise": lambda: picture + 5 * torch.randn(picture.shape, generator=torch.Generator().manual_seed(0)),
        "halved and enlarged": lambda: avg_pool2d(picture, 2).repeat_interleave(2, 2).repeat_interleave(2, 3),
    }[change]()
    found = duplicates(images, changed.clamp(0, 255).byte())
    assert found == Duplicates(0, 1, ((0, 5),))


def test_flat_images_are_near_to_nothing():
    """Two patches of sky are not the same picture; an exact copy is one all the same."""
    flat = torch.full((2, 3, 32, 32), 200, dtype=torch.uint8)
    flat[1, :, 0, 0] = 203
    assert duplicates(flat[:1], flat[1:]).near == 0
    assert duplicates(flat[:1], flat[:1]).exact == 1


def test_cosines_are_the_dct_of_scipy():
    """What candidates are found by: the low coefficients of SciPy's orthonormal DCT-II, without the mean."""
    grey = _windows(6)[:, :1]
    found = seen(grey).waves
    order = np.add.outer(np.arange(8), np.arange(8))
    weight = np.sqrt(np.add.outer(np.arange(8) ** 2, np.arange(8) ** 2)) ** 0.75
    for image, waves in zip(grey, found, strict=True):
        low = dctn(image[0].numpy().astype(float), norm="ortho")[:8, :8] * weight
        wanted = low[(order > 0) & (order < 8)]
        np.testing.assert_allclose(waves.numpy(), wanted / np.linalg.norm(wanted), atol=1e-5)


@pytest.mark.parametrize("shift", [(0, 1), (2, 0), (1, -2)])
@pytest.mark.parametrize("mirrored", [False, True])
def test_shifted_windows_are_found(shift, mirrored):
    """Windows of one photograph, a pixel or two apart, show the same; without that, 22 of 200 were found."""
    photo = torch.from_numpy(data.astronaut()[::4, ::4]).permute(2, 0, 1)
    places = [(y, x) for y in range(4, 90, 22) for x in range(4, 90, 22)]
    cut = lambda y, x: photo[:, y : y + 32, x : x + 32]  # noqa: E731
    train = torch.stack([cut(y, x) for y, x in places])
    test = torch.stack([cut(y + shift[0], x + shift[1]) for y, x in places])
    found = duplicates(train, test.flip(-1) if mirrored else test)
    assert found.near >= 15
    assert all(a == b for a, b in found.pairs)


def test_large_splits_are_sampled_and_say_so(monkeypatch):
    """Of 24 images 6 are looked at, evenly spaced, and the numbers of pairs are those of the split."""
    images = _windows()
    monkeypatch.setattr("bench.runs.leakage.MOST_IMAGES", 6)
    found = duplicates(images, images[8:9])
    assert found == Duplicates(1, 0, ((0, 8),), of_train=6)
    assert duplicates(images, images[9:10]) == Duplicates(0, 0, of_train=6)


COINCIDING = """
import resource, torch
from bench.runs import alike

def most():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # KiB in Linux

picture = torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(0)) * 255
one = alike.seen(picture)
many = lambda n: alike.Seen(*(part.expand(n, *part.shape[1:]).clone() for part in one))
train, test = many(30_000), many(3_000)
alike.matches(alike.joined([one]), one)
before = most()
found = alike.matches(train, test)
print(len(found), round(most() - before))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory in KiB is Linux's")
def test_images_that_all_coincide_take_little_memory():
    """Where every image is a copy of every other, 90 million pairs are not kept: that would be 1.2 GB.

    Of 10,000 and 90,000 images it was 12 GB once.
    """
    told = subprocess.run([sys.executable, "-c", COINCIDING], capture_output=True, text=True, check=True)
    found, grown = map(int, told.stdout.split())
    assert found == 3000
    assert grown < 900


@pytest.mark.parametrize("channels", [1, 3])
def test_odd_sizes_and_grey_images(channels):
    """MNIST's 28x28 and images larger than the 32x32 that are compared go through."""
    for size in (28, 33, 61):
        images = torch.randint(0, 256, (5, channels, size, size), dtype=torch.uint8)
        assert duplicates(images, images).exact == 5


@pytest.fixture
def fresh():
    """A problem of 70 images under fresh ivs: more than one piece of the test split."""
    images = torch.randint(0, 256, (70, 1, 12, 12), dtype=torch.uint8)
    operator = build_operator([Component("xor_ctr", {"iv": "fresh"}), Component("noise")], (1, 12, 12), 0)
    return Problem(operator, Splits(images[:4], images))


def test_fresh_ivs_do_not_repeat(fresh):
    """The negative control is one only if no iv comes twice."""
    assert repeated_ivs(fresh) == 0


def test_repeated_ivs_are_counted(fresh, monkeypatch):
    """Streams that start again after 64 images give the 6 last ones the ivs of the first."""
    monkeypatch.setattr(
        "bench.runs.leakage.stream", lambda *parts: torch.Generator().manual_seed(parts[-1] % 64)
    )
    assert repeated_ivs(fresh) == 12


def test_a_fixed_iv_is_no_finding():
    """Under a fixed iv every image shares it: that is the operator, not a fault."""
    images = torch.zeros(4, 1, 12, 12, dtype=torch.uint8)
    operator = build_operator([Component("xor_ctr")], (1, 12, 12), 0)
    assert repeated_ivs(Problem(operator, Splits(images, images))) is None


def test_what_was_found_is_kept(tmp_path, monkeypatch):
    """The second time nothing is searched for, unless what was kept is damaged or something else."""
    monkeypatch.setenv("INVBENCH_CACHE", str(tmp_path))
    monkeypatch.setattr(leakage, "WORTH_KEEPING", 0)
    found = Duplicates(1, 2, ((3, 4),), of_train=6)
    searched = []

    def search():
        searched.append(1)
        return found

    assert leakage.duplicates_kept("these", search) == found == leakage.duplicates_kept("these", search)
    assert leakage.duplicates_kept("others", search) == found
    assert len(searched) == 2
    for file in (tmp_path / "duplicates").iterdir():
        cache.keep(f"duplicates/{file.name}", b'{"exact": "none"}')
    assert leakage.duplicates_kept("these", search) == found
    assert len(searched) == 3
