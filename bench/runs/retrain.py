"""A recorded method trained again: whether its scores lie within the spread of trainings."""

import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy import special

from bench.errors import BenchError, UsageError
from bench.runs.record import Record
from bench.runs.request import find_device
from bench.runs.runner import Run
from bench.runs.trust import trusted
from bench.spec import RunSpec
from bench.text import number
from bench.training import Progress

#: How many times a method is trained again, each time with a training seed of its own.
TRAININGS = 3
#: Scores of a method without chance that differ by no more than this agree: dB, and a share of others.
TOLERANCE, SHARE = 0.01, 0.0023


@dataclass(frozen=True)
class Again:
    """One metric of a method that was trained again.

    Attributes:
        name: of the metric.
        unit: of its values.
        recorded: mean that the record says.
        again: mean of every new training.
        bound: how far the recorded one may lie from the mean of the new ones: the half-width of the
            95 % prediction interval for one more training, ``t(n - 1) s sqrt(1 + 1 / n)``.
    """

    name: str
    unit: str
    recorded: float
    again: tuple[float, ...]
    bound: float

    @property
    def agrees(self) -> bool:
        """Whether the recorded score could be that of one more training."""
        mean = float(np.mean(self.again))
        return self.recorded == mean or abs(self.recorded - mean) <= self.bound

    def text(self) -> str:
        """In one line."""
        unit = f" {self.unit}" if self.unit else ""
        each = ", ".join(map(self._shown, self.again))
        mean, bound = self._shown(float(np.mean(self.again))), self._shown(self.bound)
        return (
            f"{self.name} {self._shown(self.recorded)}{unit}; again {mean} ({each}); "
            f"one training more lies within {bound}{unit} of that"
        )

    def _shown(self, value: float) -> str:
        return number(value, 2) if self.unit == "dB" or math.isinf(value) else f"{value:.4g}"


@dataclass(frozen=True)
class Retraining:
    """What came of training a recorded method again: each of its metrics."""

    metrics: tuple[Again, ...]

    @property
    def agrees(self) -> bool:
        """Whether every recorded score could be that of one more training.

        Each by a 95 % interval of its own: of several metrics, one may miss by chance a little more often.
        """
        return all(metric.agrees for metric in self.metrics)

    def text(self) -> str:
        """What was found, one thing per line."""
        verb = "agrees" if self.agrees else "does NOT agree"
        lines = [f"the record {verb} with {len(self.metrics[0].again)} trainings made here (95 %)"]
        lines += [f"  {'' if metric.agrees else 'NOT '}{metric.text()}" for metric in self.metrics]
        return "\n".join(lines)


def retrain(
    record: Record,
    trust: Sequence[str] = (),
    trainings: int = TRAININGS,
    report: Callable[[Run, Progress], None] = lambda run, progress: None,
) -> Retraining:
    """Train a recorded method again, with other training seeds on the same problem; nothing is recorded.

    A method without training is scored once more.

    Args:
        record: read from anywhere.
        trust: files, folders and plug-ins that it may use; see :func:`bench.runs.trust.trusted`.
        trainings: how many times, two at least.
        report: called after every step of a run.

    Raises:
        UsageError: the run cannot be made here, or names what is not trusted.
        BenchError: a training failed.
    """
    if learned := record.spec.trained_on:
        raise UsageError(f"run {record.fingerprint} was not trained; its source was: run {learned.run}")
    spec = trusted(record, trust)
    spec = replace(spec, device=find_device(spec.device))
    made = [_made(replace(spec, seed=seed), report) for seed in training_seeds(record, trainings)]
    return Retraining(tuple(_again(record, made, name) for name in record.scores))


def training_seeds(record: Record, trainings: int = TRAININGS) -> Sequence[int]:
    """Seeds that a method is trained again with; its own where it is not trained."""
    spec = record.spec
    return range(spec.seed + 1, spec.seed + 1 + max(trainings, 2)) if spec.recipe else [spec.seed]


def _made(spec: RunSpec, report: Callable[[Run, Progress], None]) -> Record:
    run = Run(spec)
    with tempfile.TemporaryDirectory() as folder:
        made = run.execute(Path(folder), report=lambda progress: report(run, progress))
    if made.status != "ok":
        raise BenchError(f"training seed {spec.seed} failed: {made.reason}")
    return made


def _again(record: Record, made: Sequence[Record], name: str) -> Again:
    facts = record.metrics.get(name) or made[0].metrics.get(name)
    unit, scores = facts.unit if facts else "", tuple(r.scores[name] for r in made)
    least = TOLERANCE if unit == "dB" else SHARE * abs(record.scores[name])
    return Again(name, unit, record.scores[name], scores, _bound(np.array(scores), least))


def _bound(scores: np.ndarray[tuple[int], np.dtype[np.float64]], least: float = TOLERANCE) -> float:
    count = len(scores)
    if count < 2 or not np.isfinite(scores).all():
        return least
    quantile = float(special.stdtrit(count - 1, 0.975))
    return max(least, quantile * float(scores.std(ddof=1)) * math.sqrt(1 + 1 / count))
