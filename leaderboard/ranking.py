"""Ranks in tie groups: a difference in rank is a difference that the test set shows."""

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from bench.leaderboard import statistics
from bench.leaderboard.groups import Entry, Group
from bench.leaderboard.statistics import Array

NO_BETTER = "no better than the mean"


@dataclass(frozen=True)
class Standing:
    """How one method of a group stands.

    Attributes:
        rank: 1 is best; shared by methods that cannot be told apart. None for floor and ceiling.
        tied: whether another method has the same rank.
        above_floor: mean PSNR minus the floor's, in dB; NaN without a floor.
        share: way from floor to ceiling, 0 to 1, in root-mean-square error 10^(-PSNR/20), so that
            a ceiling of +inf has a place too; NaN where one of the two is missing.
        verdict: ``"no better than the mean"`` where the test says so, else empty.
    """

    rank: int | None
    tied: bool
    above_floor: float
    share: float
    verdict: str


@dataclass(frozen=True)
class Ranking:
    """A group with its tests.

    Attributes:
        group: what was ranked.
        standings: one for each entry of the group, in its order.
        p: Holm-corrected p-value of each pair of entries, ``(entries, entries)``.
        better: whether the row's entry is better than the column's, ``(entries, entries)`` bool.
        smallest_detectable: the smallest difference in dB this test set could have shown.
    """

    group: Group
    standings: tuple[Standing, ...]
    p: Array
    better: Array
    smallest_detectable: float


def rank(group: Group) -> Ranking:
    """Test every pair of a group's entries and rank its models.

    Per-image PSNR is compared by Wilcoxon's signed-rank test, Holm-corrected over all pairs of the
    group. One method is better than another if the test says that they differ at the 5 % level and
    ranks and means agree on the direction, in every common seed. Ranks change only where every
    method above is better than every method below.
    """
    pairs = list(combinations(range(len(group.entries)), 2))
    size = len(group.entries)
    p, better = np.ones((size, size)), np.zeros((size, size), bool)
    smallest = math.nan
    if pairs:
        rows = np.stack([_difference(group.entries[i], group.entries[j]) for i, j in pairs])
        raw, direction = statistics.signed_rank(rows)
        corrected = statistics.holm(raw)
        # Of neighbours in the ranking: a method that collapsed says nothing about the test set.
        neighbours = np.array([j == i + 1 for i, j in pairs])
        smallest = statistics.smallest_detectable(rows[neighbours], len(pairs))
        for (i, j), value, sign in zip(pairs, corrected, direction, strict=True):
            p[i, j] = p[j, i] = value
            if value < statistics.ALPHA and _agrees(group.entries[i], group.entries[j], sign):
                better[i, j], better[j, i] = sign > 0, sign < 0
    return Ranking(group, _standings(group, better), p, better, smallest)


def _common_seeds(a: Entry, b: Entry) -> list[int]:
    return sorted(set(a.seeds) & set(b.seeds))


def _difference(a: Entry, b: Entry) -> Array:
    seeds = _common_seeds(a, b)
    return statistics.differences(a.score(seeds=seeds), b.score(seeds=seeds))


def _agrees(a: Entry, b: Entry, sign: int) -> bool:
    """Whether no mean, over all seeds or of one common seed, contradicts the direction."""
    means = [(a.mean(), b.mean())] + [(a.seed_mean(s), b.seed_mean(s)) for s in _common_seeds(a, b)]
    return all((x > y) - (x < y) in (0, sign) for x, y in means)


def _standings(group: Group, better: Array) -> tuple[Standing, ...]:
    models = [i for i, entry in enumerate(group.entries) if entry.role == "model"]
    ranks: dict[int, int] = {}
    current = 1
    for place, i in enumerate(models):
        if place and better[np.ix_(models[:place], models[place:])].all():
            current = place + 1
        ranks[i] = current
    shared = list(ranks.values())
    found = []
    for i, entry in enumerate(group.entries):
        own = ranks.get(i)
        found.append(
            Standing(
                rank=own,
                tied=own is not None and shared.count(own) > 1,
                above_floor=_above(entry, group.floor),
                share=_share(entry, group.floor, group.ceiling),
                verdict=NO_BETTER if own is not None and _is_no_better(i, group, better) else "",
            )
        )
    return tuple(found)


def _is_no_better(i: int, group: Group, better: Array) -> bool:
    floor = group.floor
    return floor is not None and not better[i, group.entries.index(floor)]


def _above(entry: Entry, floor: Entry | None) -> float:
    if floor is None:
        return math.nan
    return 0.0 if entry.mean() == floor.mean() else entry.mean() - floor.mean()


def _share(entry: Entry, floor: Entry | None, ceiling: Entry | None) -> float:
    if floor is None or ceiling is None:
        return math.nan
    errors = [10 ** (-e.mean() / 20) for e in (entry, floor, ceiling)]
    if not all(map(math.isfinite, errors)):
        return 0.0 if not math.isfinite(errors[0]) else math.nan
    return (errors[1] - errors[0]) / (errors[1] - errors[2])
