"""A run that fails, asked for by several processes at once: each that waited takes the other's word."""

import pytest

from bench.runs.lease import BusyError, held
from bench.runs.request import specify
from bench.runs.runner import Run
from bench.runs.writing import run_lease
from bench.sweeps.means import Means
from bench.sweeps.plan import sweep

COUNTING = """
from pathlib import Path

from bench import Operator


class Fails(Operator):
    def forward(self, x, generator):
        with Path(__file__).with_name("tries").open("a") as file:
            file.write("x")
        raise ValueError("no luck")
"""


@pytest.fixture
def spec(plugin, tiny):
    """A run that fails at its first measurement."""
    return specify(plugin("fails", COUNTING), "mean", tiny)


def tries(tmp_path):
    """How often it was tried."""
    return len((tmp_path / "tries").read_text())


def test_who_waited_does_not_fail_again(spec, tmp_path):
    """The failure that came while it waited is its own; a command that begins later tries again."""
    results = tmp_path / "results"
    first, second = Run(spec), Run(spec)
    with held(run_lease(results, first.fingerprint)), pytest.raises(BusyError):
        second.execute(results, wait=False)
    assert first.execute(results).status == "failed"
    once = tries(tmp_path)
    assert "no luck" in second.execute(results, wait=False).reason
    assert tries(tmp_path) == once
    Run(spec).execute(results)
    assert tries(tmp_path) > once


def test_an_earlier_failure_is_no_word_of_the_other(spec, tmp_path):
    """Where the other died without a word, what stood there before does not count."""
    results = tmp_path / "results"
    Run(spec).execute(results)
    once, second = tries(tmp_path), Run(spec)
    with held(run_lease(results, second.fingerprint)), pytest.raises(BusyError):
        second.execute(results, wait=False)
    second.execute(results, wait=False)
    assert tries(tmp_path) > once


def test_workers_that_found_it_busy(spec, tmp_path):
    """With several jobs, too, the failure is taken over without a worker."""
    results, run = tmp_path / "results", Run(spec)
    with held(run_lease(results, run.fingerprint)):
        run.elsewhere(results).notice()
    Run(spec).execute(results)
    once = tries(tmp_path)
    ((_, record),) = sweep([run], results, means=Means(jobs=2))
    assert "no luck" in record.reason
    assert tries(tmp_path) == once
