"""What comes back from a worker that shares the results folder is told under the user's names."""

from pathlib import Path

import pytest

from bench import files
from bench.runs.record import Record
from bench.sweeps.plan import plan
from bench.sweeps.remote import CODE
from bench.sweeps.returned import placed

NOTHING = "def nothing(in_channels, out_channels):\n    raise KeyError('no network')\n"


@pytest.fixture
def failed(plugin, tmp_path, tiny):
    """A run by a plug-in, and its record as a worker left it: with the names of its own folders."""
    (run,) = plan(["denoising"], [plugin("nothing", NOTHING)], tiny, baselines=False, device="cpu")
    record = run.execute(tmp_path / "results")
    assert record.status == "failed"
    path = record.folder / "record.json"
    path.write_text(
        path.read_text().replace(str(tmp_path / "nothing.py"), f"/scratch/{CODE}/ab12/nothing.py")
    )
    return run, Record.read(record.folder), path


def names(failed, tmp_path):
    """The record after it came back."""
    run, theirs, _ = failed
    return placed(run, ("shared", theirs), {"ab12": tmp_path}, tmp_path / "results", ())


def test_names_are_the_users(failed, tmp_path):
    """In place and traceback of a failure too, and in the record that lies there."""
    assert CODE in failed[2].read_text()
    record = names(failed, tmp_path)
    assert str(tmp_path / "nothing.py") in record.error.place + record.error.traceback
    assert CODE not in failed[2].read_text()
    assert Record.read(record.folder).error == record.error


def test_no_room_for_other_names(failed, tmp_path, monkeypatch):
    """A full disk costs the names alone: the sweep goes on, and the record lies there whole."""

    def full(path: Path, content: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "replace", full)
    before = failed[2].read_text()
    assert CODE not in names(failed, tmp_path).error.traceback
    assert failed[2].read_text() == before
