"""kill -9 of a run, repeated until it is done: it ends as if nothing had happened, and nothing is left."""

import multiprocessing
import os
import random
import signal
import time
from functools import partial
from itertools import count

import pandas as pd
import pytest
import torch

from bench import tensors
from bench.runs.request import specify
from bench.runs.runner import Run


def _work(spec, results):
    # Slow enough that most kills come in the middle of something.
    Run(spec).execute(results, report=lambda progress: time.sleep(0.005))


def _kill_until_done(spec, results, forked, turn):
    """Start a run and kill it, again and again until it is recorded; how often it was killed."""
    kills = 0
    while not Run(spec).recorded(results):
        process = forked(_work, spec, results)
        # Longer and longer: an epoch has to fit in between.
        process.join(turn.uniform(0, 1.5 + kills / 10))
        if process.is_alive():
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
        process.join(60)
        assert process.exitcode is not None
    return kills


def test_killed_until_it_is_done(tmp_path, tiny, world, forked):
    """Scores are those of an undisturbed run; no temporary folder, lease or checkpoint stays."""
    spec = specify("denoising", "unet:width=4", tiny, changes={"epochs": 4, "batch_size": 8})
    expected = Run(spec).execute(tmp_path / "whole")
    kills, turn, folders = 0, random.Random(0), count()
    while kills < (50 if world.large else 1):
        # A new one each time: a run may be done before it is killed.
        results = tmp_path / f"cut{next(folders)}"
        kills += _kill_until_done(spec, results, forked, turn)
        record = Run(spec).execute(results)
        pd.testing.assert_frame_equal(record.per_unit, expected.per_unit, check_exact=True)
        assert [path.name for path in (results / "runs").iterdir()] == [record.fingerprint]
        assert list((results / "checkpoints").iterdir()) == []


#: Recorded measurements, which worker processes read while the network learns.
SCANS = """
import torch
from bench.datasets import Dataset, Split, Splits
from bench.operators.shared.chain import Identity

class Scans(Split):
    def __init__(self, first, count):
        self.first, self.count = first, count
    def __len__(self):
        return self.count
    def __getitem__(self, index):
        return torch.rand(1, 16, 16, generator=torch.Generator().manual_seed(self.first + index))
    def measurement(self, index):
        return self[index] ** 2
    def operator(self, indices):
        return Identity((1, 16, 16))

class Scanner(Dataset):
    '''Scans as they were recorded.'''
    brings_operator = True
    def load(self):
        return Splits(Scans(0, 40), Scans(100, 6), Scans(200, 4))
"""


def _readers(world, process):
    """The worker processes of a run as soon as there are some; ``[None]`` when it has ended."""
    return world.children(process.pid) if process.is_alive() else [None]


def _gone(world, processes):
    return not any(world.lives(process) for process in processes if process)


@pytest.mark.usefixtures("forked")  # for its one thread
def test_a_streamed_training_goes_on(tmp_path, plugin, world, forked):
    """Killed while worker processes read for it: the same weights and scores as undisturbed, nobody left."""
    spec = specify("", "unet:width=4", plugin("scans", SCANS), changes={"epochs": 4, "batch_size": 4})
    expected = Run(spec).execute(tmp_path / "whole")
    results, kills, seen = tmp_path / "cut", 0, 0
    for wait in (0.0, 0.3, 0.6):
        # No daemon, as those of ``forked`` are: such a process may have no worker processes.
        process = multiprocessing.get_context("fork").Process(target=_work, args=(spec, results))
        process.start()
        watch = partial(_readers, world, process)
        readers = world.wait_for(watch) if process.is_alive() else []
        process.join(wait)
        if process.is_alive():
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
        process.join(60)
        assert process.exitcode is not None
        seen += readers != [None]
        world.wait_for(partial(_gone, world, readers))
    record = Run(spec).execute(results)
    pd.testing.assert_frame_equal(record.per_unit, expected.per_unit, check_exact=True)
    weights, _ = tensors.load(record.folder / "model.safetensors")
    undisturbed, _ = tensors.load(expected.folder / "model.safetensors")
    assert all(torch.equal(weights[name], undisturbed[name]) for name in undisturbed)
    assert list((results / "checkpoints").iterdir()) == []
    assert kills
    assert seen
