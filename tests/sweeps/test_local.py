"""Runs in worker processes: one that dies, one that takes too long, and the cores that each has."""

import pytest

from bench.errors import UsageError
from bench.leaderboard.loading import load
from bench.runs.recorded import Elsewhere
from bench.sweeps.means import Means
from bench.sweeps.plan import plan, sweep

#: A network that writes a line at every start of a training, and may then do something else.
TELLING = """
import os, signal, time
from pathlib import Path

from torch import nn

CALLS = Path({calls!r})


class _Telling(nn.Conv2d):
    steps = 0

    def forward(self, x):
        self.steps += self.training
        if self.steps == 1 and self.training:
            with CALLS.open("a") as file:
                file.write(f"{{os.getpid()}}\\n")
        {body}
        return super().forward(x)


def telling(in_channels, out_channels):
    return _Telling(in_channels, out_channels, 3, padding=1)
"""
EPOCHS = {"epochs": 4, "batch_size": 40}


@pytest.fixture
def telling(plugin, tmp_path):
    """Writes a model that tells of its starts, and returns its path and where it tells."""

    def write(body):
        calls = tmp_path / "calls"
        return plugin("telling", TELLING.format(calls=str(calls), body=body)), calls

    return write


def carried_out(model, results, dataset, means, changes=EPOCHS, **more):
    """All stages that were reported, and the records."""
    runs, told = plan(["denoising"], [model], dataset, baselines=False, changes=changes, **more), []
    found = sweep(runs, results, means=means, report=lambda run, step: told.append(step))
    return told, [record for _, record in found]


def test_a_worker_that_dies_once_costs_nothing(telling, tmp_path, tiny):
    """Killed in its third epoch, a run goes on from its checkpoint in another process, to the same scores."""
    once = "if self.training and self.steps == 3 and len(CALLS.read_text().split()) == 1:"
    model, calls = telling(f"{once} os.kill(os.getpid(), signal.SIGKILL)")
    told, (record,) = carried_out(model, tmp_path / "results", tiny, Means(jobs=2))
    assert record.status == "ok"
    assert any(step.stage.startswith("again: its process was killed by signal 9") for step in told)
    assert len(set(calls.read_text().split())) == 2
    after = [step.epoch for step in told[[s.stage[:5] for s in told].index("again") :] if step.epoch]
    assert min(after) == 3
    _, (undisturbed,) = carried_out(model, tmp_path / "undisturbed", tiny, Means(jobs=2))
    assert undisturbed.scores == record.scores


def test_a_run_whose_workers_die_fails_and_says_why(telling, tmp_path, tiny):
    """After one more try a run that kills its worker is a failed row, on disk too."""
    model, calls = telling("os._exit(9)")
    _, (record,) = carried_out(model, tmp_path / "results", tiny, Means(jobs=2))
    assert record.status == "failed"
    assert record.reason == "its process ended with exit code 9"
    assert len(calls.read_text().split()) == 2
    assert [r.reason for r in load(tmp_path / "results").records] == [record.reason]


def test_a_run_that_takes_too_long(telling, tmp_path, tiny):
    """It is stopped, fails with the time it had, and is not tried again."""
    model, _ = telling("time.sleep(0.05 * self.training)")
    changes = {"epochs": 10_000, "batch_size": 40}
    told, (record,) = carried_out(model, tmp_path / "results", tiny, Means(timeout=2.0), changes)
    assert record.status == "failed"
    assert record.reason == "it took longer than the timeout of 2 s"
    assert not any(step.stage.startswith("again") for step in told)


def test_what_took_too_long_is_gone_on_with(telling, tmp_path, tiny):
    """Its checkpoint stays: with more time the same runs begin after the last epoch that was finished."""
    model, _ = telling("time.sleep(0.05 * self.training)")
    changes = {"epochs": 1000, "batch_size": 40}
    # On a busy machine, time may be up before the first epoch is.
    for seconds in (2.0, 8.0, 32.0):
        told, (record,) = carried_out(model, tmp_path, tiny, Means(jobs=2, timeout=seconds), changes)
        assert record.reason == f"it took longer than the timeout of {seconds:g} s"
        if (done := max(step.epoch for step in told)) > 3:
            break
    again, _ = carried_out(model, tmp_path, tiny, Means(jobs=2, timeout=seconds), changes)
    assert min(step.epoch for step in again if step.epoch) >= done > 3


def test_one_that_does_not_stop_is_killed(telling, tmp_path, tiny, monkeypatch):
    """A run that hears no signal is killed when the grace is over."""
    monkeypatch.setattr("bench.sweeps.process.GRACE", 0.5)
    model, _ = telling("signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM]); time.sleep(60)")
    _, (record,) = carried_out(model, tmp_path / "results", tiny, Means(timeout=0.5))
    assert record.reason == "it took longer than the timeout of 0.5 s"


def test_runs_that_wait_are_not_looked_at(tmp_path, tiny, monkeypatch):
    """The client asks the disk of runs alone that somebody else works on: thousands of others may wait."""
    looked = []
    monkeypatch.setattr(Elsewhere, "failure", lambda self: looked.append(self.folder))
    runs = plan(["denoising"], ["mean", "inverse"], tiny, baselines=False)
    assert len(list(sweep(runs, tmp_path, means=Means(jobs=1, timeout=100.0)))) == 2
    assert not looked


def test_threads_change_no_score(tmp_path, tiny):
    """With equal threads, runs of a sweep score as one after another; the record says how many there were."""
    means = [Means(threads=1), Means(jobs=2, threads=1)]
    made = [
        carried_out("unet:width=4", tmp_path / str(m.jobs), tiny, m, {"epochs": 1}, seeds=[0, 1])[1]
        for m in means
    ]
    scores = [{r.fingerprint: (r.scores, r.provenance.threads) for r in records} for records in made]
    assert scores[0] == scores[1]
    assert {threads for _, threads in scores[0].values()} == {1}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"jobs": 0}, "jobs must be at least 1"),
        ({"threads": 0}, "threads must be from 1"),
        ({"timeout": 0.0}, "positive number of seconds, not 0"),
        ({"timeout": float("nan")}, "positive number of seconds, not nan"),
    ],
)
def test_means_that_make_no_sense(wrong, message):
    """Refused with the value, before anything is run."""
    with pytest.raises(UsageError, match=message):
        Means(**wrong)


def test_each_worker_has_its_own_gpu(monkeypatch, tmp_path, tiny):
    """On a machine with several GPUs, runs on ``cuda`` are spread over those that may be used."""
    from bench.sweeps import local, means

    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3, GPU-7a")
    assert means.gpus() == ["3", "GPU-7a"]
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert means.gpus() == ["0", "1"]
    (run,) = plan(["denoising"], ["mean"], tiny, baselines=False, device="cpu")
    assert local.free_gpu([], run.spec.device) is None
    busy = type("Busy", (), {"gpu": "0"})
    assert local.free_gpu([busy], "cuda") == "1"
    assert local.free_gpu([], "cuda:1") is None
