"""What a sweep costs beside its runs: 200 runs of a second, a run that does nothing, and the client's memory.

Printed, not asserted: ``pytest tests/benchmarks/test_sweep_speed.py -s``. ``BENCH_LARGE=1`` takes 5,000 runs
for the client's memory, which else stops at 1,000. Where benchmarks are off, all is done with ten runs.
"""

import os
import time

import pytest

from bench.console.runs import kept
from bench.sweeps.means import Means
from bench.sweeps.plan import plan, sweep

DATA = "ellipses:size=16,train=20,test=4"
JOBS = 2
SLEEPING = """
import time

from bench import Model


class Sleeping(Model):
    def __init__(self, number: int = 0):
        self.number = number

    def fit(self, problem):
        time.sleep({seconds})
        return []

    def reconstruct(self, y, operator, generator):
        return y
"""


@pytest.fixture
def some(request):
    """So many runs as are asked for; ten where benchmarks are off."""
    return lambda count: 10 if request.config.getoption("benchmark_disable") else count


@pytest.fixture
def sleeping(plugin):
    """So many runs, each of which sleeps so long."""

    def make(count, seconds):
        path = plugin("sleeping", SLEEPING.format(seconds=seconds))
        models = [f"{path}:number={number}" for number in range(count)]
        return plan(["denoising"], models, DATA, baselines=False, device="cpu")

    return make


def spent(runs, results, means):
    """Seconds from the first records, by which all workers have started, to the last."""
    found = sweep(runs, results, means=means)
    for _ in range(means.jobs):
        next(found)
    started = time.perf_counter()
    for _ in found:
        pass
    return time.perf_counter() - started


def test_speed_up(sleeping, some, tmp_path):
    """200 runs of one second on two workers against half their number of seconds (at least 0.9 of it)."""
    count = some(200)
    runs = sleeping(count, 1.0)
    seconds = spent(runs, tmp_path, Means(jobs=JOBS, threads=1))
    ideal = (count - JOBS) / JOBS
    share = ideal / seconds
    print(
        f"\n{count} runs of 1 s on {JOBS} workers: {seconds:.1f} s, {share:.3f} of the ideal (at least 0.9)"
    )


def test_overhead(sleeping, some, tmp_path):
    """What scheduling costs: runs that do nothing by a worker, less the same in this process."""
    count = some(100)
    runs = sleeping(count, 0.0)
    here = spent(runs, tmp_path / "alone", Means(threads=1))
    # With a timeout, a worker does what else this process would do.
    there = spent(runs, tmp_path / "worker", Means(threads=1, timeout=1000.0))
    each = [1000 * seconds / (count - 1) for seconds in (here, there)]
    print(
        f"\n{count} runs of nothing: {each[0]:.1f} ms each in one process, {each[1]:.1f} ms by a worker: "
        f"{each[1] - each[0]:.1f} ms for scheduling (at most 50)"
    )


def test_client_memory(sleeping, some, tmp_path):
    """Memory of the client, which keeps of every record what its table needs, as the command does."""
    import psutil

    count = some(5000 if os.environ.get("BENCH_LARGE") else 1000)
    records, seen = [], {}
    for run, record in sweep(sleeping(count, 0.0), tmp_path, means=Means(jobs=JOBS, threads=1)):
        records.append(kept(run, record))
        if len(records) in (some(100), count):
            seen[len(records)] = psutil.Process().memory_info().rss / 1e6
    print("\nclient: " + ", ".join(f"{number} runs {mb:.0f} MB" for number, mb in seen.items()))
