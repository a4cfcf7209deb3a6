"""Pictures of the gallery: the sample images of one run, one below the other in a single PNG."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bench.errors import BenchError
from bench.leaderboard.loading import scores
from bench.pictures import rgb
from bench.runs.reading import tensors
from bench.runs.record import Record
from bench.text import decibel

#: What sample images are of, and how many of a run are shown at most.
KINDS, MOST_SAMPLES = ("measurement", "reconstruction", "truth"), 64


@dataclass(frozen=True)
class Strip:
    """A picture that holds several images of one size.

    Attributes:
        path: where it lies, seen from the page's folder.
        count: number of images in it.
        width: of one image, in pixels.
        height: of one image, in pixels.
        captions: what stands under each image.
    """

    path: str
    count: int
    width: int
    height: int
    captions: tuple[str, ...] = ()

    @property
    def places(self) -> list[str]:
        """Where each image lies in the picture, in percent: the style sheet's ``object-position``."""
        return [f"{100 * i / max(self.count - 1, 1):.4g}%" for i in range(self.count)]


def samples(record: Record) -> dict[str, np.ndarray[Any, Any]]:
    """The sample images of a run by kind, ready to be shown; empty if there are none to be read."""
    found = sample_tensors(record)
    return {kind: rgb(found[kind]) for kind in KINDS} if found else {}


def sample_tensors(record: Record) -> dict[str, np.ndarray[Any, Any]]:
    """The sample images of a run by kind, ``(N, C, H, W)`` uint8; empty if there are none to be read."""
    path = record.folder / "samples.safetensors" if record.folder else None
    if path is None or not path.exists():
        return {}
    try:
        found = tensors(path)
    except BenchError:
        return {}
    shown = {kind: found[kind] for kind in KINDS if kind in found and _shows_something(found[kind])}
    return shown if len(shown) == 3 and len({len(stack) for stack in shown.values()}) == 1 else {}


def _shows_something(stack: np.ndarray[Any, Any]) -> bool:
    return stack.dtype == np.uint8 and stack.ndim == 4 and stack.size > 0 and len(stack) <= MOST_SAMPLES


def write(images: np.ndarray[Any, Any], folder: Path, name: str, captions: tuple[str, ...] = ()) -> Strip:
    """Write images ``(N, H, W, 3)`` as one PNG."""
    count, height, width, _ = images.shape
    Image.fromarray(images.reshape(count * height, width, 3)).save(folder / f"{name}.png", compress_level=3)
    return Strip(f"images/{name}.png", count, width, height, captions)


def captions(record: Record, count: int) -> tuple[str, ...]:
    """PSNR of the first images of a run."""
    return tuple(decibel(v) for v in scores(record, "psnr")[:count])
