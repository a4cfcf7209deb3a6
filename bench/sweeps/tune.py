"""Tuning: Optuna over the space that a model declares, judged on the validation split alone.

The study is an SQLite file in the results folder, named after the run that it tunes: killed at any
time, it goes on with the trials that are left.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, fields, replace
from pathlib import Path
from threading import Lock
from typing import Any

from bench import registry
from bench.component import Component
from bench.errors import BenchError, UsageError
from bench.interrupts import look
from bench.parameters import parameter_names
from bench.recipe import Recipe, override
from bench.runs import lease
from bench.runs.runner import Run
from bench.space import Space
from bench.spec import RunSpec
from bench.sweeps.judges import Judge, judging
from bench.sweeps.means import ALONE, Means
from bench.sweeps.study import Study, Trial, Watcher
from bench.sweeps.trial import Pruned
from bench.training import Progress


@dataclass(frozen=True)
class Tuned:
    """What a tuning found.

    Attributes:
        spec: the run with the best setting and the number of trials.
        validation_psnr: of that setting, in dB.
        trials: all of them, in order.
    """

    spec: RunSpec
    validation_psnr: float
    trials: tuple[Trial, ...]


def space_of(model: Component) -> Space:
    """What may be tuned of a model; what was given for it is left as it is.

    Raises:
        UsageError: it declares nothing, or what it does not have.
    """
    thing = registry.models.load(model.name)
    space = {k: v for k, v in getattr(thing, "space", {}).items() if k not in model.params}
    known = {f.name for f in fields(Recipe)} | parameter_names(thing)
    if wrong := sorted(set(space) - known):
        raise UsageError(
            f"{model.label}: its space has {wrong[0]}, which is no parameter and no recipe value"
        )
    if not space:
        raise UsageError(f"{model.label} declares nothing to tune (space) beside what was given")
    return space


def can_tune(spec: RunSpec) -> bool:
    """Whether a model declares a space that was not given whole."""
    try:
        return bool(space_of(spec.model)) and not spec.trials
    except UsageError:
        return False


def tune(
    spec: RunSpec,
    trials: int,
    results: Path,
    means: Means = ALONE,
    report: Callable[[Trial], None] = lambda trial: None,
) -> Tuned:
    """The best of so many settings by validation PSNR, the one that ``spec`` has among them.

    Args:
        spec: the run whose recipe and model parameters are tuned.
        trials: settings to try, those of an earlier call included; ones that fail or are pruned count.
        results: folder whose ``studies`` keeps the study.
        means: where trials are judged, how many at a time, with how many cores, for how long.
        report: called after each trial.

    Raises:
        UsageError: nothing can be tuned, or Optuna is not installed.
        BenchError: no trial came to its end.
        BusyError: another process works on the same study.
    """
    space, name = space_of(spec.model), Run(spec).fingerprint
    path = study_path(spec, results)
    with lease.held(path.with_suffix(".lease")):
        study = Study(path, name, spec, space, trials)
        if left := max(0, trials - len(study.spent())):
            with judging(means, results, left) as judges:
                _search(study, spec, left, judges, report)
        values, quality = study.best()
        found = study.trials()
        return Tuned(replace(varied(spec, values), trials=len(found)), quality, found)


def study_path(spec: RunSpec, results: Path) -> Path:
    """The SQLite file of a study."""
    return results / "studies" / f"{Run(spec).fingerprint}.db"


def _search(
    study: Study, spec: RunSpec, left: int, judges: Sequence[Judge], report: Callable[[Trial], None]
) -> None:
    """So many trials, one after another for each judge, the judges side by side."""
    lock = Lock()

    def search(judge: Judge) -> None:
        nonlocal left
        while True:
            with lock:
                if not left:
                    return
                left -= 1
                trial, values = study.ask()
            _tried(study, trial, varied(spec, values), judge)
            with lock:
                report(study.shown(trial))

    if len(judges) == 1:
        search(judges[0])
        return
    # Left by an exception, the block ends the judges, and with them the threads.
    pool = ThreadPoolExecutor(len(judges))
    try:
        for future in wait(
            [pool.submit(search, judge) for judge in judges], return_when=FIRST_EXCEPTION
        ).done:
            future.result()
    finally:
        left = 0
        pool.shutdown(wait=False)


def _tried(study: Study, trial: Any, spec: RunSpec, judge: Judge) -> None:
    """Judge one trial, and tell the study; of one that was stopped nothing is told, it is tried again."""
    watcher = Watcher(trial)

    def watch(step: Progress) -> None:
        look()
        if watcher.behind(step):
            raise Pruned

    try:
        quality, inner = judge(spec, watch)
    except Pruned:
        study.pruned(trial)
    except BenchError as error:
        study.failed(trial, str(error))
    else:
        study.scored(trial, quality, inner)


def varied(spec: RunSpec, values: Mapping[str, Any]) -> RunSpec:
    """A spec with other recipe values and model parameters.

    Weight decay has an effect with AdamW alone, which takes Adam's place where there is any.
    """
    thing = registry.models.load(spec.model.name)
    own = {k: v for k, v in values.items() if k in parameter_names(thing)}
    model = Component(spec.model.name, {**spec.model.params, **own}).checked(registry.models)
    changes = {k: v for k, v in values.items() if k not in own}
    if not spec.recipe:
        return replace(spec, model=model)
    if changes.get("weight_decay") and changes.get("optimizer", spec.recipe.optimizer) == "adam":
        changes["optimizer"] = "adamw"
    return replace(spec, model=model, recipe=override(spec.recipe, changes))
