"""Pictures of the gallery: the sample images of one run, one below the other in a single PNG."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from safetensors import SafetensorError
from safetensors.numpy import load_file

from bench.leaderboard.loading import scores
from bench.leaderboard.samples import picture
from bench.runs.record import Record
from bench.text import decibel


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
    path = record.folder / "samples.safetensors" if record.folder else None
    if path is None or not path.is_file():
        return {}
    try:
        found = load_file(path)
        return {k: picture(found[k]) for k in ("measurement", "reconstruction", "truth")}
    except (OSError, SafetensorError, KeyError, ValueError, IndexError):
        return {}


def write(images: np.ndarray[Any, Any], folder: Path, name: str, captions: tuple[str, ...] = ()) -> Strip:
    """Write images ``(N, H, W, 3)`` as one PNG."""
    count, height, width, _ = images.shape
    Image.fromarray(images.reshape(count * height, width, 3)).save(folder / f"{name}.png", compress_level=3)
    return Strip(f"images/{name}.png", count, width, height, captions)


def captions(record: Record, count: int) -> tuple[str, ...]:
    """PSNR of the first images of a run."""
    return tuple(decibel(v) for v in scores(record, "psnr")[:count])
