"""Dead leaves: images with the statistics of photographs, each independent of all others."""

import hashlib
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from bench.datasets import (
    Dataset,
    Splits,
    _hashing,
    _leaves_light,
    _leaves_shapes,
    _palettes,
    _srgb,
    _textures,
)
from bench.datasets._hashing import Words, streams, uniform, words
from bench.datasets.shared.cache import Patience, keep, kept
from bench.errors import at_least
from bench.seeding import derive

#: Share of the images that are out of focus, and the deviation of the point spread in pixels: of sharp
#: images, and of others at most.
SOFT, SHARP, SOFTEST = 0.25, 0.3, 1.5
#: Steps of blurring, which need as many pixels of margin, and samples along a pixel: of sharp images and
#: of others, in which fine samples would be lost.
CAMERAS = {False: (1, 3), True: (5, 2)}
#: Images that are kept in one file; samples that are drawn at once.
BLOCK, AT_ONCE = 250, 2**18

Images = npt.NDArray[np.uint8]


class Leaves(Dataset):
    """Dead leaves: images like photographs in their statistics, each independent; no download.

    Leaves of radius r with density r^-3 lie on one another in random order, which gives photographs'
    scaling, edges and occlusion (Lee, Mumford, Huang 2001). They are parallelograms, ellipses and stars,
    many tapered or bent, with a shading and a texture each. An image has one palette, from the region of a
    photograph that ``photos`` trains on, a contrast, a smallest radius (0.5 to 6 pixels) and a light of
    its own; a quarter are out of focus. Light is linear, from 3x3 samples a pixel (2x2 out of focus), and
    rounded to sRGB levels at the end.

    An image depends on ``size``, ``colour``, ``seed``, its split and its number alone, to the last bit on
    every processor. Images are drawn once and kept in the user's cache folder (``INVBENCH_CACHE``, or
    ``invbench`` in ``XDG_CACHE_HOME``).

    Beside 5,500 evenly spread windows of six photographs, which it was tuned to, 6,000 images of 32x32
    have a power spectrum of slope -2.81 (photographs -2.70), gradients of rms 16.2 (16.8) and kurtosis 19
    (17), levels of 109 +- 59 (112 +- 58); their mean scores 13.6 dB, SSIM 0.32 (12.9, 0.37). An image of
    32x32 takes 4 ms of one core, of 96x96 25 ms.

    What a network gains over a classical method depends on how much it was trained on: after 3,000 images
    and 8 epochs a U-Net denoises 0.91 and 0.96 dB better than TV (two trainings) and deblurs 0.40 dB worse
    (one), after 5,000 1.29 and 0.15 dB better (one each). Within one set it gains most on images of high
    contrast (denoising, by fifths of their deviation: -0.8, 1.0, 1.7, 2.0 and 2.4 dB), less on those with
    larger leaves (from 1.5 to 1.0), and hardly more or less on those out of focus (1.4 and 1.25).

    Args:
        size: height and width in pixels.
        train: number of training images; a twentieth as many, 1 to 1000, are for validation.
        test: number of test images.
        colour: three channels; otherwise one, the luminance.
        seed: another number gives another set, independent of this one.

    References:
        Lee, Mumford, Huang: Occlusion models for natural images, IJCV 41, 2001.
        Baradad et al.: Learning to see by looking at noise, NeurIPS 2021.
        Achddou et al.: VibrantLeaves, arXiv 2504.10201.
    """

    def __init__(
        self, size: int = 32, train: int = 5000, test: int = 500, colour: bool = True, seed: int = 0
    ):
        at_least(1, size=size, train=train, test=test)
        at_least(0, seed=seed)
        self.size, self.colour, self.seed = size, colour, seed
        self.counts = {"train": train, "test": test, "validation": min(max(round(0.05 * train), 1), 1000)}

    def load(self) -> Splits:
        total = sum(self.counts.values())
        patience = Patience(f"leaves: {total:,} images of {self.size}x{self.size}", total)
        train, test, validation = (self._images(split, patience) for split in self.counts)
        return Splits(train, test, validation)

    def _images(self, split: str, patience: Patience) -> Tensor:
        """The images of a split, ``(N, C, size, size)``."""
        channels, count = 3 if self.colour else 1, self.counts[split]
        images = np.empty((-(-count // BLOCK) * BLOCK, channels, self.size, self.size), np.uint8)
        stream = streams(np.array([derive(self.seed, "leaves", split)], np.uint64), 0)
        for first in range(0, count, BLOCK):
            block = images[first : first + BLOCK]
            name = f"leaves/{_source()}-{self.size}-{channels}-{self.seed}-{split}-{first}"
            if (body := kept(name)) and len(body) == block.nbytes:
                block[:] = np.frombuffer(body, np.uint8).reshape(block.shape)
                patience.step(BLOCK)
                continue
            at_once = max(1, AT_ONCE // (self.size * CAMERAS[False][1]) ** 2)
            for start in range(0, BLOCK, at_once):
                piece = block[start : start + at_once]
                numbers = np.arange(first + start, first + start + len(piece))
                piece[:] = draw(words(stream, numbers), self.size, self.colour)
                patience.step(len(piece))
            keep(name, block.tobytes())
        return torch.from_numpy(images[:count])


def draw(seeds: Words, size: int, colour: bool = True) -> Images:
    """One image for each seed, ``(B, 3, size, size)``, or ``(B, 1, size, size)`` without colour."""
    focus = words(streams(seeds, 0), np.zeros(1, np.int64))
    soft = uniform(focus) < np.float32(SOFT)
    softness = np.float32(SHARP) + np.float32(SOFTEST - SHARP) * uniform(focus, 1)
    spread = np.where(soft, softness, np.float32(SHARP))
    images = np.empty((len(seeds), 3 if colour else 1, size, size), np.uint8)
    for kind, (steps, samples) in CAMERAS.items():
        chosen = np.flatnonzero(soft == kind)
        if len(chosen):
            side = size + 2 * steps
            leaves = _leaves_shapes.scatter(seeds[chosen], size, side)
            seen = _leaves_shapes.nearest(leaves, side, samples)
            found = _leaves_light.surfaces(leaves, side, samples, colour)
            light = _leaves_light.photograph(seen, found, samples)
            images[chosen] = _leaves_light.levels(_leaves_light.blurred(light, spread[chosen], steps))
    return images


@cache
def _source() -> str:
    """Digest of everything that images depend on: this code and the photographs' colours."""
    modules = _hashing, _leaves_light, _leaves_shapes, _palettes, _srgb, _textures
    paths = [Path(__file__), *(Path(module.__file__ or "") for module in modules)]
    sha = hashlib.sha256(b"".join(path.read_bytes() for path in paths))
    for name in _palettes.PHOTOGRAPHS:
        sha.update(_palettes.region(name).tobytes())
    return sha.hexdigest()[:16]
