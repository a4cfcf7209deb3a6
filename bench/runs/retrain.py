"""A recorded method trained again: whether its score lies within the spread of trainings."""

import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy import special

from bench.errors import BenchError
from bench.runs.record import Record
from bench.runs.request import find_device
from bench.runs.runner import Run
from bench.runs.trust import trusted
from bench.training import Progress

#: How many times a method is trained again, each time with a training seed of its own.
TRAININGS = 3
#: Scores of a method without chance that differ by no more than this agree: dB of PSNR.
TOLERANCE = 0.01


@dataclass(frozen=True)
class Retraining:
    """What came of training a recorded method again.

    Attributes:
        recorded: mean PSNR that the record says.
        again: mean PSNR of every new training.
        bound: how far the recorded score may lie from the mean of the new ones: the half-width of the
            95 % prediction interval for one more training, ``t(n - 1) s sqrt(1 + 1 / n)``.
    """

    recorded: float
    again: tuple[float, ...]
    bound: float

    @property
    def agrees(self) -> bool:
        """Whether the recorded score could be that of one more training."""
        mean = float(np.mean(self.again))
        return self.recorded == mean or abs(self.recorded - mean) <= self.bound

    def text(self) -> str:
        """What was found, one thing per line."""
        mean, verb = float(np.mean(self.again)), "agrees" if self.agrees else "does NOT agree"
        each = ", ".join(f"{value:.2f}" for value in self.again)
        return "\n".join(
            [
                f"the record {verb} with {len(self.again)} trainings made here",
                f"  recorded PSNR    {self.recorded:.2f} dB",
                f"  trained again    {mean:.2f} dB ({each})",
                f"  one training more lies within {self.bound:.2f} dB of that (95 %)",
            ]
        )


def retrain(
    record: Record,
    trust: Sequence[str] = (),
    trainings: int = TRAININGS,
    report: Callable[[Progress], None] = lambda progress: None,
) -> Retraining:
    """Train a recorded method again, with other training seeds on the same problem; nothing is recorded.

    A method without training is scored once more.

    Args:
        record: read from anywhere.
        trust: files, folders and plug-ins that it may use; see :func:`bench.runs.trust.trusted`.
        trainings: how many times, two at least.
        report: called after every training step.

    Raises:
        UsageError: the run cannot be made here, or names what is not trusted.
        BenchError: a training failed.
    """
    spec = trusted(record, trust)
    spec = replace(spec, device=find_device(spec.device))
    seeds = range(spec.seed + 1, spec.seed + 1 + max(trainings, 2)) if spec.recipe else [spec.seed]
    scores = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in seeds:
            made = Run(replace(spec, seed=seed)).execute(Path(folder), report=report)
            if made.status != "ok":
                raise BenchError(f"training seed {seed} failed: {made.reason}")
            scores.append(made.scores["psnr"])
    return Retraining(record.scores["psnr"], tuple(scores), _bound(np.array(scores)))


def _bound(scores: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    count = len(scores)
    if count < 2 or not np.isfinite(scores).all():
        return TOLERANCE
    quantile = float(special.stdtrit(count - 1, 0.975))
    return max(TOLERANCE, quantile * float(scores.std(ddof=1)) * math.sqrt(1 + 1 / count))
