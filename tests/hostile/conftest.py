"""What attacks need: a results folder with one sound record and one to be spoiled, and whole commands.

They are few and small, many with BENCH_HOSTILE=large (``tox -e hostile``).
"""

import multiprocessing
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.numpy import save_file

from bench.component import Component
from bench.leaderboard import find, show
from bench.leaderboard.export import text as exported
from bench.leaderboard.publish import publish
from bench.leaderboard.table import board
from bench.recipe import Recipe
from bench.runs.parts import Data, Provenance
from bench.runs.record import Record
from bench.runs.writing import writing
from bench.spec import RunSpec

GOOD, BAD = "good000000000000", "bad0000000000000"
UNITS = 12


def write(results: Path, name: str, model: str = "unet") -> Path:
    """A sound record of a trained run, with all its files; returns its folder."""
    rng = np.random.default_rng(len(name))
    psnr = 20 + rng.normal(size=UNITS)
    scores = pd.DataFrame(
        {"psnr": psnr, "ssim": np.full(UNITS, 0.5), "group": [f"g{i}" for i in range(UNITS)]}
    )
    spec = RunSpec((Component("xor_ctr"),), Component(model), Component("photos"), recipe=Recipe(epochs=2))
    record = Record(
        name,
        spec,
        scores={"psnr": float(psnr.mean()), "ssim": 0.5},
        timings={"images_per_second": 100.0, "batch_size": 4.0, "total_seconds": 3.0},
        parameters=10,
        data=Data(
            digest="images", test_digest="test", train=40, validation=4, test=UNITS, image_shape=(3, 16, 16)
        ),
        provenance=Provenance(hardware="CPU", time="2026-01-01T00:00:00+00:00"),
    )
    with writing(results, name) as folder:
        scores.to_parquet(folder / "scores.parquet")
        history = {"epoch": [1, 2], "loss": [0.2, 0.1], "validation_psnr": [18.0, 19.0], "lr": [1e-3, 1e-3]}
        pd.DataFrame(history | {"seconds": [1.0, 1.0], "images": [40, 40]}).to_parquet(
            folder / "history.parquet"
        )
        pictures = {k: np.zeros((2, 3, 16, 16), np.uint8) for k in ("measurement", "reconstruction", "truth")}
        save_file(pictures, folder / "samples.safetensors")
        record.write(folder)
    return results / "runs" / name


@pytest.fixture(scope="session")
def sound():
    """Writes a sound record: results folder, name, model."""
    return write


@pytest.fixture(scope="session")
def survives():
    """Reads a results folder by all that reads one, and checks what must hold."""
    return survive


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    """A results folder with two sound records, which nobody changes."""
    results = tmp_path_factory.mktemp("template")
    write(results, GOOD)
    write(results, BAD, "dncnn")
    return results


@pytest.fixture(scope="session")
def fresh(template, tmp_path_factory):
    """Makes a copy of that folder in place of the last one."""
    target = tmp_path_factory.mktemp("attacked") / "results"

    def make() -> Path:
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(template, target)
        return target

    return make


def survive(results: Path, publishing: bool = False) -> None:
    """All that reads results goes through; the good record is there; nothing moves the terminal."""
    whole = board(results)
    names = [r.fingerprint for r in whole.records]
    assert GOOD in names
    assert len(names) + len(whole.loaded.skipped) + len(whole.loaded.outdated) == 2
    printed = [whole.loaded.summary(), exported(whole, "markdown"), exported(whole, "csv")]
    printed += [show.text(whole, find.run(whole.loaded, name)) for name in names]
    assert len(whole.loaded.summary()) < 1000
    for line in "\n".join(printed).splitlines():
        assert line.isprintable(), line
    if publishing:
        publish(whole, results)


#: ``tox -e hostile`` tries much more often.
LARGE = os.environ.get("BENCH_HOSTILE") == "large"

#: A network whose epochs take about a second each, however fast the processor is.
SLOW = """
import time

from torch import nn


class _Slow(nn.Conv2d):
    def forward(self, x):
        if self.training:
            time.sleep({pause})
        return super().forward(x)


def slow(in_channels, out_channels):
    return _Slow(in_channels, out_channels, 3, padding=1)
"""


@pytest.fixture
def slow(plugin):
    """Path of a model that waits at every step."""

    def write(pause):
        return plugin("slow", SLOW.format(pause=pause))

    return write


@pytest.fixture
def command(tmp_path, tiny):
    """Start ``bench run`` in an empty folder, with denoising, a tiny dataset and what else is given."""
    started = []

    def start(*words, cwd=None, program=(sys.executable, "-m", "bench")):
        line = [*program, "run", "-o", "denoising", "-d", tiny, "--no-baselines", *words]
        home = cwd or tmp_path / "home"
        home.mkdir(exist_ok=True)
        process = subprocess.Popen(
            [*line, "--results", str(tmp_path / "results")],
            cwd=home, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "200"},
        )  # fmt: skip
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def wait_for(what, seconds=150):
    """Wait until ``what()`` is true, and return it."""
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.02)
    return found


def children(process):
    """Numbers of the processes that a process has started and that live."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as file:
                    state, parent = file.read().rpartition(")")[2].split()[:2]
            except OSError:
                continue
            if int(parent) == process and state not in "ZX":
                found.append(int(entry))
    return found


def lives(process):
    """Whether a process runs."""
    try:
        with open(f"/proc/{process}/stat") as file:
            return not re.search(r"\) [ZX] ", file.read())
    except OSError:
        return False


@pytest.fixture
def forked():
    """Starts a function in a forked process, which needs no second for its imports, and looks after it.

    Torch works in one thread meanwhile: threads do not survive a fork, and sums depend on their number.
    """
    context, started, threads = multiprocessing.get_context("fork"), [], torch.get_num_threads()
    torch.set_num_threads(1)

    def start(function, *arguments):
        # A daemon: should a test leave it behind, it is ended, not waited for.
        process = context.Process(target=function, args=arguments, daemon=True)
        process.start()
        started.append(process)
        return process

    yield start
    torch.set_num_threads(threads)
    for process in started:
        process.kill()
        process.join()


@pytest.fixture
def world():
    """What is done and seen outside of the commands: ``wait_for``, ``children``, ``lives``, ``large``."""
    return SimpleNamespace(wait_for=wait_for, children=children, lives=lives, large=LARGE)


def pytest_collection_modifyitems(items):
    """Leave out what is marked ``large``, unless it was asked for."""
    for item in items:
        if item.get_closest_marker("large") and not LARGE:
            item.add_marker(pytest.mark.skip(reason="tox -e hostile"))
