"""Pictures of the gallery: the sample images of one run, one below the other in a single PNG."""

from collections.abc import Sequence
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


def by_content(truth: np.ndarray[Any, Any]) -> list[int]:
    """Numbers of images ``(N, ...)``, those with the largest standard deviation first.

    It hangs on the true images alone: every model is shown on the same ones, in the same order.
    """
    spread = truth.reshape(len(truth), -1).std(axis=1)
    return [int(i) for i in np.argsort(-spread, kind="stable")]


def errors(images: np.ndarray[Any, Any], truth: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Absolute error of images ``(N, H, W, 3)``, the mean of their channels: ``(N, H, W)``, range 1."""
    if images.shape != truth.shape:
        return np.ones(images.shape[:3])
    found: np.ndarray[Any, Any] = np.abs(images.astype(float) - truth).mean(axis=3) / 255
    return found


def error_map(values: np.ndarray[Any, Any], largest: float) -> np.ndarray[Any, Any]:
    """Errors ``(N, H, W)`` as colours: black is none, pale yellow ``largest`` and more."""
    from matplotlib import colormaps

    colours: np.ndarray[Any, Any] = colormaps["inferno"](np.clip(values / largest, 0, 1), bytes=True)
    return np.ascontiguousarray(colours[..., :3])


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


def captions(record: Record, order: Sequence[int]) -> tuple[str, ...]:
    """PSNR of images of a run; none where a unit is a volume: its images share one."""
    values = scores(record, "psnr")
    if record.data.unit != "image":
        return ()
    return tuple(decibel(values[i]) for i in order if i < len(values))
