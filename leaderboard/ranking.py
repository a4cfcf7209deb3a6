"""Ranks as intervals: as wide as the number of methods that nothing is shown about."""

from dataclasses import dataclass

import numpy as np

from bench.errors import UsageError
from bench.leaderboard.estimates import Array
from bench.leaderboard.groups import Group
from bench.leaderboard.methods import Method, estimate
from bench.leaderboard.scales import Scale
from bench.leaderboard.standings import Standing, standings
from bench.leaderboard.statistics import Design
from bench.leaderboard.verdicts import Verdict, Verdicts, judge

#: Groups below which a claim is about these groups only.
MANY_GROUPS = 20


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
    estimate(entries, metric.name)
    summaries = [e.summary(metric.name) for e in entries]
    sound = [e.role == "model" and s is not None for e, s in zip(entries, summaries, strict=True)]
    ranked = np.array(sound, bool)
    reference = _reference(group, ranked, against)
    family = _family(ranked, reference)
    means = np.array([metric.sign * e.mean(metric.name) for e in entries])
    units = np.stack([metric.sign * e.score(metric.name) for e in entries]) if entries else np.empty((0, 0))
    verdicts = judge(summaries, units, design, family, means, metric.resolution(means))
    return Ranking(
        group,
        metric,
        standings(group, metric, summaries, design, verdicts, ranked, reference),
        verdicts,
        _claim(group, design, verdicts),
        None if reference is None else entries[reference],
    )


def _family(ranked: Array, reference: int | None) -> Array:
    """Pairs that claims are made of: all of ranked methods, or those with the reference."""
    family: Array = np.outer(ranked, ranked)
    if reference is not None:
        family &= np.logical_xor.outer(*2 * [np.arange(len(ranked)) == reference])
    return family


def _reference(group: Group, ranked: Array, against: str | None) -> int | None:
    names = [(e.label, e.first.spec.model.label, e.first.spec.model.name) for e in group.entries]
    for form in range(3):
        found = [i for i, name in enumerate(names) if ranked[i] and name[form] == against]
        if found:
            return found[0] if len(found) == 1 else None
    return None


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
