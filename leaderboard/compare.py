"""Two methods on one problem: the board's own verdict on them, and where they differ image by image."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bench.errors import UsageError
from bench.files import replacing
from bench.leaderboard import across
from bench.leaderboard._strips import samples
from bench.leaderboard.groups import Group, Method
from bench.leaderboard.ranking import Ranking
from bench.leaderboard.rows import scope
from bench.leaderboard.statistics import Array
from bench.leaderboard.verdicts import Verdict
from bench.pictures import sheet
from bench.runs.record import Record
from bench.text import decibel, number

#: Units that are named and shown: those where the two differ most.
SHOWN = 8


@dataclass(frozen=True)
class Duel:
    """Two methods and how they compare.

    Attributes:
        ranking: the problem's ranking that the verdict is from.
        first: the one that is in favour if the difference is positive.
        second: the other.
        verdict: the same that the board shows.
        scores: of both, averaged over their runs, ``(2, units)``.
        probability: that a training of the first beats one of the second on such images (Bouthillier 2021).
        most: numbers of the units where they differ most, the largest difference first.
    """

    ranking: Ranking
    first: Method
    second: Method
    verdict: Verdict
    scores: Array
    probability: float
    most: tuple[int, ...]

    @property
    def group(self) -> Group:
        """Where they were run."""
        return self.ranking.group


def duel(ranking: Ranking, first: Method, second: Method) -> Duel:
    """Compare two methods of a group.

    Raises:
        UsageError: they are the same.
    """
    if first is second:
        raise UsageError(f"{first.label} is compared with itself; name two methods")
    scores = np.stack([e.score(ranking.metric.name) for e in (first, second)])
    most = tuple(int(i) for i in np.argsort(-_gap(scores), kind="stable")[:SHOWN])
    probability = across.probability(ranking, first, second)
    return Duel(ranking, first, second, ranking.verdict(first, second), scores, probability, most)


def _gap(scores: Array) -> Array:
    with np.errstate(invalid="ignore"):
        return np.where(scores[0] == scores[1], 0.0, np.abs(scores[0] - scores[1]))


def text(duel: Duel) -> str:
    """What was found, in words and figures."""
    verdict, metric, claim = duel.verdict, duel.ranking.metric, duel.ranking.claim
    names, digits = (duel.first.label, duel.second.label), metric.digits + 1
    unit = f" {metric.unit}" if metric.unit else ""
    within = "" if claim.groups == claim.units else f" in {claim.groups:,} {claim.kind}"
    means = " and ".join(number(m.mean(metric.name), digits) for m in (duel.first, duel.second))
    gap = number(metric.sign * verdict.difference, digits, sign=True)
    half = number(verdict.half_width, digits) or "∞"
    lines = [
        f"{names[0]} against {names[1]}: {duel.group.title}, {claim.units:,} {claim.unit}s{within}",
        f"  mean {metric.title:<12}{means}{unit}",
        f"  difference       {gap}{unit} ± {half} (95 % interval of this pair alone)",
        f"  p-value          {_p(verdict.p)}; {_corrected(duel)}",
        f"  verdict          {_verdict(duel)}",
        f"  trainings        {' and '.join(str(n or 'none needed') for n in verdict.trainings)}",
        f"  {claim.unit}s won{'':<{10 - len(claim.unit)}}{100 * verdict.won:.1f} % by {names[0]}, "
        f"{100 * verdict.lost:.1f} % by {names[1]}",
        f"  P({names[0]} > {names[1]})  {duel.probability:.2f}: of one training on as many such {claim.kind}",
        f"  scope            {scope(duel.ranking)}",
        *(["  Image by image and mean disagree."] if verdict.units_disagree else []),
        "  they differ most on",
    ]
    return "\n".join([*lines, *_largest(duel)])


def _largest(duel: Duel) -> Iterator[str]:
    metric = duel.ranking.metric
    for i in duel.most:
        a, b = (number(v, metric.digits) for v in duel.scores[:, i])
        yield f"    {duel.ranking.claim.unit} {i:<6d} {a:>8} and {b:>8}"


def _p(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.2g}"


def _corrected(duel: Duel) -> str:
    if np.isnan(duel.verdict.corrected):
        return "no pair of ranked methods, not tested for the table"
    return f"{_p(duel.verdict.corrected)} corrected for {duel.ranking.claim.pairs} pairs (Holm)"


def _verdict(duel: Duel) -> str:
    verdict, metric = duel.verdict, duel.ranking.metric
    if verdict.outcome == "undecided":
        unit = f" {metric.unit}" if metric.unit else ""
        margin = number(verdict.equal_within, metric.digits + 1)
        return f"undecided: equal within {margin}{unit}"
    if verdict.outcome == "not tested":
        return "not tested"
    return f"{duel.first.label} is {verdict.outcome}"


def picture(duel: Duel) -> Image.Image:
    """Measurement, both reconstructions and truth of the stored samples, where the two differ most first.

    Raises:
        UsageError: the samples of one of them cannot be read.
    """
    images, stacks = _stored(duel)
    names = {"first": duel.first.label, "second": duel.second.label}
    order = ("measurement", "first", "second", "truth")
    rows = {names.get(k, k): stacks[k].transpose(0, 3, 1, 2) for k in order}
    shown = _caption(duel)
    captions = {names[k]: [shown(duel.scores[row, i]) for i in images] for row, k in enumerate(names)}
    captions["truth"] = [f"image {i}" for i in images]
    among = f"the first {len(images)} images, where they differ most first"
    return sheet(rows, captions, f"{duel.group.title}: {among}")


def _caption(duel: Duel) -> Callable[[float], str]:
    metric = duel.ranking.metric
    return decibel if metric.unit == "dB" else lambda value: number(value, metric.digits)


def _of_one_seed(first: Method, second: Method) -> tuple[Record, Record]:
    """A run of each, of one training seed where there is one."""
    shared = sorted(set(first.seeds) & set(second.seeds))
    places = [m.seeds.index(shared[0]) if shared else 0 for m in (first, second)]
    return first.records[places[0]], second.records[places[1]]


def _stored(duel: Duel) -> tuple[Sequence[int], dict[str, Any]]:
    first, second = map(samples, _of_one_seed(duel.first, duel.second))
    if not first or not second:
        raise UsageError("there is nothing to show: the stored samples of both cannot be read")
    count = min(len(first["truth"]), len(second["truth"]), duel.scores.shape[1])
    order = np.argsort(-_gap(duel.scores[:, :count]), kind="stable")
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
            picture(duel).save(draft)
    except OSError as error:
        raise UsageError(f"cannot write to {folder}: {error.strerror or error}") from error
    return path
