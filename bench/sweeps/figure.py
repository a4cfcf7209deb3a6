"""Validation score against trials spent: what a search of any length would have brought."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.sweeps.study import Trial


def expected_best(scores: Sequence[float]) -> npt.NDArray[np.float64]:
    """Expected maximum of ``k`` of ``n`` scores drawn with replacement, for ``k`` from 1 to ``n``.

    ``sum_i v_(i) ((i / n)^k - ((i - 1) / n)^k)`` over the sorted scores ``v_(1) <= ... <= v_(n)``: what
    a random search of ``k`` trials finds on average.

    Returns:
        ``(n,)`` float64.

    Reference:
        Dodge et al.: Show Your Work: Improved Reporting of Experimental Results, EMNLP 2019.
    """
    ordered, n = np.sort(np.asarray(scores, dtype=np.float64)), len(scores)
    steps, draws = np.arange(n + 1) / n, np.arange(1, n + 1)[:, None]
    expected: npt.NDArray[np.float64] = (np.diff(steps[None] ** draws, axis=1) * ordered).sum(1)
    return expected


def draw(trials: Sequence[Trial], title: str, path: Path) -> None:
    """Draw every trial's score, the best so far, and the expected best of a random search, as a PNG."""
    from matplotlib.figure import Figure

    scored = [trial for trial in trials if not math.isnan(trial.validation_psnr)]
    complete = [trial for trial in scored if trial.state == "complete"]
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for state, marker in (("complete", "o"), ("pruned", "x")):
        some = [trial for trial in scored if trial.state == state]
        axes.scatter([t.number for t in some], [t.validation_psnr for t in some], marker=marker, label=state)
    best = np.maximum.accumulate([t.validation_psnr for t in complete])
    axes.step([t.number for t in complete], best, where="post", label="best so far")
    # A pruned trial has no score at full length; its last one stands for it, as it would not have won.
    values = expected_best([t.validation_psnr for t in scored])
    axes.plot(range(1, len(values) + 1), values, "--", label="expected best of as many random trials")
    axes.set(title=title, xlabel="trials", ylabel="validation PSNR / dB")
    axes.legend()
    figure.savefig(path, format="png", dpi=120)
