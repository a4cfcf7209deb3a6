"""Two methods on one problem: the board's own verdict on them, and where they differ image by image."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from bench.errors import UsageError
from bench.files import replacing
from bench.leaderboard import across
from bench.leaderboard.estimates import Array
from bench.leaderboard.groups import Group
from bench.leaderboard.methods import Method
from bench.leaderboard.ranking import Ranking
from bench.leaderboard.rows import scope
from bench.leaderboard.samples import Samples, samples
from bench.leaderboard.verdicts import Verdict
from bench.pictures import errors, sheet, with_axes
from bench.runs.record import Record
from bench.text import decibel, number


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
        samples: of a run of each, of one training seed where there is one; None if they cannot be read.
        shown: places of these samples, where the two differ most first.
    """

    ranking: Ranking
    first: Method
    second: Method
    verdict: Verdict
    scores: Array
    probability: float
    samples: tuple[Samples, Samples] | None
    shown: tuple[int, ...]

    @property
    def numbers(self) -> list[int]:
        """Numbers of the images that are shown, in their order."""
        return [self.samples[0].numbers[k] for k in self.shown] if self.samples else []

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
    probability = across.probability(ranking, first, second)
    verdict, samples = ranking.verdict(first, second), _samples(first, second)
    shown = _largest_first(samples[0].numbers, scores, ranking) if samples else ()
    return Duel(ranking, first, second, verdict, scores, probability, samples, shown)


def _samples(first: Method, second: Method) -> tuple[Samples, Samples] | None:
    """Stored images of a run of each; None unless both show the same ones."""
    one, other = map(samples, _of_one_seed(first, second))
    if one is None or other is None or one.numbers != other.numbers or one.truth.shape != other.truth.shape:
        return None
    return one, other


def _largest_first(numbers: Sequence[int], scores: Array, ranking: Ranking) -> tuple[int, ...]:
    """Places of stored images by the difference of their scores; as stored where a unit is a volume."""
    known = ranking.claim.unit == "image" and max(numbers) < scores.shape[1]
    gaps = -np.abs(_differences(scores))[list(numbers)] if known else np.zeros(len(numbers))
    return tuple(int(k) for k in np.argsort(gaps, kind="stable"))


def _differences(scores: Array) -> Array:
    with np.errstate(invalid="ignore"):
        return np.where(scores[0] == scores[1], 0.0, scores[0] - scores[1])


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
        f"  p-value          {_p(verdict.p)} (of {_resolution(duel)} at most); {_corrected(duel)}",
        f"  verdict          {_verdict(duel)}",
        f"  trainings        {' and '.join(str(n or 'none needed') for n in verdict.trainings)}",
        f"{f'  {claim.unit}s won':<19}{100 * verdict.won:.1f} % by {names[0]}, "
        f"{100 * verdict.lost:.1f} % by {names[1]}",
        f"  P({names[0]} > {names[1]})  {duel.probability:.2f}: of one training on as many such {claim.kind}",
        f"  scope            {scope(duel.ranking)}",
        *(["  Image by image and mean disagree."] if verdict.units_disagree else []),
        f"{f'  {claim.unit} by {claim.unit}':<19}{_spread(duel)}",
    ]
    return "\n".join([*lines, *_pictured(duel)])


def _spread(duel: Duel) -> str:
    """Percentiles of the difference over the units, such as are differences themselves."""
    metric = duel.ranking.metric
    found = np.quantile(_differences(duel.scores), (0.05, 0.5, 0.95), method="inverted_cdf")
    low, middle, high = (number(v, metric.digits, sign=True) for v in found)
    return f"median {middle}, from {low} to {high} for nine in ten"


def _pictured(duel: Duel) -> Iterator[str]:
    """The images that the picture shows, in its order."""
    yield "  in the picture, the largest difference first" if duel.shown else "  no images of both are stored"
    for i in duel.numbers:
        scores = [f"{name} {told}" for name, told in zip(_names(duel), _told(duel, i), strict=True) if told]
        yield "    ".join([f"    test image {i:<6d}", *scores])


def _names(duel: Duel) -> tuple[str, str]:
    return duel.first.label, duel.second.label


def _told(duel: Duel, image: int) -> tuple[str, str]:
    """Scores of both on an image; empty where a unit is a volume."""
    if duel.ranking.claim.unit != "image" or image >= duel.scores.shape[1]:
        return "", ""
    metric = duel.ranking.metric
    shown = decibel if metric.unit == "dB" else lambda value: number(value, metric.digits)
    return shown(duel.scores[0, image]), shown(duel.scores[1, image])


def _p(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.2g}"


def _resolution(duel: Duel) -> str:
    """What scores are reproducible to, in two digits."""
    unit = f" {duel.ranking.metric.unit}" if duel.ranking.metric.unit else ""
    return f"{duel.verdict.resolution:.2g}{unit}"


def _corrected(duel: Duel) -> str:
    if np.isnan(duel.verdict.corrected):
        return "no pair of ranked methods, not tested for the table"
    count = duel.ranking.claim.pairs
    return f"{_p(duel.verdict.corrected)} corrected for {count} pair{'s' * (count > 1)} (Holm)"


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
    """Measurement, both reconstructions with their errors on one scale, and truth of the stored samples.

    Raises:
        UsageError: the samples of one of them cannot be read.
    """
    if duel.samples is None:
        raise UsageError(
            "there is nothing to show: stored samples of both, on the same images, are not there"
        )
    order, (first, second) = list(duel.shown), duel.samples
    measured, truth, *made = (
        stack[order].transpose(0, 3, 1, 2)
        for stack in (first.measurement, first.truth, first.reconstruction, second.reconstruction)
    )
    names = _names(duel)
    maps, largest = errors(dict(zip(names, made, strict=True)), truth)
    axes = duel.first.records[0].data.picture_axes
    rows = {with_axes("measurement", axes): measured}
    for name, stack in zip(names, made, strict=True):
        rows |= {name: stack, f"{name}: error, 0 to {number(largest, 2)} of the range": maps[name]}
    told = [_told(duel, i) for i in duel.numbers]
    captions = {name: [pair[k] for pair in told] for k, name in enumerate(names)}
    captions["truth"] = [f"test image {i}" for i in duel.numbers]
    return sheet(rows | {"truth": truth}, captions, f"{duel.group.title}: the largest difference first")


def _of_one_seed(first: Method, second: Method) -> tuple[Record, Record]:
    """A run of each, of one training seed where there is one."""
    shared = sorted(set(first.seeds) & set(second.seeds))
    places = [m.seeds.index(shared[0]) if shared else 0 for m in (first, second)]
    return first.records[places[0]], second.records[places[1]]


def write_picture(duel: Duel, folder: Path) -> Path:
    """Write the picture as ``compare-FIRST-SECOND.png``.

    Raises:
        UsageError: it cannot be written there.
    """
    from bench.leaderboard.page.names import slug

    path = folder / f"compare-{slug(f'{duel.first.label} {duel.second.label} {duel.group.title}')}.png"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(path) as draft:
            picture(duel).save(draft)
    except OSError as error:
        raise UsageError(f"cannot write to {folder}: {error.strerror or error}") from error
    return path
