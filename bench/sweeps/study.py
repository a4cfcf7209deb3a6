"""The trials of a tuning as Optuna keeps them: an SQLite file that a killed process leaves as it was."""

import inspect
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench import registry
from bench.component import Component
from bench.errors import BenchError, UsageError
from bench.space import Range, Space
from bench.spec import RunSpec
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


class Study:
    """A search in a space.

    Args:
        path: the SQLite file.
        name: of the study in it.
        spec: what is tuned; what it has now is the first trial.
        space: its bounds.
        trials: how many there are to be in all.

    Raises:
        UsageError: Optuna is not installed.
    """

    def __init__(self, path: Path, name: str, spec: RunSpec, space: Space, trials: int):
        try:
            import optuna
        except ImportError as error:
            raise UsageError('tuning needs Optuna: pip install "invbench[tune]"') from error
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.space, epochs = space, spec.recipe.epochs if spec.recipe else 1
        self.study = optuna.create_study(
            storage=f"sqlite:///{path}",
            study_name=name,
            direction="maximize",
            load_if_exists=True,
            pruner=optuna.pruners.MedianPruner(min(UNPRUNED, trials), n_warmup_steps=epochs // 4),
        )
        # Begun anew with the same seed, the sampler would propose once more what it has.
        self.study.sampler = optuna.samplers.TPESampler(seed=(spec.seed + len(self.study.trials)) % 2**32)
        self._go_on(spec)

    def _go_on(self, spec: RunSpec) -> None:
        """Queue what a killed process was trying; in a new study, the setting that there was before."""
        from optuna.trial import TrialState

        if not self.study.trials:
            present = {**(asdict(spec.recipe) if spec.recipe else {}), **_parameters(spec.model)}
            self.study.enqueue_trial(
                {k: present[k] for k, among in self.space.items() if present.get(k) in among}
            )
        for trial in self.study.get_trials(states=(TrialState.RUNNING,)):
            self.study.tell(trial.number, state=TrialState.FAIL)
            self.study.enqueue_trial(trial.params, user_attrs={"again": trial.number})

    def spent(self) -> list[Any]:
        """Optuna's trials that count: those that ended; what a killed process was trying is tried again."""
        again = {t.user_attrs["again"] for t in self.study.trials if "again" in t.user_attrs}
        return [t for t in self.study.trials if t.state.is_finished() and t.number not in again]

    def ask(self) -> tuple[Any, dict[str, Any]]:
        """A new trial of Optuna's, and its setting."""
        trial = self.study.ask()
        return trial, {key: _suggested(trial, key, among) for key, among in self.space.items()}

    def scored(self, trial: Any, quality: float, inner: int) -> None:
        """Tell what a trial reached, and how many settings its ``fit`` tried itself."""
        trial.set_user_attr("inner", inner)
        self.study.tell(trial, quality)

    def pruned(self, trial: Any) -> None:
        """Tell that a trial was ended early."""
        self.study.tell(trial, state=_states().PRUNED)

    def failed(self, trial: Any, why: str) -> None:
        """Tell that a trial failed."""
        trial.set_user_attr("error", why[:1000])
        self.study.tell(trial, state=_states().FAIL)

    def shown(self, trial: Any) -> Trial:
        """A trial of Optuna's as ours, numbered as all were asked for."""
        return _trial(self.study.trials[trial.number], trial.number)

    def trials(self) -> tuple[Trial, ...]:
        """Those that count, in order."""
        return tuple(_trial(trial, number) for number, trial in enumerate(self.spent()))

    def best(self) -> tuple[dict[str, Any], float]:
        """The best setting, and its validation PSNR in dB.

        Raises:
            BenchError: no trial came to its end.
        """
        spent = self.spent()
        complete = [t for t in spent if t.state.name == "COMPLETE"]
        if not complete:
            errors = [t.user_attrs["error"] for t in spent if "error" in t.user_attrs]
            why = errors[0] if errors else "pruned"
            raise BenchError(f"none of {len(spent)} trials came to its end: {why}")
        best = max(complete, key=lambda t: t.values[0])
        return best.params, best.values[0]


class Watcher:
    """Tells Optuna of each epoch of a trial, once, and whether the trial is to be ended."""

    def __init__(self, trial: Any):
        self.trial, self.epoch = trial, 1

    def behind(self, step: Progress) -> bool:
        """Whether others were better at the epoch that is done."""
        if step.epoch <= self.epoch or not math.isfinite(step.validation_psnr):
            return False
        self.epoch = step.epoch
        self.trial.report(step.validation_psnr, step.epoch - 1)
        return bool(self.trial.should_prune())


def _states() -> Any:
    from optuna.trial import TrialState

    return TrialState


def _parameters(model: Component) -> dict[str, Any]:
    """Parameters of a model with their defaults."""
    known = inspect.signature(registry.models.load(model.name)).parameters
    return {k: p.default for k, p in known.items()} | dict(model.params)


def _suggested(trial: Any, key: str, among: Any) -> Any:
    if not isinstance(among, Range):
        return trial.suggest_categorical(key, list(among))
    suggest = trial.suggest_int if among.whole else trial.suggest_float
    return suggest(key, among.low, among.high, log=among.log)


def _trial(frozen: Any, number: int) -> Trial:
    last = max(frozen.intermediate_values.items(), default=(0, math.nan))[1]
    value = frozen.values[0] if frozen.values else last
    return Trial(number + 1, frozen.state.name.lower(), dict(frozen.params), value)
