"""The sample images of a run as they are stored, and their errors."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.errors import BenchError
from bench.pictures import rgb
from bench.runs.reading import tensors
from bench.runs.record import Record
from bench.text import decibel

#: What sample images are of, and how many of a run are shown at most.
KINDS, MOST_SAMPLES = ("measurement", "reconstruction", "truth"), 64

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Samples:
    """Images of a run, ready to be shown: ``(N, H, W, 3)`` uint8.

    Attributes:
        measurement: of a size of its own.
        reconstruction: by the run's method.
        truth: of the same size.
        numbers: which test images these are.
    """

    measurement: Array
    reconstruction: Array
    truth: Array
    numbers: tuple[int, ...]


def samples(record: Record) -> Samples | None:
    """The sample images of a run; None if there are none to be read."""
    found = sample_tensors(record)
    if not found:
        return None
    measurement, reconstruction, truth = (rgb(found[kind]) for kind in KINDS)
    return Samples(measurement, reconstruction, truth, tuple(found["number"].tolist()))


def captions(record: Record, numbers: Iterable[int]) -> tuple[str, ...]:
    """PSNR of test images of a run; none where a unit is a volume: its images share one."""
    values = record.units.scores["psnr"]
    if record.data.unit != "image":
        return ()
    return tuple(decibel(values[i]) if i < len(values) else "" for i in numbers)


def sample_tensors(record: Record) -> dict[str, Array]:
    """The sample images of a run by kind, ``(N, C, H, W)`` uint8, with the ``number`` of each.

    Without numbers they are the first test images; empty if there is nothing to be read.
    """
    path = record.folder / "samples.safetensors" if record.folder else None
    if path is None or not path.exists():
        return {}
    try:
        found = tensors(path)
    except BenchError:
        return {}
    shown = {kind: found[kind] for kind in KINDS if kind in found and _shows_something(found[kind])}
    if len(shown) != len(KINDS) or len({len(stack) for stack in shown.values()}) != 1:
        return {}
    count = len(shown["truth"])
    numbers = found.get("number", np.arange(count))
    sound = numbers.dtype == np.int64 and numbers.shape == (count,) and (numbers >= 0).all()
    return shown | {"number": numbers} if sound else {}


def _shows_something(stack: Array) -> bool:
    return stack.dtype == np.uint8 and stack.ndim == 4 and stack.size > 0 and len(stack) <= MOST_SAMPLES
