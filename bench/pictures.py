"""Pictures of tensors, and sheets of them: one row of images per kind, each pixel as it is."""

import math
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from torch import Tensor

Array = np.ndarray[Any, Any]

#: Side of an image on a sheet, space between two, and height of a line of text, in pixels.
SIDE, GAP, LINE = 192, 8, 20
#: Least width of a sheet, and lines of its title at most.
LEAST_WIDTH, TITLE_LINES = 420, 3

#: Least error that is shown as the brightest: one level of 255.
LEAST_ERROR = 1 / 255
#: Level, red, green, blue: nine of matplotlib's inferno, whose lightness grows evenly.
_RAMP = np.array(
    [
        [0, 0, 0, 3],
        [0.125, 32, 12, 74],
        [0.25, 87, 15, 109],
        [0.375, 137, 34, 105],
        [0.5, 187, 55, 84],
        [0.625, 228, 90, 49],
        [0.75, 249, 142, 8],
        [0.875, 248, 203, 52],
        [1, 252, 254, 164],
    ]
)


def image(values: "Tensor", value_range: tuple[float, float] = (0.0, 1.0)) -> Array:
    """Images as grey levels: the lowest value of the range black, the highest white.

    Args:
        values: ``(N, C, H, W)``; of complex ones the magnitude is shown.
        value_range: of the dataset's images.

    Returns:
        ``(N, C, H, W)`` uint8, C being 1 or 3 (of two the first, of more the first three); NaN is black.
    """
    low, high = value_range
    return _levels((_channels(values, value_range).clip(low, high) - low) / (high - low))


def measurement(values: "Tensor", value_range: tuple[float, float] = (0.0, 1.0)) -> Array:
    """Measurements as grey levels: those that fill the images' range in the images' own window.

    Others go each from its own 1st to its 99th percentile. Spectra, whose peaks hide all else, are shown
    by their logarithm.

    Args:
        values: ``(N, C, H, W)``; others are laid out in a square. Of complex ones the magnitude is shown.
            What is not finite is shown like the largest or least that is, NaN like the least.
        value_range: of the dataset's images.

    Returns:
        ``(N, C, H, W)`` uint8, C being 1 or 3.
    """
    if values.dim() != 4:
        flat = values.detach().flatten(1)
        side = math.ceil(math.sqrt(flat.shape[1]))
        laid_out = flat.new_zeros(len(flat), side**2)
        laid_out[:, : flat.shape[1]] = flat
        values = laid_out.view(-1, 1, side, side)
    shown, (low, high) = _channels(values).astype(float), value_range
    return _levels((shown - low) / (high - low) if _fills(shown, value_range) else _stretched(shown))


def errors(made: Mapping[str, Array], truth: Array) -> tuple[dict[str, Array], float]:
    """Absolute errors of reconstructions as colours, all on one scale: black is none, pale yellow the most.

    Args:
        made: images ``(N, C, H, W)`` uint8 of each method.
        truth: of the same shape.

    Returns:
        ``(N, 3, H, W)`` uint8 for each, and the error shown as the brightest, as a share of the range:
        the largest 99th percentile.
    """
    found = {name: absolute(rgb(stack), rgb(truth)) for name, stack in made.items()}
    largest = max((float(np.quantile(values, 0.99)) for values in found.values()), default=0.0)
    largest = max(largest, LEAST_ERROR)
    return {n: error_colours(v, largest).transpose(0, 3, 1, 2) for n, v in found.items()}, largest


def absolute(images: Array, truth: Array) -> Array:
    """Absolute error of images ``(N, H, W, 3)`` uint8, the mean of their channels: ``(N, H, W)``, range 1.

    It is 1 where the sizes differ.
    """
    if images.shape != truth.shape:
        return np.ones(images.shape[:3])
    found: Array = np.abs(images.astype(float) - truth).mean(axis=3) / 255
    return found


def error_colours(values: Array, largest: float) -> Array:
    """Errors ``(N, H, W)`` as colours ``(N, H, W, 3)``: black is none, pale yellow ``largest`` and more."""
    levels = np.clip(values / largest, 0, 1)
    colours: Array = np.stack([np.interp(levels, _RAMP[:, 0], _RAMP[:, 1 + c]) for c in range(3)], axis=3)
    return colours.round().astype(np.uint8)


def with_axes(name: str, axes: Sequence[str]) -> str:
    """The name of a row whose pictures have axes of their own: ``measurement (angle ↓, detector →)``."""
    return f"{name} ({axes[0]} ↓, {axes[1]} →)" if axes else name


def rgb(stack: Any) -> Array:
    """Images ``(N, C, H, W)`` uint8 as ``(N, H, W, 3)``; grey ones become RGB."""
    images = np.asarray(stack, dtype=np.uint8)
    images = images[:, :3] if images.shape[1] >= 3 else images[:, :1].repeat(3, axis=1)
    return np.ascontiguousarray(images.transpose(0, 2, 3, 1))


def sheet(rows: Mapping[str, Any], captions: Mapping[str, Sequence[str]], title: str) -> Image.Image:
    """A sheet with one row of pictures per kind and one column per image (Hauptmann & Adler, Figure 1).

    Pixels are repeated a whole number of times; of images that are larger than a place on the sheet
    blocks are averaged.

    Args:
        rows: name of each row with its images, ``(N, C, H, W)`` uint8; each row may have a size of its own.
        captions: what stands under the images of a row, by the row's name.
        title: of the sheet.

    Raises:
        ValueError: the rows do not show the same number of images.
    """
    counts = {name: len(stack) for name, stack in rows.items()}
    if len(set(counts.values())) != 1:
        raise ValueError(f"a sheet needs as many images in each row, not {counts}")
    stacks = {name: [_enlarged(picture) for picture in rgb(stack)] for name, stack in rows.items()}
    pitch = GAP + max(SIDE, *(p.width for stack in stacks.values() for p in stack))
    width = max(LEAST_WIDTH, GAP + pitch * max(counts.values()))
    heads = wrap(title, _fitting(title, width), max_lines=TITLE_LINES, placeholder=" …")
    heights = [
        LINE + max(p.height for p in stack) + GAP + LINE * (n in captions) for n, stack in stacks.items()
    ]
    drawn = Image.new("RGB", (width, 2 * GAP + LINE * len(heads) + sum(heights)), "white")
    pen = ImageDraw.Draw(drawn)
    for number, line in enumerate(heads):
        pen.text((GAP, GAP // 2 + LINE * number), line, "black", _font(14))
    top = GAP + LINE * len(heads)
    for (name, stack), height in zip(stacks.items(), heights, strict=True):
        pen.text((GAP, top), name, "#555", _font(12))
        for column, picture in enumerate(stack):
            drawn.paste(picture, (GAP + pitch * column, top + LINE))
        for column, text in enumerate(captions.get(name, ())[: len(stack)]):
            place = (GAP + pitch * column, top + LINE + stack[column].height + 2)
            pen.text(place, text, "black", _font(12))
        top += height
    return drawn


def _channels(values: "Tensor", window: tuple[float, float] | None = None) -> Array:
    """The channels that can be shown, as finite real numbers ``(N, 1 or 3, H, W)``.

    What is not finite becomes an end of the window, else the largest or least that is; NaN its lower end.
    """
    shown = values.detach()[:, : 3 if values.shape[1] >= 3 else 1]
    shown = (shown.abs() if shown.is_complex() else shown).float().cpu()
    finite = shown[shown.isfinite()]
    low, high = window or ((float(finite.min()), float(finite.max())) if len(finite) else (0.0, 0.0))
    found: Array = shown.nan_to_num(nan=low, posinf=high, neginf=low).numpy()
    return found


def _levels(values: Array) -> Array:
    """Values from 0 to 1 as 0 to 255."""
    return (values.clip(0, 1) * 255).round().astype(np.uint8)


def _fills(values: Array, value_range: tuple[float, float]) -> bool:
    """Whether values lie in the images' range, with some room for noise, and fill half of it."""
    width = value_range[1] - value_range[0]
    low, high = (np.quantile(values, (0.01, 0.99)) - value_range[0]) / width
    return bool(low > -0.3 and 0.5 < high < 1.3)


def _stretched(values: Array, logarithm: bool = True) -> Array:
    flat = values.reshape(len(values), -1)
    low, high = np.quantile(flat, (0.01, 0.99), axis=1)[:, :, None, None, None]
    # Where most is nothing (a sinogram beside the object, a masked k-space) it tells no scale.
    middle = np.array([np.median(one[one > 0]) if (one > 0).any() else 0.0 for one in flat])
    middle = middle[:, None, None, None]
    if logarithm and values.min() >= 0 and (high > 20 * middle).any():
        scale = np.maximum(np.maximum(middle, high / 1000), 1e-30)
        return _stretched(np.log1p(values / scale), logarithm=False)
    return np.asarray((values - low) / np.maximum(high - low, 1e-12))


def _enlarged(picture: Array) -> Image.Image:
    shown = Image.fromarray(picture)
    height, width, _ = picture.shape
    side = max(width, height)
    if side > 1.5 * SIDE:
        factor = math.ceil(side / SIDE)
        return shown.reduce((min(factor, width), min(factor, height)))
    times = max(1, SIDE // side)
    return shown.resize((width * times, height * times), Image.Resampling.NEAREST)


def _fitting(text: str, width: int) -> int:
    """How many characters of a text fit in a width, by their mean."""
    length = _font(14).getlength(text[:200]) / max(1, len(text[:200]))
    return max(10, int((width - 2 * GAP) / max(length, 1.0)))


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which has ∞, − and Greek; it lies beside matplotlib, which is not imported for it."""
    found = find_spec("matplotlib")
    assert found is not None
    assert found.origin is not None
    return ImageFont.truetype(Path(found.origin).with_name("mpl-data") / "fonts/ttf/DejaVuSans.ttf", size)
