"""Sample sheets: measurement, reconstruction and truth of a few test images, one below the other."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from bench.text import decibel

ROWS = ("measurement", "reconstruction", "truth")


def sheet(truth: Any, reconstruction: Any, measurement: Any, title: str, psnr: Sequence[float]) -> Figure:
    """A figure in the manner of Figures 1 and 2 of Hauptmann & Adler: one column per test image.

    Args:
        truth: true images, ``(N, C, H, W)`` uint8, C being 1 or 3 (of more, the first three are shown).
        reconstruction: what the model made of the measurements, same shape.
        measurement: the first channels of the measurements scaled to 0-255, ``(N, C', h, w)`` uint8.
        title: what is shown: operator and model.
        psnr: PSNR of each reconstruction in dB, infinite values included; none where they share one.

    Returns:
        A figure 1.3 inches wide per image, drawn without any display.

    Raises:
        ValueError: the three do not show the same number of images.
    """
    stacks = dict(zip(ROWS, (picture(t) for t in (measurement, reconstruction, truth)), strict=True))
    counts = {name: len(stack) for name, stack in stacks.items()} | ({"psnr": len(psnr)} if psnr else {})
    if len(set(counts.values())) != 1:
        raise ValueError(f"a sample sheet needs as many of each kind, not {counts}")
    captions = [decibel(value) for value in psnr]
    shown = {"measurement": measurement, "reconstruction": reconstruction, "truth": truth}
    return stacked(shown, {"reconstruction": captions}, title)


def stacked(rows: Mapping[str, Any], captions: Mapping[str, Sequence[str]], title: str) -> Figure:
    """A figure with one row of pictures per kind, one column per test image.

    Args:
        rows: name of each row with its images, ``(N, C, H, W)`` uint8.
        captions: what stands under the images of a row, by the row's name.
        title: of the figure.
    """
    stacks = {name: picture(images) for name, images in rows.items()}
    count = min(map(len, stacks.values()))
    size = (1.3 * count + 0.5, 1.5 * len(stacks) + 0.25)
    figure = Figure(figsize=size, dpi=150, layout="constrained")
    figure.suptitle(title, fontsize=10, parse_math=False)
    axes = figure.subplots(len(stacks), count, squeeze=False)
    for row, (name, stack) in enumerate(stacks.items()):
        for column in range(count):
            _show(axes[row, column], stack[column])
        axes[row, 0].set_ylabel(name, fontsize=9, parse_math=False)
        for column, text in enumerate(captions.get(name, [])[:count]):
            axes[row, column].set_xlabel(text, fontsize=8, labelpad=2)
    return figure


def picture(images: Any) -> np.ndarray[Any, Any]:
    """``(N, C, H, W)`` images as ``(N, H, W, 3)`` uint8, ready to be shown; grey ones become RGB."""
    stack = np.asarray(images, dtype=np.uint8)
    stack = stack[:, :3] if stack.shape[1] >= 3 else stack[:, :1].repeat(3, axis=1)
    return np.ascontiguousarray(stack.transpose(0, 2, 3, 1))


def _show(axes: Any, image: np.ndarray[Any, Any]) -> None:
    axes.imshow(image, interpolation="nearest", aspect="equal")
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set_visible(False)
