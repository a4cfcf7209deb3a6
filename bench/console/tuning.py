"""Tuning as a person at the command line sees it: a line per trial, the recipe found, a figure."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bench import files, found
from bench.console.screen import console
from bench.errors import Interrupted
from bench.interrupts import heeded
from bench.runs.runner import Run
from bench.spec import RunSpec
from bench.sweeps.figure import draw
from bench.sweeps.means import Means
from bench.sweeps.study import Trial
from bench.sweeps.tune import Tuned, can_tune, study_path, tune
from bench.text import decibel


def tune_one(spec: RunSpec, trials: int, results: Path, means: Means) -> Tuned:
    """Tune, and write recipe and figure beside the study.

    Raises:
        Interrupted: Ctrl-C.
    """
    label = f"{spec.operator_label} {spec.model.label}"

    def told(trial: Trial) -> None:
        _say(f"{label}: trial {trial.number}: {trial_text(trial)}")

    try:
        with heeded():
            outcome = tune(spec, trials, results, means, told)
    except KeyboardInterrupt:
        raise Interrupted("interrupted. The same command goes on with the trials that are left.") from None
    path = study_path(spec, results)
    best = decibel(outcome.validation_psnr)
    _say(f"{label}: {best} on the validation split, the best of {outcome.spec.trials} trials")
    files.replace(path.with_suffix(".toml"), found.text(outcome.spec, outcome.validation_psnr))
    with files.replacing(path.with_suffix(".png")) as picture:
        draw(outcome.trials, label, picture)
    for written in (path.with_suffix(".toml"), path.with_suffix(".png")):
        _say(str(written))
    return outcome


def tuned(runs: Sequence[Run], trials: int, results: Path, means: Means) -> list[Run]:
    """The runs, each with the recipe that its first training seed found by so many trials."""
    chosen: dict[RunSpec, RunSpec] = {}
    made = []
    for run in runs:
        problem = replace(run.spec, seed=0)
        if not can_tune(run.spec):
            made.append(run)
            continue
        if problem not in chosen:
            chosen[problem] = tune_one(run.spec, trials, results, means).spec
        made.append(Run(replace(chosen[problem], seed=run.spec.seed)))
    return made


def trial_text(trial: Trial) -> str:
    """Score and setting of a trial, in one line."""
    values = ", ".join(
        f"{k} {v:.3g}" if isinstance(v, float) else f"{k} {v}" for k, v in trial.values.items()
    )
    score = "failed" if trial.state == "fail" else decibel(trial.validation_psnr)
    return f"{score}{' (pruned)' if trial.state == 'pruned' else ''} with {values}"


def _say(text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
