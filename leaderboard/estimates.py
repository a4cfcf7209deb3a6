"""Estimates with the parts of their variances: intervals, and the p-values that agree with them."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

Array = np.ndarray[Any, Any]

#: Level of the tests after correction; intervals are of level 1 - ALPHA.
ALPHA = 0.05
#: p-values below this one are not told apart.
_LEAST_P = 1e-15


@dataclass(frozen=True)
class Estimates:
    """Means, or differences of them, with the parts of their variances; all arrays of one shape.

    Attributes:
        value: what is estimated.
        seeds: variance due to trainings.
        seeds_freedom: its degrees of freedom; 1 where there is none.
        groups: variance due to groups.
        groups_freedom: its degrees of freedom, the same for all.
        skewness: of the estimate, over groups: absolute, less half of what normal noise would show.
    """

    value: Array
    seeds: Array
    seeds_freedom: Array
    groups: Array
    groups_freedom: float
    skewness: Array

    def half_width(self, level: float | Array = ALPHA) -> Array:
        """Half of the two-sided interval of level ``1 - level``."""
        seeds = _product(self.seeds, special.stdtrit(self.seeds_freedom, np.asarray(level) / 2))
        half: Array = np.sqrt(seeds + _product(self.groups, self._quantile(level)))
        return half if self.groups_freedom else np.full(half.shape, math.inf)

    def _quantile(self, level: float | Array) -> Array:
        t = -special.stdtrit(self.groups_freedom, np.asarray(level) / 2)
        quantile: Array = t + self.skewness / 6 * (2 * t**2 + 1)
        return quantile

    def p(self, beyond: Array | float = 0.0) -> Array:
        """Two-sided p-values: the level at which the half-width equals the value's distance from zero.

        Args:
            beyond: distance from ``[-beyond, beyond]`` instead: that the truth lies in it is what is tested.
        """
        size = np.maximum(np.abs(self.value) - beyond, 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = size / np.sqrt(self.groups)
        p = self._p_of_groups(np.where(size == 0, 0.0, ratio))
        told = (self.seeds > 0) & (size > 0) & (p < 1)
        if told.any():
            p[told] = self.part(told)._inverted(size[told], p[told])
        return p

    def _p_of_groups(self, ratio: Array) -> Array:
        """Where groups alone vary, the quadratic in t is solved in closed form."""
        if not self.groups_freedom:
            return np.ones(ratio.shape)
        a = self.skewness / 6
        with np.errstate(invalid="ignore"):
            inner = 1 + 8 * a * np.maximum(ratio - a, 0)
            t = np.where(np.isinf(ratio), np.inf, 2 * np.maximum(ratio - a, 0) / (1 + np.sqrt(inner)))
        p: Array = 2 * special.stdtr(self.groups_freedom, -t)
        return np.where(np.isinf(t), 0.0, p)

    def part(self, chosen: Array) -> "Estimates":
        """Some of them, by index or mask."""
        return Estimates(
            self.value[chosen], self.seeds[chosen], self.seeds_freedom[chosen], self.groups[chosen],
            self.groups_freedom, self.skewness[chosen],
        )  # fmt: skip

    def _inverted(self, size: Array, least: Array) -> Array:
        """Where trainings vary too: the root in log p by regula falsi (Illinois), bracketed.

        Args:
            size: absolute values.
            least: p of the groups alone; with the trainings it cannot be smaller.
        """
        low, high = np.log(np.maximum(least, _LEAST_P)), np.zeros(size.shape)
        target = np.log(size)

        def excess(log_p: Array) -> Array:
            with np.errstate(divide="ignore"):
                return np.maximum(np.log(self.half_width(np.exp(log_p))), -700) - target

        at_low, at_high = excess(low), np.maximum(excess(high), -700)
        told = at_low > 0  # of the others, p is below what is told apart
        root, side = low.copy(), np.zeros(size.shape, int)
        for _ in range(60):
            with np.errstate(invalid="ignore", divide="ignore"):
                step = (low * at_high - high * at_low) / (at_high - at_low)
            # Half the bracket where the far end is a cliff: the half-width is 0 at p = 1.
            root = np.where((at_high < -5) | ~np.isfinite(step), (low + high) / 2, np.clip(step, low, high))
            value = excess(root)
            above = value > 0
            low, at_low = np.where(above, root, low), np.where(above, value, at_low)
            high, at_high = np.where(above, high, root), np.where(above, at_high, value)
            at_high = np.where(above & (side > 0), at_high / 2, at_high)
            at_low = np.where(~above & (side < 0), at_low / 2, at_low)
            side = np.where(above, 1, -1)
            if np.abs(value[told]).max(initial=0) < 1e-7:
                break
        found: Array = np.where(told, np.exp(root), least)
        return found


def _product(variance: Array, quantile: Array) -> Array:
    """``variance * quantile^2``; 0 where there is no variance, however small the level is."""
    with np.errstate(invalid="ignore"):
        return np.where(variance > 0, variance * quantile**2, 0.0)
