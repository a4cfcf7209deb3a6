"""Runs on a real Dask scheduler with two workers on loopback, with and without a shared disk."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from bench.errors import UsageError
from bench.leaderboard.loading import load
from bench.losses import find_loss
from bench.optimizers import find_optimizer
from bench.runs.following import log_folder, loggers
from bench.runs.interface import run
from bench.runs.request import specify
from bench.runs.runner import Run
from bench.runs.transfer import targets
from bench.sweeps import remote
from bench.sweeps.means import Means
from bench.sweeps.plan import plan, sweep

distributed = pytest.importorskip("distributed")
dask = pytest.importorskip("dask")

DATA = "ellipses:size=16,train=20,test=4"
#: A network by path that in the third step of its start number so-and-so does something harmful.
HARMFUL = """
import os, signal, time
from pathlib import Path

import torch
from torch import nn

CALLS = Path({calls!r})


class _Harmful(nn.Conv2d):
    steps = 0

    def forward(self, x):
        self.steps += self.training
        if self.training and self.steps == 1:
            with CALLS.open("a") as file:
                file.write("x")
        if self.steps == 3 and {when}:
            {harm}
        return super().forward(x)


def harmful(in_channels, out_channels):
    return _Harmful(in_channels, out_channels, 3, padding=1)
"""
LOGGER = """
from bench import Logger


class Own(Logger):
    def begin(self, folder, spec):
        self.folder = folder
        folder.mkdir(parents=True)

    def epoch(self, epoch):
        with (self.folder / "log.txt").open("a") as file:
            file.write(f"{epoch.epoch} ")
"""
#: Its process is killed; its Dask worker is killed; it takes two gigabytes, where a worker has 1.5.
KILL = "os.kill(os.getpid(), signal.SIGKILL)"
KILL_WORKER = "os.kill(os.getppid(), signal.SIGKILL); time.sleep(60)"
EAT = "self.eaten = torch.ones(2 * 10**9, dtype=torch.uint8); time.sleep(60)"
ONCE, ALWAYS = "len(CALLS.read_text()) == 1", "True"


def start(home, *words, **env):
    """A program of Dask's as a process."""
    return subprocess.Popen(
        [sys.executable, "-m", f"distributed.cli.{words[0]}", "--no-dashboard", *words[1:]],
        cwd=home,
        env=os.environ | env,
        stderr=subprocess.DEVNULL,
    )


@contextmanager
def scheduling(home, *more, **env):
    """A scheduler on loopback, and the file that says where it is."""
    file = home / "scheduler.json"
    words = ("--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(file))
    process = start(home, "dask_scheduler", *words, *more, **env)
    try:
        yield file
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """On a busy machine a scheduler that is there may take its time to answer."""
    monkeypatch.setattr("bench.sweeps.cluster.CONNECT", 120.0)


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory):
    """Address of a scheduler with two workers, each with one thread and 1.5 GB."""
    home = tmp_path_factory.mktemp("cluster")
    with scheduling(home, DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="1") as file:
        workers = [
            start(home, "dask_worker", "--scheduler-file", str(file), "--nthreads", "1", "--memory-limit",
                  "1.5GB", "--local-directory", str(home / f"worker{number}"))
            for number in range(2)
        ]  # fmt: skip
        with distributed.Client(scheduler_file=str(file), timeout=120) as client:
            client.wait_for_workers(2, timeout=120)
            yield client.scheduler.address
        for process in workers:
            process.terminate()
            process.wait(30)


@pytest.fixture
def harmful(plugin, tmp_path):
    """Writes that network, and returns the runs of it and what tells of its starts."""

    def write(harm="pass", when="False", epochs=6):
        calls = tmp_path / "calls"
        path = plugin("harmful", HARMFUL.format(calls=str(calls), harm=harm, when=when))
        changes = {"epochs": epochs}
        return plan(["denoising"], [path], DATA, baselines=False, device="cpu", changes=changes), calls

    return write


@pytest.fixture
def no_shared_disk(monkeypatch):
    """Workers that do not see the results folder: as if it lay on another disk."""
    from bench.sweeps import cluster

    def elsewhere(spec, fingerprint, code, token, *more):
        return remote.Parcel(spec, fingerprint, code, token.parent / "elsewhere" / token.name, *more)

    monkeypatch.setattr(cluster, "Parcel", elsewhere)


def scores(records):
    """Scores by name of the run."""
    return {record.fingerprint: record.scores for record in records}


def test_the_same_scores_as_one_by_one(scheduler, no_shared_disk, tmp_path, harmful, plugin):
    """A plug-in by path travels by content; records come back whole, with the user's own path in them."""
    runs, _ = harmful(epochs=2)
    runs += plan(["denoising"], ["unet:width=4"], DATA, device="cpu", changes={"epochs": 2})
    told, there = [], tmp_path / "there"
    log = loggers([plugin("own", LOGGER)])
    on_cluster = Means(threads=1, scheduler=scheduler, log=log)
    records = [r for _, r in sweep(runs, there, means=on_cluster, report=lambda run, step: told.append(step))]
    here = [record for _, record in sweep(runs, tmp_path / "here", means=Means(threads=1))]
    assert {record.status for record in records} == {"ok"}
    assert scores(records) == scores(here)
    assert {record.provenance.threads for record in records} == {1}
    assert any(step.stage == "training" and step.epoch == 2 for step in told)
    loaded = load(there)
    assert not loaded.skipped
    assert runs[0].spec.model.name in {record.spec.model.name for record in loaded.records}
    assert "invbench-code" not in "".join(path.read_text() for path in there.rglob("record.json"))
    assert not list(there.glob(".shared-*"))
    written = log_folder(there, log[0], runs[0].spec, runs[0].fingerprint) / "log.txt"
    assert written.read_text() == "1 2 "
    again = [r for _, r in sweep(runs, there, means=Means(scheduler=scheduler))]
    assert scores(again) == scores(records)


def test_a_loss_and_an_optimiser_travel_too(plugin, tmp_path, monkeypatch):
    """Files that the recipe names lie where the worker has them, with their parameters."""
    loss = plugin(
        "loss",
        "def mine(image, truth, share: float = 1.0):\n    return share * (image - truth).abs().mean()\n",
    )
    optimizer = plugin("slow", "from torch.optim import SGD\n\nclass Slow(SGD):\n    pass\n")
    changes = {"loss": f"{loss}:share=0.5", "optimizer": optimizer}
    spec = specify("denoising", "unet:width=4", "photos:size=16,train=8,test=2", changes=changes)
    worker = SimpleNamespace(local_directory=str(tmp_path / "worker"))
    monkeypatch.setattr("distributed.get_worker", lambda: worker)
    parcel = remote.Parcel(spec, "", remote.code_of(spec), tmp_path / "token")
    for path in (loss, optimizer):
        Path(path).unlink()
    there, _ = remote._unpacked(parcel)
    assert there.recipe.loss.startswith(worker.local_directory)
    assert there.recipe.loss.endswith("/loss.py:share=0.5")
    assert find_loss(there.recipe.loss)(torch.ones(2), torch.zeros(2)) == 0.5
    assert find_optimizer(there.recipe)[0].__name__ == "Slow"


@pytest.mark.parametrize("harm", [KILL, KILL_WORKER, EAT])
def test_a_worker_that_dies_once(scheduler, tmp_path, harmful, harm):
    """Killed or out of memory, a run goes on from its checkpoint where the disk is shared, and is whole."""
    (run,), calls = harmful(harm, ONCE)
    told = []
    found = sweep(
        [run], tmp_path / "results", means=Means(threads=1, scheduler=scheduler),
        report=lambda run, step: told.append(step),
    )  # fmt: skip
    ((_, record),) = found
    assert (record.status, calls.read_text()) == ("ok", "xx")
    epochs = [step.epoch for step in told if step.stage == "training"]
    assert epochs == sorted(epochs)


@pytest.mark.parametrize(
    ("harm", "cause"),
    [
        (KILL, "its process was killed by signal 9"),
        (EAT, "out of memory: it took more than the 1.5 GB that its worker has"),
        (KILL_WORKER, "workers died of it"),
    ],
)
def test_every_worker_dies(scheduler, tmp_path, harmful, harm, cause):
    """A run that is the death of whoever does it is a failed row that says so, on disk too."""
    (run,), calls = harmful(harm, ALWAYS)
    ((_, record),) = sweep([run], tmp_path / "results", means=Means(threads=1, scheduler=scheduler))
    assert (record.status, calls.read_text()) == ("failed", "xx")
    assert cause in record.reason
    assert [r.reason for r in load(tmp_path / "results").records] == [record.reason]


def test_where_a_plugin_failed(scheduler, tmp_path, harmful):
    """Its record names the user's own file, though on the worker it lay elsewhere."""
    (run,), _ = harmful("raise ValueError('no')", ALWAYS)
    ((_, record),) = sweep([run], tmp_path / "results", means=Means(threads=1, scheduler=scheduler))
    (kept,) = load(tmp_path / "results").records
    for one in (record, kept):
        assert one.spec.model == run.spec.model
        assert one.error.place.startswith(f"{run.spec.model.name}, line ")
        assert f'"{run.spec.model.name}", line ' in one.error.traceback
        assert one.sources == run.sources


@pytest.fixture
def slow(plugin, tmp_path):
    """Runs of a network of which an epoch, one step, takes a fifth of a second."""
    text = HARMFUL.replace("self.steps == 3", "self.training")
    path = plugin("slow", text.format(calls=str(tmp_path / "calls"), harm="time.sleep(0.2)", when="True"))
    changes = {"epochs": 1000, "batch_size": 20}
    return plan(["denoising"], [path], DATA, baselines=False, device="cpu", changes=changes)


def test_time_is_up_or_interrupted(scheduler, tmp_path, slow):
    """Stopped where it is, as failed or taken back, a run is gone on with by the same command."""
    told, means = [], Means(threads=1, scheduler=scheduler)

    def until(run, step, least):
        told.append(step.epoch)
        if step.epoch >= least:
            raise KeyboardInterrupt

    # On a busy machine, time may be up before the first epoch is.
    for seconds in (2.0, 8.0, 32.0, 128.0):
        late = Means(threads=1, scheduler=scheduler, timeout=seconds)
        found = sweep(slow, tmp_path, means=late, report=lambda run, step: told.append(step.epoch))
        ((_, record),) = found
        assert record.reason == f"it took longer than the timeout of {seconds:g} s"
        if told[-1] > 2:
            break
    assert told[-1] > 2
    for further in range(2):
        last = told[-1] - further
        told.clear()
        with pytest.raises(KeyboardInterrupt):
            list(sweep(slow, tmp_path, means=means, report=partial(until, least=last + 3)))
        assert next(filter(None, told)) >= last


def test_ctrl_c_at_the_command(scheduler, tmp_path, slow):
    """Once, and twice when it has gone on from there: no traceback, and no worker works on."""
    words = ["-o", "denoising", "-m", slow[0].spec.model.name, "-d", DATA, "--epochs", "1000"]
    words += ["--batch-size", "20", "--no-baselines", "--device", "cpu", "--threads", "1"]
    line, last = [sys.executable, "-m", "bench", "run", *words, "--scheduler", scheduler], 0
    pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    for times in (1, 2):
        process = subprocess.Popen(line, cwd=tmp_path, **pipe)
        epochs = (int(found[1]) for text in process.stdout if (found := re.search(r"epoch (\d+)/1000", text)))
        begun = next(epochs)
        assert begun >= last
        last = next(epoch for epoch in epochs if epoch > begun + 2)
        for _ in range(times):
            process.send_signal(signal.SIGINT)
            time.sleep(0.01)
        output, _ = process.communicate(timeout=60)
        # A shell calls both 130.
        assert process.returncode in (130, -signal.SIGINT)
        assert "Traceback" not in output
        assert times == 2 or "interrupted. 0 of 1 runs are recorded; the same command goes on" in output
        # Leases are given back.
        end = time.monotonic() + 60
        while list((tmp_path / "results" / "runs").iterdir()):
            assert time.monotonic() < end
            time.sleep(0.1)


def test_a_transferred_run_brings_its_weights(scheduler, no_shared_disk, tmp_path):
    """Its source travels with it to a worker that does not see the results; its own record comes back."""
    source = run("denoising", "unet:width=4", DATA, results=tmp_path, epochs=1, device="cpu")
    (spec,) = targets(source, ["denoising:sigma=0.3"], device="cpu")
    ((_, record),) = sweep([Run(spec)], tmp_path, means=Means(threads=1, scheduler=scheduler))
    assert (record.status, record.role) == ("ok", "transfer")
    assert "model.safetensors" not in record.files
    assert Run(spec).execute(tmp_path, force=True).scores == record.scores


def test_tuned_on_a_cluster(scheduler, tmp_path):
    """Trials are judged by the workers, as many as were asked for, each with its recipe."""
    pytest.importorskip("optuna")
    from bench.runs.request import specify
    from bench.sweeps.tune import tune

    spec = specify("denoising", "unet:width=4", DATA, device="cpu", changes={"epochs": 2})
    told = []
    outcome = tune(spec, 4, tmp_path, Means(threads=1, scheduler=scheduler), told.append)
    assert sorted(trial.number for trial in told) == [1, 2, 3, 4]
    assert {trial.state for trial in told} <= {"complete", "pruned"}
    here = tune(spec, 1, tmp_path / "here", Means(threads=1))
    first = next(trial for trial in outcome.trials if trial.number == 1)
    assert first.validation_psnr == pytest.approx(here.validation_psnr, abs=1e-6)


def test_nobody_there(tmp_path, monkeypatch):
    """An address where no scheduler is."""
    monkeypatch.setattr("bench.sweeps.cluster.CONNECT", 1.0)
    runs = plan(["denoising"], ["mean"], DATA, baselines=False, device="cpu")
    with pytest.raises(UsageError, match="no Dask scheduler answers"):
        list(sweep(runs, tmp_path, means=Means(scheduler="tcp://127.0.0.1:9")))


def test_a_scheduler_without_workers(tmp_path, monkeypatch):
    """It is said that none is there; whoever waits can stop waiting."""
    monkeypatch.setattr("bench.sweeps.cluster.PATIENCE", 0.1)
    runs = plan(["denoising"], ["mean"], DATA, baselines=False, device="cpu")
    with scheduling(tmp_path) as file:
        with distributed.Client(scheduler_file=str(file), timeout=120) as client:
            address = client.scheduler.address

        def told(run, step):
            assert step.stage == f"waiting for a worker: none is with the scheduler {address}"
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            list(sweep(runs, tmp_path / "results", means=Means(scheduler=address), report=told))
    assert not list((tmp_path / "results").glob(".shared-*"))


def certificate(home):
    """A key and a certificate for 127.0.0.1 that vouches for itself, as files."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "invbench")])
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - timedelta(1)).not_valid_after(now + timedelta(1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    encoding, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    pem = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, plain)
    (home / "key.pem").write_bytes(pem)
    (home / "cert.pem").write_bytes(made.public_bytes(encoding))
    return str(home / "key.pem"), str(home / "cert.pem")


def test_tls(tmp_path):
    """With Dask's own settings for TLS runs are done over it; who has no certificate is not let in."""
    key, cert = certificate(tmp_path)
    tls = ["--tls-ca-file", cert, "--tls-cert", cert, "--tls-key", key]
    ours = {"ca-file": cert, "client.cert": cert, "client.key": key}
    ours = {f"distributed.comm.tls.{name}": value for name, value in ours.items()}
    runs = plan(["denoising"], ["mean"], DATA, baselines=False, device="cpu")
    with scheduling(tmp_path, "--protocol", "tls", *tls) as file:
        worker = start(tmp_path, "dask_worker", "--scheduler-file", str(file), "--nthreads", "1", *tls)
        try:
            while not file.is_file():
                time.sleep(0.1)
            means = Means(threads=1, scheduler=json.loads(file.read_text())["address"])
            assert means.scheduler.startswith("tls://127.0.0.1:")
            with dask.config.set(ours):
                ((_, record),) = sweep(runs, tmp_path / "results", means=means)
            assert record.status == "ok"
            with pytest.raises(UsageError, match="no Dask scheduler answers at tls://"):
                list(sweep(runs, tmp_path / "without", means=means))
        finally:
            worker.terminate()
            worker.wait(30)


def test_a_slurm_job_as_it_is_submitted(tmp_path):
    """Queue, walltime and GPUs of the TOML stand in the script that SLURM gets; nothing is submitted."""
    pytest.importorskip("dask_jobqueue")
    from bench.sweeps.batch import batch

    file = tmp_path / "cluster.toml"
    file.write_text("jobs = 0\ngpus = 2\ncores = 8\nqueue = 'gpu'\nwalltime = '02:00:00'\nmemory = '8GB'\n")
    with batch(file, tmp_path) as jobs:
        script = jobs.made.job_script()
    for line in (
        "#SBATCH -p gpu",
        "#SBATCH -t 02:00:00",
        "#SBATCH --gres=gpu:2",
        "--resources GPU=2",
        " -P -m distributed",
    ):
        assert line in script
    # Two runs at a time, with four cores each: of two --nthreads the last holds.
    assert script.rindex("--nthreads 2") > script.index("--nthreads 8")
    assert (jobs.each, jobs.threads) == (2, 4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("system = 'slurmm'", "unknown system 'slurmm'"),
        ("jobs = 'two'", "jobs must be a whole number, not 'two'"),
        ("runs = 0", "runs must be a whole number"),
        ("quue = 'gpu'", "quue"),
        ("= 3", "cluster.toml"),
    ],
)
def test_bad_cluster_files(tmp_path, text, message):
    """A file that makes no sense is refused by what is wrong."""
    pytest.importorskip("dask_jobqueue")
    runs = plan(["denoising"], ["mean"], DATA, baselines=False, device="cpu")
    bad = tmp_path / "cluster.toml"
    bad.write_text(text)
    with pytest.raises(UsageError, match=message):
        list(sweep(runs, tmp_path, means=Means(cluster=bad)))
