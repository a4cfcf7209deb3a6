"""Tuning: Optuna over the space that a model declares, judged on the validation split alone.

The study is an SQLite file in the results folder, named after the run that it tunes: killed at any
time, it goes on with the trials that are left.
"""

import math
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from threading import Lock
from typing import Any

from bench import registry
from bench.errors import BenchError, UsageError
from bench.parameters import parameter_names
from bench.recipe import Recipe, override
from bench.runs import lease
from bench.runs.runner import Run
from bench.space import Range, Space
from bench.spec import Component, RunSpec
from bench.sweeps.local import Worker
from bench.sweeps.means import ALONE, Means
from bench.sweeps.trial import Pruned, validated
from bench.training import Progress

#: Trials before any is pruned: there is nothing to compare them with.
UNPRUNED = 4


@dataclass(frozen=True)
class Trial:
    """One setting that was tried.

    Attributes:
        number: from 1.
        state: ``complete``, ``pruned``, ``fail``.
        values: what was set.
        validation_psnr: in dB; of a pruned one its last, NaN of one that failed.
    """

    number: int
    state: str
    values: Mapping[str, Any]
    validation_psnr: float


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
        means: trials at a time, and cores for each.
        report: called after each trial.

    Raises:
        UsageError: nothing can be tuned, or Optuna is not installed.
        BenchError: no trial came to its end.
        BusyError: another process works on the same study.
    """
    space, name = space_of(spec.model), Run(spec).fingerprint
    path = study_path(spec, results)
    with lease.held(path.with_suffix(".lease")):
        study = _study(path, name, spec, trials)
        _go_on(study, spec, space)
        _search(study, spec, space, trials, means, report)
        return _outcome(study, spec)


def study_path(spec: RunSpec, results: Path) -> Path:
    """The SQLite file of a study."""
    return results / "studies" / f"{Run(spec).fingerprint}.db"


def _study(path: Path, name: str, spec: RunSpec, trials: int) -> Any:
    try:
        import optuna
    except ImportError as error:
        raise UsageError('tuning needs Optuna: pip install "invbench[tune]"') from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    epochs = spec.recipe.epochs if spec.recipe else 1
    study = optuna.create_study(
        storage=f"sqlite:///{path}",
        study_name=name,
        direction="maximize",
        load_if_exists=True,
        pruner=optuna.pruners.MedianPruner(min(UNPRUNED, trials), n_warmup_steps=epochs // 4),
    )
    # Begun anew with the same seed, the sampler would propose once more what it has.
    study.sampler = optuna.samplers.TPESampler(seed=(spec.seed + len(study.trials)) % 2**32)
    return study


def _go_on(study: Any, spec: RunSpec, space: Space) -> None:
    """Queue what a killed process was trying; in a new study, the setting that there is without tuning."""
    from optuna.trial import TrialState

    if not study.trials:
        present = {**(asdict(spec.recipe) if spec.recipe else {}), **_parameters(spec.model)}
        study.enqueue_trial({k: present[k] for k, bounds in space.items() if present.get(k) in bounds})
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
        study.enqueue_trial(trial.params, user_attrs={"again": trial.number})


def _parameters(model: Component) -> dict[str, Any]:
    """Parameters of a model with their defaults."""
    import inspect

    known = inspect.signature(registry.models.load(model.name)).parameters
    return {k: p.default for k, p in known.items()} | dict(model.params)


def _spent(study: Any) -> list[Any]:
    """Trials that count: those that ended; what a killed process was trying is tried again."""
    from optuna.trial import TrialState

    states = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
    again = {t.user_attrs["again"] for t in study.trials if "again" in t.user_attrs}
    return [t for t in study.get_trials(states=states) if t.number not in again]


def _search(
    study: Any, spec: RunSpec, space: Space, trials: int, means: Means, report: Callable[[Trial], None]
) -> None:
    """Trials one by one in each of so many threads, each with a worker process where there are several."""
    left, lock = max(0, trials - len(_spent(study))), Lock()
    workers: list[Worker] = []

    def search() -> None:
        nonlocal left
        judge: Callable[..., tuple[float, int]] = validated
        if not means.in_process:
            judge = _Remote(means, workers)
        while True:
            with lock:
                if not left:
                    return
                left -= 1
                trial = study.ask()
                values = {key: _suggested(trial, key, bounds) for key, bounds in space.items()}
            _tried(study, trial, varied(spec, values), judge)
            with lock:
                report(_trial(study.get_trials()[trial.number], trial.number))

    if means.in_process:
        search()
        return
    with ThreadPoolExecutor(means.jobs) as pool:
        futures = [pool.submit(search) for _ in range(min(means.jobs, left))]
        try:
            for future in wait(futures, return_when=FIRST_EXCEPTION).done:
                future.result()
        finally:
            left = 0
            for worker in workers:
                worker.process.terminate()


def _tried(study: Any, trial: Any, spec: RunSpec, judge: Callable[..., tuple[float, int]]) -> None:
    """Judge one trial, and tell the study."""
    from optuna.trial import TrialState

    def watch(step: Progress) -> None:
        if step.epoch > 1 and math.isfinite(step.validation_psnr) and step.step == 1:
            trial.report(step.validation_psnr, step.epoch - 1)
            if trial.should_prune():
                raise Pruned

    try:
        quality, inner = judge(spec, watch)
    except Pruned:
        study.tell(trial, state=TrialState.PRUNED)
    except BenchError as error:
        trial.set_user_attr("error", str(error)[:1000])
        study.tell(trial, state=TrialState.FAIL)
    else:
        trial.set_user_attr("inner", inner)
        study.tell(trial, quality)


class _Remote:
    """Judges trials in a worker process."""

    def __init__(self, means: Means, workers: list[Worker]):
        self.means, self.workers = means, workers
        self.worker: Worker | None = None

    def __call__(self, spec: RunSpec, watch: Callable[[Progress], None]) -> tuple[float, int]:
        if self.worker is None:
            self.worker = Worker(self.means.share())
            self.workers.append(self.worker)
        self.worker.connection.send((spec, None, False))
        while True:
            kind, content = self.worker.receive()
            if kind == "progress":
                try:
                    watch(content)
                except Pruned:
                    self.worker.connection.send("prune")
            elif kind == "judged":
                return content  # type: ignore[no-any-return]
            elif kind == "pruned":
                raise Pruned
            elif kind == "error":
                raise content
            else:
                self.worker = None
                raise BenchError(content)


def _suggested(trial: Any, key: str, bounds: Any) -> Any:
    if not isinstance(bounds, Range):
        return trial.suggest_categorical(key, list(bounds))
    suggest = trial.suggest_int if bounds.whole else trial.suggest_float
    return suggest(key, bounds.low, bounds.high, log=bounds.log)


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


def _trial(frozen: Any, number: int) -> Trial:
    last = max(frozen.intermediate_values.items(), default=(0, math.nan))[1]
    value = frozen.values[0] if frozen.values else last
    return Trial(number + 1, frozen.state.name.lower(), dict(frozen.params), value)


def _outcome(study: Any, spec: RunSpec) -> Tuned:
    spent = _spent(study)
    complete = [t for t in spent if t.state.name == "COMPLETE"]
    if not complete:
        errors = [t.user_attrs["error"] for t in spent if "error" in t.user_attrs]
        raise BenchError(f"none of {len(spent)} trials came to its end: {errors[0] if errors else 'pruned'}")
    best = max(complete, key=lambda t: t.values[0])
    found = replace(varied(spec, best.params), trials=len(spent))
    return Tuned(found, best.values[0], tuple(_trial(t, i) for i, t in enumerate(spent)))
