"""Tuning: the right number of trials, by validation alone, resumable; its recipe is what is run."""

import math
import os
import subprocess
import sys
from itertools import islice

import numpy as np
import pytest

from bench import found
from bench.errors import UsageError
from bench.leaderboard.loading import load
from bench.runs.request import specify
from bench.space import Range
from bench.sweeps.figure import expected_best
from bench.sweeps.means import Means
from bench.sweeps.tune import space_of, study_path, tune, varied
from bench.training import Progress

optuna = pytest.importorskip("optuna")

DATA = "ellipses:size=16,train=20,test=4"
#: A model that is best where ``shift`` is 0.3, and cannot look at the test split.
SHIFTED = """
from bench import Model
from bench.space import Range


class Shifted(Model):
    space = {{"shift": Range(0.0, 1.0)}}

    def __init__(self, shift: float = 0.9):
        self.shift = shift

    def fit(self, problem):
        {body}
        return []

    def reconstruct(self, y, operator, generator):
        return y + self.shift - 0.3
"""


SUITE = """
title = "Two methods"
dataset = "ellipses:size=16,train=20,test=4"

[[runs]]
operators = ["denoising"]
models = ["cgls", "landweber"]
"""


@pytest.fixture
def shifted(plugin):
    """Spec of that model on little noise."""

    def make(body="pass"):
        path = plugin("shifted", SHIFTED.format(body=body))
        return specify("denoising:sigma=0.001", path, DATA, device="cpu")

    return make


def test_the_best_is_found_and_the_given_is_among_them(shifted, tmp_path):
    """The first trial is the setting there was; the best of 12 is the one nearest to the optimum."""
    told = []
    outcome = tune(shifted(), 12, tmp_path, report=told.append)
    assert [trial.number for trial in told] == list(range(1, 13))
    assert told[0].values == {"shift": 0.9}
    nearest = min(told, key=lambda trial: abs(trial.values["shift"] - 0.3))
    assert dict(outcome.spec.model.params) == dict(nearest.values)
    assert outcome.spec.trials == 12
    # PSNR of a constant error d in the unit range is -20 log10 d.
    assert outcome.validation_psnr == pytest.approx(
        -20 * math.log10(abs(nearest.values["shift"] - 0.3)), abs=0.5
    )


def test_it_goes_on_where_it_was(shifted, tmp_path):
    """A study that was killed in a trial tries that again; what ended is not repeated; none too many."""
    spec, told = shifted(), []
    tune(spec, 3, tmp_path)
    (name,) = optuna.get_all_study_names(f"sqlite:///{study_path(spec, tmp_path)}")
    study = optuna.load_study(study_name=name, storage=f"sqlite:///{study_path(spec, tmp_path)}")
    left = study.ask({"shift": optuna.distributions.FloatDistribution(0.0, 1.0)})
    outcome = tune(spec, 5, tmp_path, report=told.append)
    assert told[0].values == left.params
    assert outcome.spec.trials == 5
    assert tune(spec, 5, tmp_path, report=told.append).validation_psnr == outcome.validation_psnr
    assert len(told) == 2


def kept(spec, results):
    """Optuna's own view of a study: its trials."""
    storage = f"sqlite:///{study_path(spec, results)}"
    (name,) = optuna.get_all_study_names(storage)
    return optuna.load_study(study_name=name, storage=storage).trials


def test_killed_and_gone_on_with(shifted, tmp_path):
    """Killed without warning in a trial, the study has all that was tried; the command does the rest."""
    spec = shifted("import time; time.sleep(0.5)")
    words = [sys.executable, "-m", "bench", "tune", spec.model.name, "-o", "denoising:sigma=0.001"]
    words += ["-d", DATA, "--trials", "5", "--device", "cpu", "--threads", "1"]
    env = os.environ | {"COLUMNS": "200", "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(words, cwd=tmp_path, env=env, stdout=subprocess.PIPE, text=True)
    list(islice((line for line in process.stdout if ": trial " in line), 2))
    process.kill()
    process.wait()
    before = kept(spec, tmp_path / "results")
    assert [trial.state.name for trial in before][:2] == ["COMPLETE"] * 2
    after = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert after.returncode == 0, after.stderr
    assert "the best of 5 trials" in after.stdout
    trials = kept(spec, tmp_path / "results")
    assert sum(trial.state.name == "COMPLETE" for trial in trials) == 5
    unfinished = [trial.params for trial in before if trial.state.name == "RUNNING"]
    assert [t.params for t in trials[len(before) : len(before) + len(unfinished)]] == unfinished


def test_interrupted_trials_are_not_spent(shifted, tmp_path):
    """What was tried when the command was stopped has not failed: it is tried again."""
    # The setting that there was ends at once; the one beside it is at work when that is told.
    spec = shifted("import time; time.sleep(0 if self.shift == 0.9 else 60)")

    def told(trial):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune(spec, 6, tmp_path, Means(jobs=2, threads=1), told)
    states = [trial.state.name for trial in kept(spec, tmp_path)]
    assert "FAIL" not in states
    assert "RUNNING" in states


def test_trials_whose_process_dies_or_takes_too_long(shifted, tmp_path):
    """Tried once more, then spent as failed with the cause; the others go on."""
    body = "import os, time; os._exit(9) if self.shift > 0.8 else time.sleep(60 * (self.shift < 0.3))"
    outcome = tune(shifted(body), 4, tmp_path, Means(threads=1, timeout=3.0))
    states = [(trial.state, trial.values["shift"]) for trial in outcome.trials]
    assert states[0] == ("fail", 0.9)
    assert all((state == "fail") == (shift > 0.8 or shift < 0.3) for state, shift in states)


def test_trials_that_fail_are_spent(shifted, tmp_path):
    """A setting whose code fails counts as a trial, and the others go on."""
    outcome = tune(shifted("if self.shift > 0.8: raise KeyError('high')"), 6, tmp_path)
    assert outcome.spec.trials == 6
    assert outcome.trials[0].state == "fail"


def test_several_at_a_time(shifted, tmp_path):
    """In worker processes: exactly as many trials as were asked for."""
    outcome = tune(shifted(), 5, tmp_path, Means(jobs=2, threads=1))
    assert [trial.state for trial in outcome.trials] == ["complete"] * 5


def test_the_recipe_found_is_what_is_run(tmp_path, attack):
    """The TOML gives recipe and parameters to its model alone, and its trials to the record's budget."""
    spec = specify("denoising", "unet:width=8", DATA, device="cpu", changes={"epochs": 1})
    chosen = varied(spec, {"lr": 0.01, "weight_decay": 1e-3})
    assert chosen.recipe is not None
    assert (chosen.recipe.lr, chosen.recipe.optimizer) == (0.01, "adamw")
    from dataclasses import replace
    from pathlib import Path

    Path("found.toml").write_text(found.text(replace(chosen, trials=20), 23.0), encoding="utf-8")
    words = ["run", "-o", "denoising", "-m", "unet", "-d", DATA, "--recipe", "found.toml", "--device", "cpu"]
    code, told = attack(words)
    assert code == 0, told
    records = {r.spec.model.name: r for r in load(Path("results")).records}
    assert dict(records["unet"].spec.model.params) == {"width": 8}
    assert records["unet"].spec.recipe == chosen.recipe
    assert (records["unet"].budget.trials, records["mean"].budget.trials) == (20, 1)
    assert "--trials 20" in records["unet"].spec.command()


def test_wrong_recipe_files(tmp_path):
    """What is no recipe is refused by name."""
    path = tmp_path / "bad.toml"
    for text, message in (
        ("model = 3", "no recipe"),
        ("x = ", "not a TOML"),
        ("model = 'a'\ntrials = -1", "trials"),
    ):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(UsageError, match=message):
            found.read(path)


def test_what_cannot_be_tuned():
    """A model without a space, or whose space was given whole, is refused."""
    from bench.component import Component

    with pytest.raises(UsageError, match="nothing to tune"):
        space_of(Component("mean"))
    with pytest.raises(UsageError, match="nothing to tune"):
        space_of(Component("cgls", {"iterations": 3}))
    assert space_of(Component("unet", {"width": 8})).keys() == {"lr", "batch_size", "weight_decay"}
    with pytest.raises(ValueError, match="no range"):
        Range(2, 1)


def test_expected_best_is_the_mean_of_all_draws():
    """Against all 27 draws of three scores, worked out one by one."""
    scores = [3.0, 1.0, 2.0]
    draws = np.stack(np.meshgrid(scores, scores, scores), -1).reshape(-1, 3)
    expected = [draws[:, :k].max(1).mean() for k in (1, 2, 3)]
    np.testing.assert_allclose(expected_best(scores), expected)


def test_trials_that_fall_behind_are_pruned(shifted, tmp_path, monkeypatch):
    """A trial whose validation score is below the median of the others at its epoch is ended there."""
    shown = []

    def judged(spec, report):
        good = len(shown) < 5
        shown.append(spec)
        for epoch in range(2, 9):
            report(Progress(1, 2, epoch, 8, 0.0, 20.0 if good else 10.0))
        return (20.0 if good else 10.0), 1

    monkeypatch.setattr("bench.sweeps.judges.validated", judged)
    outcome = tune(shifted(), 7, tmp_path)
    assert [trial.state for trial in outcome.trials] == ["complete"] * 5 + ["pruned"] * 2
    assert outcome.trials[-1].validation_psnr == 10.0


def test_the_command_and_a_suite_of_tuned_methods(attack):
    """``bench tune`` writes recipe and figure; ``--tune`` gives each method its trials."""
    from pathlib import Path

    words = ["cgls", "-o", "denoising", "-d", DATA, "--trials", "3", "--device", "cpu"]
    code, told = attack(["tune", *words])
    assert code == 0, told
    assert "the best of 3 trials" in told
    (recipe,) = Path("results/studies").glob("*.toml")
    assert found.read(recipe).trials == 3
    assert recipe.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    Path("two.toml").write_text(SUITE, encoding="utf-8")
    code, told = attack(["run", "two.toml", "--tune", "3", "--device", "cpu"])
    assert code == 0, told
    budgets = {r.spec.model.name: r.spec.trials for r in load(Path("results")).records}
    assert budgets == {"cgls": 3, "landweber": 3, "mean": 0, "inverse": 0}
    code, told = attack(["run", "-m", *words[:5], "--tune", "3", "--device", "cpu"])
    assert code == 0, told
    assert {r.spec.model.name: r.budget.trials for r in load(Path("results")).records}["cgls"] >= 3
