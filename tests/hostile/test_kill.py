"""kill -9 of a run, repeated until it is done: it ends as if nothing had happened, and nothing is left."""

import os
import random
import signal
import time

import pandas as pd

from bench.runs.request import specify
from bench.runs.runner import Run


def _work(spec, results):
    # Slow enough that most kills come in the middle of something.
    Run(spec).execute(results, report=lambda progress: time.sleep(0.005))


def test_killed_until_it_is_done(tmp_path, tiny, world, forked):
    """Scores are those of an undisturbed run; no temporary folder, lease or checkpoint stays."""
    spec = specify("denoising", "unet:width=4", tiny, changes={"epochs": 4, "batch_size": 8})
    expected = Run(spec).execute(tmp_path / "whole")
    results, turn, kills = tmp_path / "cut", random.Random(0), 0
    wanted = 50 if world.large else 5
    while kills < wanted:
        process = forked(_work, spec, results)
        process.join(turn.uniform(0, 1.5))
        if process.is_alive():
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
        process.join(60)
        assert process.exitcode is not None
        if Run(spec).recorded(results):
            break
    record = Run(spec).execute(results)
    pd.testing.assert_frame_equal(record.per_unit, expected.per_unit, check_exact=True)
    assert [path.name for path in (results / "runs").iterdir()] == [record.fingerprint]
    assert list((results / "checkpoints").iterdir()) == []
    assert kills
