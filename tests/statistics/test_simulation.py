"""Scores with a known truth: intervals cover it, equal methods are called equal, and power is told.

Small here, in seconds; ``tox -e statistics`` (BENCH_STATISTICS=large) runs every cell 100,000 times (fifteen
methods and power 20,000 times), where a rate of 0.05 is off by 0.0007 and one of 0.98 by 0.0004, and prints
its figures as tables.

What is tested takes of a method's scores the mean of each group under each training. These are drawn as
such: the mean of a group's n independent normal errors is one of a deviation smaller by sqrt(n).
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pytest

from bench.leaderboard.estimates import ALPHA, Array, Estimates
from bench.leaderboard.scales import scale
from bench.leaderboard.statistics import Design, differences, holm, pairs, summaries, summary
from bench.leaderboard.verdicts import judge

LARGE = os.environ.get("BENCH_STATISTICS") == "large"
REPEATS = 100_000 if LARGE else 1_000
#: What chance alone may add to a rate: three deviations, where repeats are few.
SLACK = 0 if LARGE else 3 * np.sqrt(0.05 * 0.95 / REPEATS)
#: Repeats that are worked on at once.
AT_ONCE = 2_000
#: Differences of PSNR up to this are no verdict, in dB.
RESOLUTION = scale("psnr").numerical
#: Images in a group: 20 such groups weigh as much as 15 of one size.
SIZES = (4, 6, 8, 12, 20)


@dataclass(frozen=True)
class World:
    """How scores vary, in dB; the true means of all methods are equal.

    Attributes:
        effects: ``normal`` or ``exponential``: distribution of what a group does to a method.
        correlation: share of what images do to a method that images of one group have in common.
        groups: number of groups, a multiple of five.
        trainings: of each method. One is a claim about the trained networks, which do not vary.
        unequal: how many times as far as the first's do trainings of every other method scatter; where
            they do, images of every other group scatter two and a half times as far, too.
    """

    effects: str = "normal"
    correlation: float = 0.25
    groups: int = 20
    trainings: int = 3
    unequal: float = 1

    @property
    def labels(self) -> Array:
        """The group of each image."""
        return np.repeat(np.arange(self.groups), self.sizes)

    @property
    def sizes(self) -> Array:
        """Images in each group."""
        return np.tile(SIZES, self.groups // len(SIZES))

    def tables(self, repeats: int, spread: Sequence[float], generator: np.random.Generator) -> Array:
        """Group means, ``(repeats, methods, trainings, groups)``.

        What images do to all methods alike falls out of every difference, and is left out.

        Args:
            repeats: how many boards.
            spread: for each method, the deviation of what images do to it and not to the others.
            generator: source of all chance.
        """
        shape, root = (repeats, len(spread), self.groups), np.sqrt(self.sizes)
        rough = np.where(np.arange(self.groups) % 2, 1.0, 2.5 if self.unequal > 1 else 1.0)
        drawn = generator.exponential(1, shape) - 1 if self.effects == "exponential" else None
        effects = generator.normal(0, 1, shape) if drawn is None else drawn
        own = generator.normal(0, 1, shape) * rough / root
        images = np.sqrt(self.correlation) * effects + np.sqrt(1 - self.correlation) * own
        images *= np.asarray(spread)[:, None]
        return images[:, :, None] + self._chance(repeats, len(spread), generator)

    def _chance(self, repeats: int, methods: int, generator: np.random.Generator) -> Array:
        """What trainings do: to all images, to each group, to each image."""
        if self.trainings == 1:
            return np.zeros((1, 1, 1, 1))
        scatter = 0.3 * np.where(np.arange(methods) % 2, self.unequal, 1) / np.sqrt(self.unequal)
        shape = (repeats, methods, self.trainings)
        whole = generator.normal(0, 1, (*shape, 1)) * scatter[:, None, None]
        deviation = 0.2 * np.sqrt(1 + 1 / self.sizes)
        return whole + generator.normal(0, 1, (*shape, self.groups)) * deviation


def boards(
    world: World, spread: Sequence[float], seed: int, shift: Sequence[float] = (0,), repeats: int = REPEATS
) -> Iterator[tuple[int, Estimates]]:
    """Differences of all pairs of methods, ``AT_ONCE`` repeats after another: their number, and the pairs.

    Args:
        world: how scores vary.
        spread: of each method.
        seed: of all chance.
        shift: what is added to the methods' true means.
        repeats: how many in all.
    """
    generator, design, count = np.random.default_rng(seed), Design.of(world.labels), len(spread)
    first, second = pairs(count)
    for start in range(0, repeats, AT_ONCE):
        size = min(AT_ONCE, repeats - start)
        tables = world.tables(size, spread, generator) + np.asarray(shift)[:, None, None]
        every = summaries(tables.reshape(-1, world.trainings, world.groups), design, trained=True)
        board = count * np.arange(size)[:, None]
        yield size, differences(every, design, (board + first).ravel(), (board + second).ravel())


def shown(found: Estimates, size: int, resolution: float = RESOLUTION) -> Array:
    """Which pairs differ by more than ``resolution`` after Holm's correction, ``(size, pairs)``.

    p is inverted only where it is below the level before correction: above it, nothing is shown.
    """
    near = np.abs(found.value) - resolution > found.half_width(1.01 * ALPHA)
    p = np.ones(found.value.shape)
    p[near] = found.part(near).p(resolution)
    return holm(p.reshape(size, -1)) < ALPHA


COVERAGE = [
    cell
    for cell in product(("normal", "exponential"), (0.0, 0.25, 0.5), (20, 40, 100), (1, 3, 5), (1, 3, 10))
    if cell[3:] != (1, 10)
]
FEW = [("normal", 0.25, 20, 1, 1), ("exponential", 0.5, 20, 1, 3), ("normal", 0.5, 20, 3, 10)]


@pytest.mark.parametrize("cell", COVERAGE if LARGE else FEW, ids=str)
def test_intervals_cover_the_truth(cell, record_property):
    """The 95 % interval of a difference holds the true one in 93 to 98 of 100 repeats.

    The first method differs on every image, the second does not: differences are as skewed as the
    effects of groups.
    """
    world, hits = World(*cell), 0
    for _, found in boards(world, (1.0, 0.0), COVERAGE.index(cell)):
        hits += int((np.abs(found.value) <= found.half_width()).sum())
    record_property("coverage", {**vars(world), "share": hits / REPEATS})
    assert 0.93 - SLACK <= hits / REPEATS <= 0.98 + SLACK


FAMILIES = [
    cell
    for cell in product((2, 5, 15), ("normal", "exponential"), (1, 2, 3, 5), (1, 3, 10))
    if cell[2:] != (1, 10)
]
FEW_FAMILIES = [(5, "normal", 3, 1), (15, "exponential", 1, 3), (2, "normal", 3, 10)]


@pytest.mark.parametrize("cell", FAMILIES if LARGE else FEW_FAMILIES, ids=str)
def test_equal_methods_are_not_ranked(cell, record_property):
    """Among 2, 5, 15 equal methods, any difference at all is shown in at most 6 of 100 repeats."""
    methods, effects, trainings, unequal = cell
    world, errors = World(effects, 0.37, 20, trainings, unequal), 0
    spread = np.geomspace(0.5, 1.5, methods) if unequal > 1 else np.ones(methods)
    # 105 pairs take their time, and their error rates lie far from the bound.
    repeats = REPEATS // 5 if methods == 15 else REPEATS
    for size, found in boards(world, spread, FAMILIES.index(cell), repeats=repeats):
        errors += int(shown(found, size).any(1).sum())
    record_property("family-wise error", {"methods": methods, **vars(world), "share": errors / repeats})
    assert errors / repeats <= 0.06 + SLACK


def everyone(count: int) -> Array:
    """All pairs are claims."""
    return np.ones((count, count), bool)


@pytest.mark.parametrize("resolution", [RESOLUTION, 0.3])
@pytest.mark.parametrize("trainings", [1, 3])
def test_boards_say_the_same(trainings, resolution):
    """Of scores of single images, the board's own verdicts are those that are counted here.

    Also where it asks for a difference of 0.3 dB, which changes verdicts more often than 0.01 dB does.
    """
    world, generator = World("exponential", 0.37, 20, trainings), np.random.default_rng(trainings)
    design, decided = Design.of(world.labels), 0
    for _ in range(20):
        shift = 0.4 * np.arange(5)
        table = world.tables(1, np.ones(5), generator)[0] + shift[:, None, None]
        within = generator.normal(0, 1, (*table.shape[:2], len(world.labels)))
        means = np.stack([np.bincount(world.labels, row) for row in within.reshape(-1, len(world.labels))])
        means = (means / world.sizes).reshape(table.shape)
        scores = table[..., world.labels] + within - means[..., world.labels]
        units = scores.mean(1)
        methods = [summary(rows, design, True) for rows in scores]
        better = judge(methods, units, design, everyone(5), units.mean(1), resolution).better
        counted = shown(differences(methods, design, *pairs(5)), 1, resolution)[0]
        assert ((better | better.T)[pairs(5)] == counted).all()
        batch = differences(summaries(table, design, True), design, *pairs(5))
        np.testing.assert_allclose(batch.half_width(), differences(methods, design, *pairs(5)).half_width())
        decided += int(counted.sum())
    assert 0 < decided < 200, "all or nothing is shown: nothing is tested"


@pytest.mark.parametrize("trainings", [1, 3, 5])
def test_margins_of_equality_hold(trainings, record_property):
    """Five methods 0.2 dB apart: all margins "equal within x dB" hold together in 95 of 100 repeats."""
    world, truth, broken = World("exponential", 0.37, 20, trainings), 0.2 * np.arange(5), 0
    first, second = pairs(5)
    apart = np.abs(truth[first] - truth[second])
    for size, found in boards(world, np.ones(5), trainings, truth):
        margin = np.abs(found.value) + found.half_width(2 * ALPHA / len(first))
        missed = (apart > margin.reshape(size, -1)) & ~shown(found, size)
        broken += int(missed.any(1).sum())
    record_property("margins broken", {**vars(world), "share": broken / REPEATS})
    assert broken / REPEATS <= 0.05 + SLACK


@pytest.mark.parametrize("trainings", [1, 3, 5, 10])
@pytest.mark.parametrize("methods", [2, 5, 15])
def test_power_is_told(methods, trainings, record_property):
    """How often a method 1 dB above all others is shown better than another: more with more trainings."""
    world, repeats, better = World("normal", 0.37, 100, trainings), REPEATS // 5, 0
    shift = np.r_[1, np.zeros(methods - 1)]
    for size, found in boards(world, np.ones(methods), methods, shift, repeats):
        right = shown(found, size) & (found.value.reshape(size, -1) > 0)
        better += int(right[:, : methods - 1].sum())
    share = better / repeats / (methods - 1)
    record_property("power for 1 dB", {"methods": methods, **vars(world), "share": share})
    assert share > (0.9 if trainings in (1, 10) else 0.005)
