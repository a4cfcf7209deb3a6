"""Two ways of doing the same thing, timed in turns: load and heat change both alike."""

import time
from statistics import median

import pytest
import torch


@pytest.fixture
def beside(benchmark):
    """``beside(own, peers, threads)``: benchmark ``own``, and say how many times as long each peer takes.

    By the shortest times and by the medians, of wall time with the threads that torch is set to. Where
    benchmarks are off, all is done once.
    """
    before = torch.get_num_threads()

    def compare(own, peers, threads=1, rounds=20):
        torch.set_num_threads(threads)
        for name, peer in peers.items():
            if benchmark.disabled:
                peer()
                continue
            found = _ratios(own, peer, rounds)
            benchmark.extra_info[f"{name}, times our time"] = found
            print(f"\n{threads} threads, {name} takes {found} times our time", end="")
        benchmark.pedantic(own, rounds=rounds)

    yield compare
    torch.set_num_threads(before)


def _ratios(own, peer, rounds):
    own(), peer()
    times = ([], [])
    for _ in range(rounds):
        for job, found in zip((own, peer), times, strict=True):
            started = time.perf_counter()
            job()
            found.append(time.perf_counter() - started)
    return {of.__name__: round(of(times[1]) / of(times[0]), 2) for of in (min, median)}
