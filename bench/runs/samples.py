"""Pictures of a run: which test images are kept, and the sheet of them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors.numpy import save_file
from torch import Tensor

from bench import pictures
from bench.datasets import Split
from bench.datasets.shared.split import size_of_each
from bench.text import decibel, number

#: Test images whose measurement, reconstruction and truth are kept as pictures.
SAMPLES = 8
#: Images that are looked at for each of them, and the share of these that is flatter than the one kept.
LOOKED_AT, FLATTER = 16, 0.75


def choose(split: Split, names: Sequence[str], count: int = SAMPLES) -> list[int]:
    """Numbers of the test images to show, by a rule that knows the truth alone: the same for every model.

    The groups (photographs, patients, volumes), in their order, are shared out among ``count`` places,
    or the places among fewer groups. Of 16 images spread evenly over a place the one is shown whose
    standard deviation is the upper quartile: neither a flat one nor the one with most contrast. Where
    sizes differ, only images of the most common size are chosen from.

    Args:
        split: the test images.
        names: group of each.
        count: how many are chosen; all, if there are no more.
    """
    numbers = _of_one_size(split)
    if len(numbers) <= count:
        return numbers
    return sorted({_quartile(split, place) for place in _places(numbers, names, count)})


def _of_one_size(split: Split) -> list[int]:
    """Numbers of the images of the most common size."""
    sizes = size_of_each(split)
    common = Counter(sizes).most_common(1)[0][0]
    return [i for i, size in enumerate(sizes) if size == common]


def _places(numbers: Sequence[int], names: Sequence[str], count: int) -> list[list[int]]:
    """Numbers of images shared out among places by their groups."""
    groups: dict[str, list[int]] = {}
    for i in numbers:
        groups.setdefault(names[i], []).append(i)
    found = list(groups.values())
    if len(found) >= count:
        parts = np.array_split(np.arange(len(found)), count)
        return [[i for g in part for i in found[g]] for part in parts]
    shares = [len(part) for part in np.array_split(np.arange(count), len(found))]
    cut = [np.array_split(group, share) for group, share in zip(found, shares, strict=True)]
    return [part.tolist() for parts in cut for part in parts if len(part)]


def _quartile(split: Split, place: Sequence[int]) -> int:
    steps = np.linspace(0, len(place) - 1, min(LOOKED_AT, len(place)))
    looked_at: list[int] = [place[round(step)] for step in steps.tolist()]
    spreads = [float(_real(split[i]).std()) for i in looked_at]
    order = sorted(zip(spreads, looked_at, strict=True))
    return order[int(FLATTER * (len(order) - 1))][1]


def _real(image: Tensor) -> Tensor:
    return (image.abs() if image.is_complex() else image).double()


def stacked(kept: Sequence[tuple[int, Tensor, Tensor, Tensor]]) -> dict[str, Tensor]:
    """Number, measurement, reconstruction and truth of images, as far as they have the size of the first."""
    first = [part.shape for part in kept[0][1:]]
    alike = [row for row in kept if [part.shape for part in row[1:]] == first]
    numbers, *parts = zip(*alike, strict=True)
    names = ("measurement", "reconstruction", "truth")
    return {"number": torch.tensor(numbers)} | {n: torch.stack(p) for n, p in zip(names, parts, strict=True)}


def save_samples(
    samples: Mapping[str, Tensor],
    scores: pd.DataFrame,
    title: str,
    folder: Path,
    value_range: tuple[float, float] = (0.0, 1.0),
    axes: Sequence[str] = (),
) -> None:
    """``samples.safetensors`` (uint8) and ``samples.png``: measurement, reconstruction, its error, truth.

    Args:
        samples: of :func:`stacked`.
        scores: a row per scoring unit; the PSNR stands under the reconstructions.
        title: of the sheet.
        folder: where both go.
        value_range: lowest and highest value of the dataset's images: black and white.
        axes: what runs down and across a measurement's picture, where that is no image.
    """
    measured = pictures.measurement(samples["measurement"], value_range)
    made, truth = (pictures.image(samples[name], value_range) for name in ("reconstruction", "truth"))
    numbers = samples["number"].numpy()
    save_file(
        {"number": numbers, "measurement": measured, "reconstruction": made, "truth": truth},
        folder / "samples.safetensors",
    )
    # Of a volume, the images share one score.
    psnr = scores["psnr"].to_list() if scores.index.name != "volume" else []
    captions = {"reconstruction": [decibel(psnr[i]) for i in numbers]} if psnr else {}
    captions["truth"] = [f"test image {i}" for i in numbers]
    errors, largest = pictures.errors({"": made}, truth)
    rows = {
        pictures.with_axes("measurement", axes): measured,
        "reconstruction": made,
        f"absolute error, black 0, pale {number(largest, 2)} of the range": errors[""],
        "truth": truth,
    }
    pictures.sheet(rows, captions, title).save(folder / "samples.png")
