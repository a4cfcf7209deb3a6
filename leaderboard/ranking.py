"""Ranks as intervals: as wide as the number of methods that nothing is shown about."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from bench.errors import UsageError
from bench.leaderboard.groups import Group, Method
from bench.leaderboard.scales import Scale
from bench.leaderboard.statistics import ALPHA, Array, Design, Summary, differences, holm
from bench.leaderboard.verdicts import Verdict, Verdicts, judge

#: Groups below which a claim is about these groups only.
MANY_GROUPS = 20


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


@dataclass(frozen=True)
class Claim:
    """What the verdicts of a group are about.

    Attributes:
        units: number of scoring units.
        unit: what one is: ``image``, ``volume``.
        groups: number of independent groups that they come from.
        kind: what a group is: ``photographs``, or ``groups`` where nothing is known; the units
            themselves where each stands alone.
        trainings: fewest and most trainings of the trained methods; None if there is none.
        pairs: number of pairs that p-values are corrected for.
        disagreeing: pairs shown different by the mean, in which most units say the opposite: labels,
            the one with the better mean first.
    """

    units: int
    unit: str
    groups: int
    kind: str
    trainings: tuple[int, int] | None
    pairs: int
    disagreeing: tuple[tuple[str, str], ...] = ()

    @property
    def few_groups(self) -> bool:
        """Whether it holds for these groups only."""
        return self.groups < MANY_GROUPS

    @property
    def about_networks(self) -> bool:
        """Whether it is about these trained networks: some method was trained once."""
        return self.trainings is not None and self.trainings[0] == 1


@dataclass(frozen=True)
class Ranking:
    """A group with its verdicts.

    Attributes:
        group: what was ranked.
        metric: what it was ranked by.
        standings: one for each entry of the group, in its order.
        verdicts: on every pair of entries, positive is better whatever the metric.
        claim: what they are about.
        reference: the method that all others are compared with; None: all pairs.
    """

    group: Group
    metric: Scale
    standings: tuple[Standing, ...]
    verdicts: Verdicts
    claim: Claim
    reference: Method | None = None

    def verdict(self, first: Method, second: Method) -> Verdict:
        """The verdict on two methods of the group."""
        places = [next(i for i, e in enumerate(self.group.entries) if e is m) for m in (first, second)]
        return self.verdicts[places[0], places[1]]

    @property
    def best(self) -> Method | None:
        """The method that is shown better than all others, if one is."""
        rows = zip(self.group.entries, self.standings, strict=True)
        return next((entry for entry, standing in rows if standing.best), None)


def rank(group: Group, by: str = "psnr", against: str | None = None) -> Ranking:
    """Test the pairs of a group's methods and rank them.

    Args:
        group: methods of one problem.
        by: the metric.
        against: label, or model name, of the one method that all others are compared with (M - 1 tests
            in place of M (M - 1) / 2); in a group without it, all pairs are.

    Raises:
        UsageError: a method of the group has no such metric.
    """
    metric = group.scale(by)
    if group.entries and metric.name not in group.metrics:
        raise UsageError(f"{group.title} is not scored by {metric.name!r}; by {', '.join(group.metrics)}")
    entries = group.entries
    design = entries[0].design if entries else Design.of([0])
    summaries = [e.summary(metric.name, design) for e in entries]
    ranked = np.array(
        [e.role == "model" and s is not None for e, s in zip(entries, summaries, strict=True)], bool
    )
    reference = _reference(group, ranked, against)
    family = np.outer(ranked, ranked)
    if reference is not None:
        family &= np.logical_xor.outer(*2 * [np.arange(len(entries)) == reference])
    means = np.array([metric.sign * e.mean(metric.name) for e in entries])
    units = np.stack([metric.sign * e.score(metric.name) for e in entries]) if entries else np.empty((0, 0))
    verdicts = judge(summaries, units, design, family, means, metric.resolution(means))
    return Ranking(
        group,
        metric,
        _standings(group, metric, summaries, design, verdicts, ranked, reference),
        verdicts,
        _claim(group, design, verdicts),
        None if reference is None else entries[reference],
    )


def _reference(group: Group, ranked: Array, against: str | None) -> int | None:
    names = [(e.label, e.first.spec.model.label, e.first.spec.model.name) for e in group.entries]
    for form in range(3):
        found = [i for i, name in enumerate(names) if ranked[i] and name[form] == against]
        if found:
            return found[0] if len(found) == 1 else None
    return None


def _standings(
    group: Group,
    metric: Scale,
    summaries: Sequence[Summary | None],
    design: Design,
    verdicts: Verdicts,
    ranked: Array,
    reference: int | None,
) -> tuple[Standing, ...]:
    floors = _against_floor(group, metric, summaries, design, ranked)
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
                above_floor=_above(entry, group.floor),
                share=_share(entry, group.floor, group.ceiling),
            )
        )
    return tuple(found)


def _against_floor(
    group: Group, metric: Scale, summaries: Sequence[Summary | None], design: Design, ranked: Array
) -> dict[int, Floored]:
    """One-sided tests of every ranked method against the floor, Holm-corrected; by place in the group."""
    floor = next((i for i, e in enumerate(group.entries) if e is group.floor), None)
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


def _claim(group: Group, design: Design, verdicts: Verdicts) -> Claim:
    units, groups = len(design.groups), len(design.weights)
    trained = [e.trainings for e in group.entries if e.trained and e.role == "model"]
    data = group.entries[0].first.data if group.entries else None
    unit = data.unit if data else "image"
    disagreeing = np.argwhere(verdicts.better & (verdicts.won < verdicts.won.T))
    labels = [e.label for e in group.entries]
    return Claim(
        units=units,
        unit=unit,
        groups=groups,
        kind=f"{unit}s" if groups == units or not data else f"{data.group_kind}s",
        trainings=(min(trained), max(trained)) if trained else None,
        pairs=verdicts.family,
        disagreeing=tuple((labels[i], labels[j]) for i, j in disagreeing),
    )


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
