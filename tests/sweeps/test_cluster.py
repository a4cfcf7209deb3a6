"""Runs on a real Dask scheduler with two workers on loopback, with and without a shared disk."""

import os
import subprocess
import sys

import pytest

from bench.errors import UsageError
from bench.leaderboard.loading import load
from bench.runs.interface import run
from bench.runs.runner import Run
from bench.runs.transfer import targets
from bench.sweeps.means import Means
from bench.sweeps.plan import plan, sweep

distributed = pytest.importorskip("distributed")

DATA = "ellipses:size=16,train=20,test=4"
#: A network by path that dies in its second step, where its file of starts has one line.
DYING = """
import os, signal
from pathlib import Path

from torch import nn

CALLS = Path({calls!r})


class _Dying(nn.Conv2d):
    steps = 0

    def forward(self, x):
        self.steps += self.training
        if self.training and self.steps == 1:
            with CALLS.open("a") as file:
                file.write("x")
        if self.steps == 3 and {when}:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().forward(x)


def dying(in_channels, out_channels):
    return _Dying(in_channels, out_channels, 3, padding=1)
"""


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory):
    """Address of a scheduler with two worker processes, each with one thread."""
    home = tmp_path_factory.mktemp("cluster")
    env = os.environ | {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1", "TMPDIR": str(home)}
    program = [sys.executable, "-m"]
    file = home / "scheduler.json"
    started = [
        subprocess.Popen(
            [*program, "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0",
             "--no-dashboard", "--scheduler-file", str(file)],
            cwd=home, env=env, stderr=subprocess.DEVNULL,
        )
    ]  # fmt: skip
    started += [
        subprocess.Popen(
            [*program, "distributed.cli.dask_worker", "--scheduler-file", str(file), "--nthreads", "1",
             "--no-dashboard", "--local-directory", str(home / f"worker{number}")],
            cwd=home, env=env, stderr=subprocess.DEVNULL,
        )
        for number in range(2)
    ]  # fmt: skip
    with distributed.Client(scheduler_file=str(file), timeout=120) as client:
        client.wait_for_workers(2, timeout=120)
        yield client.scheduler.address
    for process in reversed(started):
        process.terminate()
        process.wait(30)


@pytest.fixture
def no_shared_disk(monkeypatch):
    """Workers that do not see the results folder: as if it lay on another disk."""
    from bench.sweeps import cluster

    packed = cluster.packed

    def elsewhere(run, results, token, force, means):
        return packed(run, results, token.with_name(f"{token.name}-elsewhere"), force, means)

    monkeypatch.setattr(cluster, "packed", elsewhere)


def scores(records):
    """Scores by name of the run."""
    return {record.fingerprint: record.scores for record in records}


def test_the_same_scores_as_one_by_one(scheduler, no_shared_disk, tmp_path, plugin):
    """A plug-in by path travels by content; records come back whole, with the user's own path in them."""
    path = plugin("dying", DYING.format(calls=str(tmp_path / "calls"), when="False"))
    changes = {"epochs": 2}
    runs = plan(["denoising"], ["unet:width=4", path], DATA, device="cpu", changes=changes)
    told = []
    there = [
        record
        for _, record in sweep(
            runs, tmp_path / "there", means=Means(threads=1, scheduler=scheduler),
            report=lambda run, step: told.append(step.stage),
        )
    ]  # fmt: skip
    here = [record for _, record in sweep(runs, tmp_path / "here", means=Means(threads=1))]
    assert {record.status for record in there} == {"ok"}
    assert scores(there) == scores(here)
    loaded = load(tmp_path / "there")
    assert not loaded.skipped
    assert path in {record.spec.model.name for record in loaded.records}
    assert not list((tmp_path / "there").glob(".shared-*"))
    again = [r for _, r in sweep(runs, tmp_path / "there", means=Means(scheduler=scheduler))]
    assert scores(again) == scores(there)


def test_a_transferred_run_brings_its_weights(scheduler, no_shared_disk, tmp_path):
    """Its source travels with it to a worker that does not see the results; its own record comes back."""
    source = run("denoising", "unet:width=4", DATA, results=tmp_path, epochs=1, device="cpu")
    (spec,) = targets(source, ["denoising:sigma=0.3"], device="cpu")
    ((_, record),) = sweep([Run(spec)], tmp_path, means=Means(threads=1, scheduler=scheduler))
    assert (record.status, record.role) == ("ok", "transfer")
    assert "model.safetensors" not in record.files
    assert Run(spec).execute(tmp_path, force=True).scores == record.scores


def test_a_worker_that_is_killed(scheduler, tmp_path, plugin):
    """Its run goes on, on a worker that shares the disk from its checkpoint, and is whole."""
    calls = tmp_path / "calls"
    path = plugin("dying", DYING.format(calls=str(calls), when="len(CALLS.read_text()) == 1"))
    runs = plan(["denoising"], [path], DATA, baselines=False, device="cpu", changes={"epochs": 6})
    ((_, record),) = sweep(runs, tmp_path / "results", means=Means(threads=1, scheduler=scheduler))
    assert (record.status, calls.read_text()) == ("ok", "xx")


def test_nobody_there(tmp_path):
    """An address where no scheduler is, and a file that names none."""
    runs = plan(["denoising"], ["mean"], DATA, baselines=False, device="cpu")
    with pytest.raises(UsageError, match="no Dask scheduler answers"):
        list(sweep(runs, tmp_path, means=Means(scheduler="tcp://127.0.0.1:9")))
    bad = tmp_path / "cluster.toml"
    bad.write_text("system = 'slurmm'")
    with pytest.raises(UsageError, match="unknown system 'slurmm'"):
        list(sweep(runs, tmp_path, means=Means(cluster=bad)))


def test_a_slurm_job_as_it_is_submitted(tmp_path):
    """Queue, walltime and GPUs of the TOML stand in the script that SLURM gets; nothing is submitted."""
    pytest.importorskip("dask_jobqueue")
    from bench.sweeps.cluster import batch

    file = tmp_path / "cluster.toml"
    file.write_text("jobs = 0\ngpus = 1\nqueue = 'gpu'\nwalltime = '02:00:00'\nmemory = '8GB'\n")
    with batch(Means(cluster=file)) as made:
        script = made.job_script()
    for line in ("#SBATCH -p gpu", "#SBATCH -t 02:00:00", "#SBATCH --gres=gpu:1", "--resources GPU=1"):
        assert line in script
