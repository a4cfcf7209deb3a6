"""Ctrl-C, SIGTERM and SIGKILL with several processes: nothing is lost, and nobody is left behind."""

import os
import signal
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are looked up in /proc")

SIX = [word for seed in range(6) for word in ("--seed", str(seed))]


def checkpoints(results):
    """The checkpoints there are."""
    return list((results / "checkpoints").glob("[!.]*"))


@pytest.fixture
def running(command, slow, tmp_path, world):
    """Six runs in two processes, of which the first two have finished an epoch."""
    process = command("-m", slow(0.1), *SIX, "--epochs", "200", "--jobs", "2", "--batch-size", "20")
    world.wait_for(lambda: len(checkpoints(tmp_path / "results")) == 2)
    workers = world.children(process.pid)
    assert len(workers) == 2
    return process, workers


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.large)])
def test_told_to_stop_once(running, tmp_path, world, number):
    """No run begins any more, the running ones stop at their checkpoints, and the count is true."""
    process, workers = running
    process.send_signal(number)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted. 0 of 6 runs are recorded; the same command goes on" in output
    assert "Traceback" not in output
    assert not any(map(world.lives, workers))
    assert len(checkpoints(tmp_path / "results")) == 2
    # Leases are given back, temporary folders are gone.
    assert [path.name for path in (tmp_path / "results" / "runs").iterdir()] == []


#: Nearly all of its time goes by where Python drops what a signal raises.
DELETING = """
import time

from torch import nn


class _Late:
    def __del__(self):
        time.sleep(0.1)


class _Deleting(nn.Conv2d):
    def forward(self, x):
        _Late()
        return super().forward(x)


def deleting(in_channels, out_channels):
    return _Deleting(in_channels, out_channels, 3, padding=1)
"""


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.large)])
def test_told_to_stop_while_something_is_deleted(command, plugin, tmp_path, world, jobs):
    """The next step is the last one: leases are given back, and nobody has to be killed."""
    words = ("-m", plugin("deleting", DELETING), *SIX, "--epochs", "200", "--batch-size", "20")
    process = command(*words, "--jobs", str(jobs))
    world.wait_for(lambda: len(checkpoints(tmp_path / "results")) == jobs)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted. 0 of 6 runs are recorded" in output
    assert "Traceback" not in output
    assert [path.name for path in (tmp_path / "results" / "runs").iterdir()] == []


def test_told_to_stop_again_when_it_has_said_so(command, slow, tmp_path, world):
    """Taking down what was imported takes a second: it ends at once, and without a traceback."""
    process = command("-m", slow(0.05), "--epochs", "200", "--batch-size", "20")
    world.wait_for(lambda: checkpoints(tmp_path / "results"))
    process.send_signal(signal.SIGINT)
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "interrupted." in line:
            process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    # A shell calls both 130.
    assert process.returncode in (130, -signal.SIGINT)
    assert "Traceback" not in "".join(lines)


@pytest.mark.large
def test_as_a_terminal_does(running, world):
    """Ctrl-C at a terminal goes to the workers too, at the same time."""
    process, workers = running
    for number in (*workers, process.pid, *workers):
        os.kill(number, signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in output
    assert not any(map(world.lives, workers))


def test_told_to_stop_twice(running, world):
    """At once, though the workers would not stop."""
    process, workers = running
    for worker in workers:
        os.kill(worker, signal.SIGSTOP)
    process.send_signal(signal.SIGINT)
    with pytest.raises(Exception, match="timed out"):
        process.communicate(timeout=1)
    process.send_signal(signal.SIGINT)
    # Sooner than the grace of ten seconds, which they would else be given.
    world.wait_for(lambda: not any(map(world.lives, workers)), seconds=8)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in output
    assert not any(map(world.lives, workers))


def test_the_parent_is_killed(running, world):
    """Its workers end too, in the middle of training."""
    process, workers = running
    process.kill()
    world.wait_for(lambda: not any(map(world.lives, workers)), seconds=10)


def test_a_worker_is_killed(command, slow, tmp_path, world):
    """Its run goes on from its checkpoint in another process, and all are done."""
    words = ("-m", slow(0.02), "--seed", "0", "--seed", "1", "--seed", "2", "--epochs", "4", "--jobs", "2")
    process = command(*words)
    world.wait_for(lambda: checkpoints(tmp_path / "results"))
    os.kill(world.children(process.pid)[0], signal.SIGKILL)
    output, _ = process.communicate(timeout=150)
    assert process.returncode == 0
    assert "again: its process was killed by signal 9, for want of memory perhaps" in output
    output, _ = command(*words).communicate(timeout=150)
    assert "3 of 3 runs are already recorded" in output


def test_nothing_is_imported_because_it_lies_there(command, slow, tmp_path):
    """Files in the current folder that are called like modules are not run, by workers either."""
    home = tmp_path / "home"
    home.mkdir()
    for name in ("signal", "socket", "torch", "numpy", "random", "queue", "rich", "sitecustomize"):
        (home / f"{name}.py").write_text(f"open({str(tmp_path / 'caught')!r}, 'a').write({name!r})\n")
    code = "import sys; sys.argv[0] = 'bench'; from bench.cli import main; main()"
    words = ["-m", slow(0), "--seed", "0", "--seed", "1", "--epochs", "1", "--jobs", "2"]
    process = command(*words, cwd=home, program=[sys.executable, "-P", "-c", code])
    output, _ = process.communicate(timeout=150)
    assert process.returncode == 0, output
    assert not (tmp_path / "caught").exists()


def test_a_second_process_waits_and_takes_over(command, slow, tmp_path, world):
    """Two commands for one run: the second says whom it waits for, and goes on when he is killed."""
    words = ("-m", slow(0.05), "--epochs", "1000", "--batch-size", "20")
    first = command(*words)
    world.wait_for(lambda: checkpoints(tmp_path / "results"))
    second = command(*words)
    assert (
        next(line for line in second.stdout if "waiting for" in line).count(f"process {first.pid} on ") == 1
    )
    first.kill()
    assert "epoch 1/1000" not in next(line for line in second.stdout if "epoch" in line)
    second.send_signal(signal.SIGINT)
    second.communicate(timeout=150)
    assert second.returncode == 130
