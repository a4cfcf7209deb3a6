"""Scores with a known truth: intervals cover it, equal methods are called equal, and power is told.

Small here, in seconds; ``tox -e statistics`` (BENCH_STATISTICS=large) runs every cell 16,000 times,
coverage at three trainings 64,000 times, and prints its figures as tables.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pytest

from bench.leaderboard.statistics import Array, Design, differences, pairs, summary
from bench.leaderboard.verdicts import Verdicts, judge

LARGE = os.environ.get("BENCH_STATISTICS") == "large"
REPEATS = 16_000 if LARGE else 200
#: What chance alone may add to a rate: three deviations, where repeats are few.
SLACK = 0 if LARGE else 3 * np.sqrt(0.05 * 0.95 / REPEATS)
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

    def scores(self, spread: Sequence[float], generator: np.random.Generator) -> list[Array]:
        """Scores of methods on the same images, ``(trainings, images)`` each.

        Args:
            spread: for each method, the deviation of what images do to it and not to the others.
            generator: source of all chance.
        """
        labels, count = self.labels(), len(spread)
        rough = np.where(np.arange(self.groups) % 2, 1.0, 2.5 if self.unequal > 1 else 1.0)[labels]
        common = generator.normal(0, 3, len(labels))
        scatter = 0.3 * np.where(np.arange(count) % 2, self.unequal, 1) / np.sqrt(self.unequal)
        return [
            common + s * self._images(rough, generator) + self._chance(t, generator)
            for s, t in zip(spread, scatter, strict=True)
        ]

    def labels(self) -> Array:
        """The group of each image."""
        return np.repeat(np.arange(self.groups), np.tile(SIZES, self.groups // len(SIZES)))

    def _images(self, rough: Array, generator: np.random.Generator) -> Array:
        groups = (
            generator.exponential(1, self.groups) - 1
            if self.effects == "exponential"
            else generator.normal(0, 1, self.groups)
        )
        own = generator.normal(0, 1, len(rough)) * rough
        return np.sqrt(self.correlation) * groups[self.labels()] + np.sqrt(1 - self.correlation) * own

    def _chance(self, scatter: float, generator: np.random.Generator) -> Array:
        if self.trainings == 1:
            return np.zeros((1, 1))
        count = self.trainings
        crossed = generator.normal(0, 0.2, (count, self.groups))[:, self.labels()]
        rest = generator.normal(0, 0.2, (count, len(self.labels())))
        return generator.normal(0, scatter, (count, 1)) + crossed + rest


def verdicts(scores: Sequence[Array], design: Design) -> Verdicts:
    """The board's verdicts."""
    units = np.stack([rows.mean(0) for rows in scores])
    everyone = np.ones((len(scores), len(scores)), bool)
    return judge([summary(rows, design, True) for rows in scores], units, design, everyone, units.mean(1))


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
    world, generator = World(*cell), np.random.default_rng(COVERAGE.index(cell))
    design, hits = Design.of(world.labels()), 0
    # Cells of three trainings come as near as 0.979 to the upper bound, two deviations of 16,000 repeats.
    repeats = 4 * REPEATS if world.trainings == 3 else REPEATS
    for _ in range(repeats):
        both = [summary(rows, design, True) for rows in world.scores((1.0, 0.0), generator)]
        found = differences(both, design, *pairs(2))
        hits += int(abs(found.value[0]) <= found.half_width()[0])
    record_property("coverage", {**vars(world), "share": hits / repeats})
    assert 0.93 - SLACK <= hits / repeats <= 0.98 + SLACK


FAMILIES = [
    cell
    for cell in product((2, 5, 15), ("normal", "exponential"), (1, 3, 5), (1, 3, 10))
    if cell[2:] != (1, 10)
]
FEW_FAMILIES = [(5, "normal", 3, 1), (15, "exponential", 1, 3), (2, "normal", 3, 10)]


@pytest.mark.parametrize("cell", FAMILIES if LARGE else FEW_FAMILIES, ids=str)
def test_equal_methods_are_not_ranked(cell, record_property):
    """Among 2, 5, 15 equal methods, any difference at all is shown in at most 6 of 100 repeats."""
    methods, effects, trainings, unequal = cell
    world = World(effects, 0.37, 20, trainings, unequal)
    generator, design, errors = np.random.default_rng(FAMILIES.index(cell)), Design.of(world.labels()), 0
    spread = np.geomspace(0.5, 1.5, methods) if unequal > 1 else np.ones(methods)
    for _ in range(REPEATS):
        errors += bool(verdicts(world.scores(spread, generator), design).better.any())
    record_property("family-wise error", {"methods": methods, **vars(world), "share": errors / REPEATS})
    assert errors / REPEATS <= 0.06 + SLACK


@pytest.mark.parametrize("trainings", [1, 3, 5])
def test_margins_of_equality_hold(trainings, record_property):
    """Five methods 0.2 dB apart: all margins "equal within x dB" hold together in 95 of 100 repeats."""
    world, generator = World("exponential", 0.37, 20, trainings), np.random.default_rng(trainings)
    design, truth, broken = Design.of(world.labels()), 0.2 * np.arange(5), 0
    apart = np.abs(truth[:, None] - truth)
    for _ in range(REPEATS):
        scores = [
            rows + shift for rows, shift in zip(world.scores(np.ones(5), generator), truth, strict=True)
        ]
        found = verdicts(scores, design)
        undecided = ~(found.better | found.better.T) & ~np.eye(5, dtype=bool)
        broken += bool((undecided & (apart > found.equal_within)).any())
    record_property("margins broken", {**vars(world), "share": broken / REPEATS})
    assert broken / REPEATS <= 0.06


@pytest.mark.parametrize("trainings", [1, 3, 5, 10])
@pytest.mark.parametrize("methods", [2, 5, 15])
def test_power_is_told(methods, trainings, record_property):
    """How often a method 1 dB above all others is shown better than another: more with more trainings."""
    world, generator = World("normal", 0.37, 100, trainings), np.random.default_rng(methods)
    design, shown = Design.of(world.labels()), []
    for _ in range(REPEATS // 10):
        scores = world.scores(np.ones(methods), generator)
        shown.append(verdicts([scores[0] + 1, *scores[1:]], design).better[0, 1:].mean())
    power = {"methods": methods, **vars(world), "share": np.mean(shown).item()}
    record_property("power for 1 dB", power)
    assert np.mean(shown) > (0.9 if trainings in (1, 10) else 0.02)
