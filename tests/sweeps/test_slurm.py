"""A real SLURM on this machine, started here: a suite through ``--cluster``, and a job that is cancelled."""

import getpass
import os
import shutil
import socket
import subprocess
import sys
import time

import pytest

from bench.leaderboard.loading import load
from bench.sweeps.means import Means
from bench.sweeps.plan import plan, sweep

PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "scancel")
MISSING = [name for name in PROGRAMS if not shutil.which(name, path=PATH)]
pytestmark = [
    pytest.mark.skipif(bool(MISSING), reason=f"SLURM is not installed: no {', '.join(MISSING)}"),
    pytest.mark.skipif(getpass.getuser() != "root", reason="slurmd is started by root only"),
]
pytest.importorskip("dask_jobqueue", reason="dask-jobqueue is not installed")

DATA = "ellipses:size=16,train=20,test=4"
CONF = """
ClusterName=invbench
SlurmctldHost=localhost
AuthType=auth/munge
AuthInfo=socket={home}/munge.socket
SlurmUser=root
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmctldPidFile={home}/slurmctld.pid
SlurmdPidFile={home}/slurmd.pid
StateSaveLocation={home}/state
SlurmdSpoolDir={home}/spool
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
KillWait=1
NodeName=localhost CPUs={cpus} RealMemory={megabytes} State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
CLUSTER = """
system = "slurm"
queue = "main"
jobs = 2
walltime = "00:10:00"
memory = "2GB"
interface = "lo"
"""
SUITE = """
title = "Small"
dataset = "ellipses:size=16,train=20,test=4"
seeds = [0, 1]

[[runs]]
operators = ["denoising"]
models = ["unet:width=4"]
recipe = { epochs = 2 }
"""
#: A network of which an epoch, one step, takes a tenth of a second.
SLOW = """
import time

from torch import nn


class _Slow(nn.Conv2d):
    def forward(self, x):
        time.sleep(0.1 * self.training)
        return super().forward(x)


def slow(in_channels, out_channels):
    return _Slow(in_channels, out_channels, 3, padding=1)
"""


def free_ports(count):
    """Numbers of ports that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    """munged, slurmctld and slurmd, with a node of this machine's cores; the environment of its commands."""
    home = tmp_path_factory.mktemp("slurm")
    (home / "state").mkdir()
    (home / "spool").mkdir()
    (home / "key").write_bytes(os.urandom(128))
    (home / "key").chmod(0o400)
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    conf = home / "slurm.conf"
    cpus = os.cpu_count()
    conf.write_text(CONF.format(home=home, ports=free_ports(2), cpus=cpus, megabytes=pages // 2**21))
    env = os.environ | {"PATH": PATH, "SLURM_CONF": str(conf)}
    files = [f"--{name}-file={home / name}" for name in ("key", "pid", "log", "seed")]
    programs = [
        ["munged", "--foreground", "--force", f"--socket={home}/munge.socket", *files],
        ["slurmctld", "-D", "-i"],
        ["slurmd", "-D", "-N", "localhost"],
    ]
    running = []
    try:
        for words in programs:
            with (home / f"{words[0]}.out").open("w") as out:
                running.append(subprocess.Popen(words, env=env, cwd=home, stdout=out, stderr=out))
            time.sleep(0.5)
        deadline = time.monotonic() + 60
        while "idle" not in (state := output(env, "sinfo", "--noheader", "--format=%t")):
            assert time.monotonic() < deadline, (state, (home / "slurmctld.out").read_text()[-2000:])
            time.sleep(0.5)
        yield env
        output(env, "scancel", "--user=root")
    finally:
        for process in reversed(running):
            process.terminate()
            process.wait(30)


def output(env, *words):
    """What a command of SLURM's says."""
    return subprocess.run(words, env=env, capture_output=True, text=True, check=False).stdout


@pytest.fixture
def cluster(tmp_path):
    """The TOML of a cluster."""
    path = tmp_path / "cluster.toml"
    path.write_text(CLUSTER)
    return path


def test_a_suite(slurm, cluster, tmp_path):
    """The command submits jobs, follows their runs, and records the scores that they have one by one.

    Nothing is imported because it lies where the jobs are submitted from.
    """
    suite = tmp_path / "small.toml"
    suite.write_text(SUITE)
    for name in ("socket", "numpy", "yaml"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported because it lies there')")
    words = [sys.executable, "-m", "bench", "run", str(suite), "--device", "cpu"]
    done = subprocess.run(
        [*words, "--cluster", str(cluster)], env=slurm, cwd=tmp_path,
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "epoch 2/2" in done.stdout
    there = load(tmp_path / "results")
    assert not there.skipped
    assert {record.status for record in there.records} == {"ok"}
    # The jobs' own output lies with the results, and no job is left.
    assert list((tmp_path / "results" / "cluster").iterdir())
    assert output(slurm, "squeue", "--noheader").strip() == ""
    alone = subprocess.run(
        [*words, "--results", "alone", "--threads", "1"], env=slurm, cwd=tmp_path,
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert alone.returncode == 0, alone.stderr
    here = load(tmp_path / "alone")
    scores = [{r.fingerprint: r.scores for r in found.records} for found in (there, here)]
    assert scores[0] == scores[1]


def test_jobs_that_are_cancelled(slurm, cluster, tmp_path, plugin, monkeypatch):
    """As when their walltime is over: a new job is submitted, and the run goes on from its checkpoint."""
    import dask

    for key, value in slurm.items():
        monkeypatch.setenv(key, value)
    changes = {"epochs": 40, "batch_size": 20}
    runs = plan(["denoising"], [plugin("slow", SLOW)], DATA, baselines=False, device="cpu", changes=changes)
    epochs, cancelled = [], []

    def report(run, step):
        if step.epoch:
            epochs.append(step.epoch)
        if step.epoch >= 5 and not cancelled:
            cancelled.append(len(epochs))
            output(slurm, "scancel", "--user=root")

    with dask.config.set({"distributed.deploy.lost-worker-timeout": "1s"}):
        ((_, record),) = sweep(runs, tmp_path, means=Means(cluster=cluster), report=report)
    assert record.status == "ok"
    after = epochs[cancelled[0] :]
    assert min(after) >= epochs[cancelled[0] - 1] - 1
