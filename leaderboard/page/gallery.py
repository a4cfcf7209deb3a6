"""Pictures of the gallery: the sample images of each run, one below the other in a single PNG."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bench.leaderboard.groups import Group
from bench.leaderboard.page.names import run_name
from bench.leaderboard.samples import Samples, captions, samples
from bench.pictures import LEAST_ERROR, absolute, error_colours
from bench.runs.record import Record


@dataclass(frozen=True)
class Strip:
    """A picture that holds several images of one size.

    Attributes:
        path: where it lies, seen from the page's folder.
        count: number of images in it.
        width: of one image, in pixels.
        height: of one image, in pixels.
        captions: what stands under each image.
        axes: what runs along the columns and the rows of an image, where that is not a picture's own.
        alike: whether all images are the same.
        numbers: which test images these are.
    """

    path: str
    count: int
    width: int
    height: int
    captions: tuple[str, ...] = ()
    axes: tuple[str, ...] = ()
    alike: bool = False
    numbers: tuple[int, ...] = ()

    @property
    def places(self) -> list[str]:
        """Where each image lies in the picture, in percent: the style sheet's ``object-position``."""
        return [f"{100 * i / max(self.count - 1, 1):.4g}%" for i in range(self.count)]


Row = tuple[str, Record | None, Strip]


class Gallery:
    """The strips of all runs of a page, written as they are added."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.strips: dict[str, Strip] = {}
        self.errors: dict[str, tuple[Strip, float]] = {}
        self._given: dict[str, str] = {}  # what measurement and truth of a run are called

    def add(self, group: Group) -> None:
        """Pictures of a group's runs and their errors on one scale; measurement and truth once."""
        made: dict[str, np.ndarray[Any, Any]] = {}
        for record in (r for e in group.entries for r in e.records):
            found = samples(record)
            if found is not None:
                self._add_run(record, found)
                made[record.fingerprint] = absolute(found.reconstruction, found.truth)
        largest = max((float(np.quantile(values, 0.99)) for values in made.values()), default=0.0)
        largest = max(largest, LEAST_ERROR)
        for fingerprint, values in made.items():
            strip = self._write(error_colours(values, largest), f"{run_name(fingerprint)}-error")
            self.errors[fingerprint] = strip, largest

    def _add_run(self, record: Record, found: Samples) -> None:
        name = run_name(record)
        self.strips[record.fingerprint] = replace(
            self._write(found.reconstruction, name, captions(record, found.numbers)), numbers=found.numbers
        )
        given = self._given[record.fingerprint] = _digest(found.truth, found.measurement)
        if f"{given}-truth" not in self.strips:
            numbers = tuple(f"image {i}" for i in found.numbers)
            self.strips[f"{given}-truth"] = self._write(found.truth, f"{given}-truth", numbers)
            axes = record.data.picture_axes
            self.strips[f"{given}-measurement"] = self._write(
                found.measurement, f"{given}-measurement", axes=axes
            )

    def rows(self, records: Sequence[tuple[str, Record]]) -> list[Row]:
        """Rows of a gallery: measurement, each run's reconstruction, truth."""
        shown = [(n, r, self.strips[r.fingerprint]) for n, r in records if r.fingerprint in self.strips]
        if not shown:
            return []
        given = self._given[shown[0][1].fingerprint]
        measured, truth = (self.strips[f"{given}-{kind}"] for kind in ("measurement", "truth"))
        same = [row for row in shown if self._given[row[1].fingerprint] == given]
        return [("measurement", None, measured), *same, ("truth", None, truth)]

    def error_rows(self, records: Sequence[tuple[str, Record]]) -> dict[str, Any]:
        """Error maps of the same runs, and the error that is shown as the brightest."""
        found = [(n, r, *self.errors[r.fingerprint]) for n, r in records if r.fingerprint in self.errors]
        return {"rows": [row[:3] for row in found], "largest": max((row[3] for row in found), default=0)}

    def _write(
        self,
        images: np.ndarray[Any, Any],
        name: str,
        captions: tuple[str, ...] = (),
        axes: tuple[str, ...] = (),
    ) -> Strip:
        """Write images ``(N, H, W, 3)`` as one PNG."""
        count, height, width, _ = images.shape
        picture = Image.fromarray(images.reshape(count * height, width, 3))
        picture.save(self.folder / "images" / f"{name}.png", compress_level=3)
        alike = count > 1 and bool((images == images[:1]).all())
        return Strip(f"images/{name}.png", count, width, height, captions, axes, alike)


def _digest(*stacks: np.ndarray[Any, Any]) -> str:
    """A name for pictures: alike for runs that were scored on the same."""
    digest = hashlib.sha256()
    for stack in stacks:
        digest.update(repr(stack.shape).encode() + stack.tobytes())
    return digest.hexdigest()[:16]
