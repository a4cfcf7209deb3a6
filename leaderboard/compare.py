"""Two methods on one operator, image by image."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from bench.errors import UsageError
from bench.files import replacing
from bench.leaderboard import statistics
from bench.leaderboard._strips import samples
from bench.leaderboard.groups import Entry, Group
from bench.leaderboard.samples import stacked
from bench.text import decibel, interval, number

#: Images that are named and shown: those where the two differ most.
SHOWN = 8


@dataclass(frozen=True)
class Duel:
    """Two methods and how they compare.

    Attributes:
        group: where they were run.
        first: the one that is in favour if the difference is positive.
        second: the other.
        scores: PSNR of both, averaged over common seeds, ``(2, images)``.
        found: difference, interval, shares and p-value.
        most: numbers of the test images where they differ most, the largest difference first.
    """

    group: Group
    first: Entry
    second: Entry
    scores: Any
    found: statistics.Comparison
    most: tuple[int, ...]


def duel(group: Group, first: Entry, second: Entry) -> Duel:
    """Compare two methods of a group on their common seeds.

    Raises:
        UsageError: they are the same, or were not run with a common seed.
    """
    if first is second:
        raise UsageError(f"{first.label} is compared with itself; name two methods")
    seeds = sorted(set(first.seeds) & set(second.seeds))
    if not seeds:
        raise UsageError(
            f"{first.label} and {second.label} have no seed in common: {first.seeds}, {second.seeds}"
        )
    scores = np.stack([first.score(seeds=seeds), second.score(seeds=seeds)])
    gap = np.abs(statistics.differences(*scores))
    most = tuple(int(i) for i in np.argsort(-gap, kind="stable")[:SHOWN])
    return Duel(group, first, second, scores, statistics.compare(*scores), most)


def text(duel: Duel) -> str:
    """What was found, in words and figures."""
    found, images = duel.found, duel.scores.shape[1]
    names = duel.first.label, duel.second.label
    told = found.p < statistics.ALPHA
    lines = [
        f"{names[0]} against {names[1]}: {duel.group.title}, {images} test images",
        f"  mean PSNR        {number(duel.first.mean())} dB and {number(duel.second.mean())} dB",
        f"  difference       {number(found.difference, 3, sign=True)} dB, "
        f"95 % interval {interval(found.low, found.high, 3)}",
        f"  images won       {100 * found.won:.1f} % by {names[0]}, {100 * found.lost:.1f} % by {names[1]}",
        f"  p-value          {found.p:.2g} (Wilcoxon's signed-rank test, two-sided)",
        f"  verdict          {'they differ' if told else 'not told apart'} at the 5 % level",
        "  they differ most on",
    ]
    for i in duel.most:
        a, b = duel.scores[:, i]
        lines.append(f"    image {i:<6d} {decibel(a):>9} and {decibel(b):>9}")
    return "\n".join(lines)


def picture(duel: Duel) -> Figure:
    """Measurement, both reconstructions and truth of the stored samples, where the two differ most first.

    Raises:
        UsageError: the samples of one of them cannot be read.
    """
    images, stacks = _stored(duel)
    names = {"first": duel.first.label, "second": duel.second.label}
    order = ("measurement", "first", "second", "truth")
    rows = {names.get(k, k): stacks[k].transpose(0, 3, 1, 2) for k in order}
    captions = {names[k]: [decibel(duel.scores[row, i]) for i in images] for row, k in enumerate(names)}
    captions["truth"] = [f"image {i}" for i in images]
    among = f"the first {len(images)} images, where they differ most first"
    return stacked(rows, captions, f"{duel.group.title}: {among}")


def _stored(duel: Duel) -> tuple[Sequence[int], dict[str, Any]]:
    seed = min(set(duel.first.seeds) & set(duel.second.seeds))
    first, second = (samples(e.records[e.seeds.index(seed)]) for e in (duel.first, duel.second))
    if not first or not second:
        raise UsageError("there is nothing to show: the stored samples of both cannot be read")
    count = min(len(first["truth"]), len(second["truth"]), duel.scores.shape[1])
    order = np.argsort(-np.abs(statistics.differences(*duel.scores[:, :count])), kind="stable")
    stacks = {k: first[k][order] for k in ("measurement", "truth")}
    made = {"first": first["reconstruction"][order], "second": second["reconstruction"][order]}
    return [int(i) for i in order], stacks | made


def write_picture(duel: Duel, folder: Path) -> Path:
    """Write the picture as ``compare-FIRST-SECOND.png``.

    Raises:
        UsageError: it cannot be written there.
    """
    from bench.leaderboard.page import slug

    path = folder / f"compare-{slug(f'{duel.first.label} {duel.second.label} {duel.group.title}')}.png"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(path) as draft:
            picture(duel).savefig(draft, dpi=150)
    except OSError as error:
        raise UsageError(f"cannot write to {folder}: {error.strerror or error}") from error
    return path
