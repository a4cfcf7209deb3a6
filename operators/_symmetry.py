"""Rays that turns and reflections of the image take into one another: one's weights serve all of them."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from bench.operators._beams import Geometry

#: Angles that differ by less, in radians, are the same.
SAME = 1e-9


@dataclass(frozen=True)
class Symmetry:
    """The group of a geometry, and one ray of each of its orbits.

    With ``g`` an element, an image ``x`` and its sinogram ``A x``, a ray ``r`` goes to another one, ``g r``:

        (A g x)[r] = (A x)[g r]

    so the chosen rays' rows of ``A``, applied to ``g x`` for each ``g``, are all of ``A x``.

    Attributes:
        shape: rows and columns of the image.
        elements: quarter turns, counter-clockwise, after a reflection of left and right or without one.
        rows: numbers of the chosen rays among all of them.
        places: of each ray, where it stands among the chosen rays times the elements.
    """

    shape: tuple[int, int]
    elements: tuple[tuple[int, bool], ...]
    rows: Tensor
    places: Tensor

    def turned(self, x: Tensor) -> Tensor:
        """``(N, pixels)`` in columns, as each element has it: ``(pixels, N * elements)``."""
        images = x.view(-1, *self.shape)
        turned = [torch.rot90(images.flip(2) if m else images, q, (1, 2)) for q, m in self.elements]
        return torch.stack(turned, -1).movedim(0, 2).reshape(x.shape[1], -1)

    def turned_back(self, columns: Tensor) -> Tensor:
        """The transpose of :meth:`turned`: each column turned back, and added."""
        images = columns.view(*self.shape, -1, len(self.elements)).movedim(2, 0)
        x = columns.new_zeros(images.shape[:3])
        for (q, m), image in zip(self.elements, images.unbind(-1), strict=True):
            back = torch.rot90(image, -q, (1, 2))
            x += back.flip(2) if m else back
        return x.flatten(1)

    def spread(self, values: Tensor) -> Tensor:
        """The chosen rays' values ``(rows, N * elements)``, each in its place: ``(N, all rays)``."""
        by_image = values.view(len(self.rows), -1, len(self.elements)).movedim(1, 0).flatten(1)
        return by_image[:, self.places.to(values.device)]

    def gathered(self, y: Tensor) -> Tensor:
        """The transpose of :meth:`spread`."""
        found = y.new_zeros(len(y), len(self.rows) * len(self.elements))
        found[:, self.places.to(y.device)] = y
        return found.view(len(y), len(self.rows), -1).movedim(0, 1).flatten(1)


def symmetry(geometry: Geometry) -> Symmetry | None:
    """The symmetry of a geometry; None if there is but the identity."""
    if geometry.centre != (0.0, 0.0):
        return None
    step = 1 if geometry.shape[0] == geometry.shape[1] else 2
    every = [(q, mirrored) for mirrored in (False, True) for q in range(0, 4, step)]
    found = {element: rows for element in every if (rows := _moved(geometry, *element)) is not None}
    images = torch.stack(list(found.values()))
    rows = images.amin(0).unique()
    places = torch.full_like(images[0], -1)
    for number, moved in enumerate(images):
        places[moved[rows]] = torch.arange(len(rows)) * len(found) + number
    if len(found) == 1 or (places < 0).any():
        return None
    return Symmetry(geometry.shape, tuple(found), rows, places)


def _moved(geometry: Geometry, turns: int, mirrored: bool) -> Tensor | None:
    """Where an element takes each ray; None if one of them would be none of the geometry's.

    Turning the image is turning the scanner back. Reflected, a view at ``t`` is that at ``-t``, its detector
    in reverse. In parallel beams so is the view from the opposite side.
    """
    angles = torch.tensor(geometry.angles, dtype=torch.float64)
    target = (angles - turns * math.pi / 2) * (-1 if mirrored else 1)
    period = 2 * math.pi if geometry.fan else math.pi
    keys, order = _key(angles, angles[0], period).sort()
    views = order[torch.searchsorted(keys, _key(target, angles[0], period) - SAME) % len(keys)]
    periods = ((target - angles[views]) / period).round()
    missed = (target - angles[views] - periods * period).abs() > SAME
    reverse = torch.full_like(missed, mirrored)
    if not geometry.fan:
        reverse ^= periods % 2 == 1
    if missed.any() or (reverse.any() and geometry.offset):
        return None
    bins = torch.arange(geometry.detectors)
    bins = torch.where(reverse[:, None], bins.flip(0), bins)
    return (views[:, None] * geometry.detectors + bins).flatten()


def _key(angles: Tensor, first: Tensor, period: float) -> Tensor:
    """Angles within one period, which begins a little before the first one."""
    return (angles - first + 1000 * SAME) % period
