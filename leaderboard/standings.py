"""How each method of a group stands: among the others, against a reference, against the floor."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from bench.leaderboard.estimates import ALPHA, Array
from bench.leaderboard.groups import Group
from bench.leaderboard.methods import Method
from bench.leaderboard.scales import Scale
from bench.leaderboard.statistics import Design, Summary, differences, holm
from bench.leaderboard.verdicts import Verdict, Verdicts


@dataclass(frozen=True)
class Floored:
    """A method against the floor, one-sided, in a family of its own.

    Attributes:
        difference: mean minus the floor's; positive is better.
        p: one-sided p-value that it is better by more than is numerical, Holm-corrected over the methods of
            the group.
        outcome: ``better``; ``not better`` where it is shown to be less than a negligible difference
            above the floor; else ``undecided``.
    """

    difference: float
    p: float
    outcome: Literal["better", "not better", "undecided"]


@dataclass(frozen=True)
class Standing:
    """How one method of a group stands.

    Attributes:
        rank: best and worst place that the verdicts leave: one more than the number of methods shown
            better, and the number of methods less that of those shown worse. None for floor and ceiling,
            for a row that failed, and where methods are compared with one reference only.
        best: whether it is shown better than every other ranked method, and there is one.
        mean: of the metric that is ranked by.
        half_width: half of its own 95 % interval, trainings and groups counted; NaN where there is none.
        trainings: number of trainings behind it; 0 for a method without training.
        exact: number of exact units, of the run that has most.
        failed: number of units without a finite reconstruction; such a row is not tested.
        against: verdict on this method against the reference, if there is one.
        floor: verdict against the floor; None without a floor, and for what is not ranked.
        above_floor: mean PSNR minus the floor's, in dB; NaN without a floor.
        share: way from floor to ceiling, 0 to 1, in root-mean-square error 10^(-PSNR/20), so that
            a ceiling of +inf has a place too; NaN where one of the two is missing.
    """

    rank: tuple[int, int] | None
    best: bool
    mean: float
    half_width: float
    trainings: int
    exact: int
    failed: int
    against: Verdict | None
    floor: Floored | None
    above_floor: float
    share: float


def standings(
    group: Group,
    metric: Scale,
    summaries: Sequence[Summary | None],
    design: Design,
    verdicts: Verdicts,
    ranked: Array,
    reference: int | None,
) -> tuple[Standing, ...]:
    """The standing of every entry of a group.

    Args:
        group: the methods.
        metric: what they are ranked by.
        summaries: one for each entry; None for a row that is not tested.
        design: how units make up the mean.
        verdicts: on every pair.
        ranked: which entries have a rank: no floor, no ceiling, none that failed.
        reference: the entry that all others are compared with; None: all pairs.
    """
    floors = _against_floor(group, metric, summaries, design, ranked)
    floor, ceiling = group.floor, group.ceiling
    count, better = int(ranked.sum()), verdicts.better
    found = []
    for i, entry in enumerate(group.entries):
        above, below = int(better[:, i].sum()), int(better[i].sum())
        places = ranked[i] and reference is None
        found.append(
            Standing(
                rank=(1 + above, count - below) if places else None,
                best=bool(places and count > 1 and below == count - 1),
                mean=entry.mean(metric.name),
                half_width=entry.half_width(metric.name),
                trainings=entry.trainings,
                exact=entry.count(math.inf),
                failed=entry.count(-math.inf),
                against=verdicts[i, reference] if reference is not None and i != reference else None,
                floor=floors.get(i),
                above_floor=_above(entry, floor),
                share=_share(entry, floor, ceiling),
            )
        )
    return tuple(found)


def _against_floor(
    group: Group, metric: Scale, summaries: Sequence[Summary | None], design: Design, ranked: Array
) -> dict[int, Floored]:
    """One-sided tests of every ranked method against the floor, Holm-corrected; by place in the group."""
    lowest = group.floor
    floor = next((i for i, e in enumerate(group.entries) if e is lowest), None)
    methods = np.flatnonzero(ranked).tolist()
    if floor is None or summaries[floor] is None or not len(methods):
        return {}
    compared = [s for s in (*(summaries[i] for i in methods), summaries[floor]) if s is not None]
    numbers = np.arange(len(methods))
    found = differences(compared, design, numbers, np.full(len(methods), len(methods)))
    own = np.array([group.entries[i].mean(metric.name) for i in (*methods, floor)])
    beyond = replace(found, value=found.value - metric.resolution(own)[:-1, -1])
    two_sided = beyond.p()
    p = holm(np.where(beyond.value > 0, two_sided / 2, 1 - two_sided / 2))
    upper = found.value + found.half_width(min(2 * ALPHA / len(methods), 1.0))
    trifle = metric.trifle(own[-1])
    return {
        i: Floored(
            float(found.value[k]),
            float(p[k]),
            "better" if p[k] < ALPHA else "not better" if upper[k] < trifle else "undecided",
        )
        for k, i in enumerate(methods)
    }


def _above(entry: Method, floor: Method | None) -> float:
    if floor is None:
        return math.nan
    return 0.0 if entry.mean() == floor.mean() else entry.mean() - floor.mean()


def _share(entry: Method, floor: Method | None, ceiling: Method | None) -> float:
    if floor is None or ceiling is None:
        return math.nan
    errors = [10 ** (-e.mean() / 20) for e in (entry, floor, ceiling)]
    if not all(map(math.isfinite, errors)):
        return 0.0 if not math.isfinite(errors[0]) else math.nan
    return (errors[1] - errors[0]) / (errors[1] - errors[2])
