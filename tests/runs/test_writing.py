"""A run's folder is put in place whole; what dead writers left is removed, what living ones have is not."""

import multiprocessing
import os
import signal
import time

import pytest

from bench import files
from bench.component import Component
from bench.runs import lease
from bench.runs.record import Record, runs_folder
from bench.runs.writing import run_lease, tidy, writing
from bench.spec import RunSpec

NAME = "0123456789abcdef"
SPEC = RunSpec(operator=(Component("denoising"),), model=Component("mean"), dataset=Component("photos"))


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Heartbeats of a twentieth of a second, and little patience."""
    monkeypatch.setattr(lease, "BEAT", 0.05)
    monkeypatch.setattr(lease, "PATIENCE", 0.4)
    monkeypatch.setattr(lease, "_seen", {})


def write(results, hardware="old"):
    """Put a record in place whose hardware marks it."""
    from bench.runs.parts import Provenance

    record = Record(fingerprint=NAME, spec=SPEC, provenance=Provenance(hardware=hardware))
    with writing(results, NAME) as folder:
        record.write(folder)


def names(results):
    """What lies in the folder of runs."""
    return sorted(path.name for path in runs_folder(results).iterdir())


def killed(results, place):
    """A writer that is killed when it calls ``place`` of :mod:`bench.files`."""

    def work():
        setattr(files, place, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        write(results, "new")

    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL


def test_the_folder_of_a_killed_writer_is_removed(tmp_path):
    """At once where its process can be seen to be gone; the record that was there stays."""
    write(tmp_path)
    for _ in range(3):
        killed(tmp_path, "flush")
    assert len(names(tmp_path)) == 7
    tidy(tmp_path)
    assert names(tmp_path) == [NAME]
    assert Record.read(runs_folder(tmp_path) / NAME).provenance.hardware == "old"


def test_killed_between_two_renames(tmp_path):
    """The old record moved away and the new one not yet there: one of the two is put in place."""
    write(tmp_path)
    os.rename(runs_folder(tmp_path) / NAME, runs_folder(tmp_path) / f".{NAME}-00-old0")
    killed(tmp_path, "put_in_place")
    assert NAME not in names(tmp_path)
    tidy(tmp_path)
    time.sleep(1.2 * lease.PATIENCE)
    tidy(tmp_path)
    assert names(tmp_path) == [NAME]
    assert Record.read(runs_folder(tmp_path) / NAME).provenance.hardware == "new"


def test_the_folder_of_a_living_writer_stays(tmp_path):
    """However often and long others look."""
    with writing(tmp_path, NAME) as folder:
        (folder / "scores.parquet").touch()
        end = time.monotonic() + 3 * lease.PATIENCE
        while time.monotonic() < end:
            tidy(tmp_path)
            time.sleep(0.05)
        assert (folder / "scores.parquet").is_file()
    assert names(tmp_path) == []


def test_a_folder_of_an_earlier_version(tmp_path):
    """One without a lease is removed when nothing in it has changed for the patience."""
    draft = runs_folder(tmp_path) / f".{NAME}-x1y2z3"
    draft.mkdir(parents=True)
    (draft / "scores.parquet").touch()
    tidy(tmp_path)
    time.sleep(1.2 * lease.PATIENCE)
    (draft / "history.parquet").touch()
    tidy(tmp_path)
    assert draft.is_dir()
    time.sleep(1.2 * lease.PATIENCE)
    tidy(tmp_path)
    assert names(tmp_path) == []


def test_what_is_not_ours_is_left_alone(tmp_path):
    """Hidden folders and files of other programs."""
    runs = runs_folder(tmp_path)
    for name in (".git", ".my-notes", f".{NAME}"):
        (runs / name).mkdir(parents=True)
    (runs / ".DS_Store").touch()
    with lease.held(run_lease(tmp_path, NAME)):
        for _ in range(2):
            tidy(tmp_path)
            time.sleep(1.2 * lease.PATIENCE)
        assert run_lease(tmp_path, NAME).is_file()
    assert names(tmp_path) == sorted([".git", ".my-notes", f".{NAME}", ".DS_Store"])


def test_the_umask_decides_who_may_read(tmp_path):
    """Results are private under a private umask."""
    before = os.umask(0o077)
    try:
        write(tmp_path)
    finally:
        os.umask(before)
    folder = runs_folder(tmp_path) / NAME
    modes = {path.name: path.stat().st_mode & 0o777 for path in (folder, folder / "record.json")}
    assert modes == {NAME: 0o700, "record.json": 0o600}
