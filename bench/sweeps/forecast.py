"""What a sweep would do, and about how long it would take, judged by the runs that are recorded."""

import math
import statistics
from collections.abc import Hashable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError
from bench.runs.record import Record, runs_folder
from bench.runs.runner import Run
from bench.spec import RunSpec


@dataclass(frozen=True)
class Forecast:
    """What would become of one run.

    Attributes:
        run: the run.
        state: ``recorded``, ``begun`` (there is a checkpoint to go on from) or ``new``.
        seconds: that it would take from its beginning: the median of the runs most like it; NaN where none
            is like it, 0 where it is recorded.
    """

    run: Run
    state: str
    seconds: float


def forecasts(runs: Sequence[Run], results: Path, force: bool = False) -> list[Forecast]:
    """One forecast for each run; ``force`` as for :func:`bench.sweeps.plan.sweep`."""
    known: dict[Hashable, list[float]] = {}
    for record in _records(results):
        seconds = record.timings.get("total_seconds", math.nan)
        for key in _likenesses(record.spec) if _usable(record) else ():
            known.setdefault(key, []).append(seconds)
    return [_forecast(run, results, force, known) for run in runs]


def _forecast(run: Run, results: Path, force: bool, known: dict[Hashable, list[float]]) -> Forecast:
    if not force and run.recorded(results):
        return Forecast(run, "recorded", 0.0)
    begun = not force and (results / "checkpoints" / f"{run.fingerprint}.safetensors").is_file()
    alike = next((known[key] for key in _likenesses(run.spec) if key in known), None)
    return Forecast(run, "begun" if begun else "new", statistics.median(alike) if alike else math.nan)


def _records(results: Path) -> Iterator[Record]:
    for folder in runs_folder(results).glob("[!.]*"):
        with suppress(BenchError):
            yield Record.read(folder)


def _usable(record: Record) -> bool:
    return record.status == "ok" and math.isfinite(record.timings.get("total_seconds", math.nan))


def _likenesses(spec: RunSpec) -> Iterator[Hashable]:
    """What runs that take about as long have in common, the closest likeness first."""
    trains = spec.trained_on is None
    yield spec.operator, spec.model, spec.dataset, spec.train_size, spec.recipe, spec.device, trains
    yield spec.model, spec.dataset, spec.train_size, spec.recipe, spec.device, trains
    yield spec.model.name, spec.dataset, spec.recipe, spec.device, trains


def wall_seconds(found: Sequence[Forecast], jobs: int) -> float:
    """Seconds for all runs that a forecast is known for, with so many at a time: the longest run at least."""
    known = [each.seconds for each in found if not math.isnan(each.seconds)]
    return max(sum(known) / jobs, max(known, default=0.0))
