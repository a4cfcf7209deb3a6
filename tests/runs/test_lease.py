"""Leases: who works on a run is seen, waited for, and taken over when dead."""

import json
import multiprocessing
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from bench.errors import UsageError
from bench.runs import lease
from bench.runs.lease import BusyError, dead, held, holder


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Heartbeats of a twentieth of a second, and little patience."""
    monkeypatch.setattr(lease, "BEAT", 0.05)
    monkeypatch.setattr(lease, "PATIENCE", 0.5)
    monkeypatch.setattr(lease, "_seen", {})


@pytest.fixture
def path(tmp_path):
    """Where a lease lies."""
    return tmp_path / "runs" / ".0123456789abcdef.lease"


def take(path):
    """Take a lease and give it back."""
    with held(path):
        pass


def elsewhere(path, **changes):
    """Write a lease as a process on another host does, once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    words = {"pid": os.getpid(), "started": "1", "where": "another boot", "host": "far", "token": "ab"}
    path.write_bytes(json.dumps(words | changes).encode() + b"\n" + b"0" * 20 + b"\n")


def test_a_lease_is_seen_and_given_back(path):
    """One at a time; the message names host and process; afterwards nothing is left."""
    with held(path):
        assert not dead(path)
        with pytest.raises(BusyError, match=f"waiting for process {os.getpid()} on "):
            take(path)
    assert list(path.parent.iterdir()) == []
    take(path)


def test_a_beat_on_a_busy_disk_is_not_waited_for(path, monkeypatch):
    """Ctrl-C is answered at once though the disk takes its time for the heartbeat."""
    begun, go_on, whole = threading.Event(), threading.Event(), os.fsync

    def slowly(descriptor):
        begun.set()
        go_on.wait(60)
        whole(descriptor)

    with held(path):
        monkeypatch.setattr(os, "fsync", slowly)
        assert begun.wait(60)
    assert not path.exists()
    go_on.set()


def test_a_lease_without_room_leaves_nothing(path, monkeypatch):
    """Nobody waits for a lease that could not be written."""

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(UsageError, match="No space left on device"):
        take(path)
    assert list(path.parent.iterdir()) == []


def test_a_living_lease_is_never_taken_over(path):
    """However long it is looked at, and though its process cannot be seen from here."""
    with held(path):
        words = json.loads(path.read_bytes().splitlines()[0])
        assert words["where"]
        end = time.monotonic() + 4 * lease.PATIENCE
        while time.monotonic() < end:
            content = path.read_bytes()
            # Judged as from another host, by its beats alone.
            assert not lease.unchanged(path, content)
            time.sleep(0.02)


def test_a_lease_of_another_host_that_beats_no_more_is_taken_over(path):
    """Not at the first look, but when it has not changed for the patience, by the observer's own clock."""
    elsewhere(path)
    started = time.monotonic()
    with pytest.raises(BusyError, match="on far"):
        take(path)
    while not dead(path):
        time.sleep(0.02)
    take(path)
    assert time.monotonic() - started >= lease.PATIENCE


@pytest.mark.parametrize("when", [0, 1e9, 4e9])
def test_clocks_are_not_compared(path, when):
    """A file system whose clock is decades off makes no lease dead, nor a dead one alive."""
    elsewhere(path)
    os.utime(path, (when, when))
    assert not dead(path)
    time.sleep(1.2 * lease.PATIENCE)
    os.utime(path, (when + 5, when + 5))
    assert dead(path)


def _hold_for_ever(path, ready):
    with held(path):
        ready.set()
        time.sleep(600)


def test_a_killed_process_here_is_seen_at_once(path):
    """Nobody waits for the patience when the process can be seen to be gone, a zombie too."""
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    process = context.Process(target=_hold_for_ever, args=(path, ready))
    process.start()
    ready.wait(20)
    assert not dead(path)
    os.kill(process.pid, signal.SIGKILL)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert dead(path)
    process.join()
    assert dead(path)
    take(path)


def test_a_number_that_was_given_again(path):
    """Another process with the number of the dead one does not keep its lease alive."""
    with held(path):
        words = json.loads(path.read_bytes().splitlines()[0])
    elsewhere(path, where=words["where"], started="1")
    assert dead(path)


def test_whoever_lost_a_lease_leaves_the_others_alone(path):
    """Taken over after a long sleep: the old holder neither beats in the new one's file nor removes it."""
    with held(path):
        path.unlink()
        elsewhere(path, host="new")
        time.sleep(4 * lease.BEAT)
        assert holder(path).endswith("on new")
    assert holder(path).endswith("on new")


JUNK = {
    "empty": b"", "binary": b"\xff\x00\xfe", "a list": b"[1]\n", "nested": b"[" * 4000,
    "no pid": b'{"host": "x"}\n',
    "pid is a word": b'{"pid": "one", "host": 7}\n', "escape": b'{"pid": 1, "host": "\\u001b[2Jx"}\n',
}  # fmt: skip


@pytest.mark.parametrize("content", JUNK.values(), ids=JUNK.keys())
def test_junk_is_waited_for_and_then_taken_over(path, content):
    """Whatever stands in it: no crash, no control characters, and it does not block for ever."""
    path.parent.mkdir()
    path.write_bytes(content)
    assert not dead(path)
    assert holder(path).isprintable()
    time.sleep(1.2 * lease.PATIENCE)
    assert dead(path)
    take(path)


def test_a_lease_that_is_no_file(path, tmp_path):
    """A pipe does not hang, a link is not followed, and neither is anybody's lease."""
    path.parent.mkdir()
    os.mkfifo(path)
    with pytest.raises(BusyError, match="another process"):
        take(path)
    path.unlink()
    path.symlink_to(Path("/dev/zero"))
    assert holder(path) == "another process"
    assert not dead(path)
    time.sleep(1.2 * lease.PATIENCE)
    take(path)


def _count_holders(path, log, turns):
    for _ in range(turns):
        while True:
            try:
                with held(path), log.open("a") as file:
                    file.write("in\n")
                    file.flush()
                    file.write("out\n")
                    file.flush()
                break
            except BusyError:
                time.sleep(0.001)


def test_many_processes_hold_it_one_after_another(path, tmp_path):
    """Of four processes that take it ten times each, never two hold it at once."""
    context, log = multiprocessing.get_context("fork"), tmp_path / "log"
    holders = [context.Process(target=_count_holders, args=(path, log, 10)) for _ in range(4)]
    for process in holders:
        process.start()
    for process in holders:
        process.join()
    assert log.read_text().splitlines() == ["in", "out"] * 40
