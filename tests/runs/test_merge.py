"""Records from another folder: only sound ones come in, and nothing is overwritten."""

import json
import multiprocessing
import os
import resource
import shutil
import signal

import pytest

from bench import files
from bench.errors import UsageError
from bench.leaderboard.loading import load
from bench.runs.merge import merge, named
from bench.runs.record import Record, runs_folder
from bench.runs.writing import tidy
from bench.sweeps.plan import plan, sweep


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A results folder with a trained and an untrained run."""
    results = tmp_path_factory.mktemp("recorded")
    models, changes = ["unet:width=4", "mean"], {"epochs": 1}
    runs = plan(
        ["denoising:sigma=0.2"], models, "ellipses:size=16,train=20,test=4", baselines=False, changes=changes
    )
    assert [record.status for _, record in sweep(runs, results)] == ["ok", "ok"]
    return results


@pytest.fixture
def other(recorded, tmp_path):
    """A copy of it that may be spoiled, and the names of its runs."""
    shutil.copytree(recorded, tmp_path / "other")
    return tmp_path / "other", sorted(path.name for path in runs_folder(recorded).glob("[!.]*"))


def edit(folder, **changes):
    """Change values of a record.json."""
    path = folder / "record.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes), encoding="utf-8")


def test_sound_records_come_in_whole(other, tmp_path):
    """Into a folder that is not there yet; a second time there is nothing to do."""
    folder, names = other
    assert merge(folder, tmp_path / "mine").added == names
    for name in names:
        assert Record.complete(runs_folder(tmp_path / "mine") / name)
    again = merge(folder, tmp_path / "mine")
    assert (again.added, again.there, again.conflicts, again.refused) == ([], names, [], [])


def test_the_rule_of_names(recorded):
    """Every fresh record's name follows from what it says was run."""
    for record in load(recorded).records:
        assert named(record) == record.fingerprint


def test_what_stands_here_stays(other, tmp_path):
    """Another record of the same run is a conflict, which names both; neither folder is changed."""
    folder, names = other
    merge(folder, tmp_path / "mine")
    place = runs_folder(tmp_path / "mine") / names[0]
    edit(place, parameters=7)
    before = (place / "record.json").read_bytes()
    outcome = merge(folder, tmp_path / "mine")
    assert outcome.there == names[1:]
    (line,) = outcome.conflicts
    assert line.startswith(f"{names[0]}: here ")
    assert (place / "record.json").read_bytes() == before


def killed(folder, mine, copies):
    """A merge whose process is killed when that many files are copied."""
    left, flush = iter(range(copies)), files.flush

    def work():
        files.flush = lambda path: (
            os.kill(os.getpid(), signal.SIGKILL) if next(left, None) is None else flush(path)
        )
        merge(folder, mine)

    process = multiprocessing.get_context("fork").Process(target=work, daemon=True)
    process.start()
    process.join(60)
    return process.exitcode == -signal.SIGKILL


def test_killed_after_every_file(other, tmp_path):
    """Killed in the middle of a record: what stands there is whole, and the next merge brings the rest."""
    folder, names = other
    points = sum(1 for path in runs_folder(folder).rglob("*") if path.is_file())
    for copies in range(points):
        mine = tmp_path / f"mine{copies}"
        assert killed(folder, mine, copies)
        tidy(mine)
        assert all(Record.complete(path) for path in runs_folder(mine).iterdir())
        merge(folder, mine)
        assert sorted(path.name for path in runs_folder(mine).iterdir()) == names
        assert all(Record.complete(path) for path in runs_folder(mine).iterdir())


def test_two_at_once(other, tmp_path, monkeypatch):
    """What another merge has put in place while a record was copied is here already: no conflict."""
    folder, names = other
    before = files.flush

    def slowly(path):
        monkeypatch.setattr(files, "flush", before)
        assert merge(folder, tmp_path / "mine").added == names
        before(path)

    monkeypatch.setattr(files, "flush", slowly)
    outcome = merge(folder, tmp_path / "mine")
    assert (outcome.added, outcome.there, outcome.conflicts) == ([], names, [])
    assert sorted(path.name for path in runs_folder(tmp_path / "mine").iterdir()) == names


def test_what_cannot_be_read_to_its_end(other, tmp_path):
    """A pipe that nobody writes to, a link to a folder, brackets without end: refused, each at once."""
    folder, names = other
    there = runs_folder(folder)
    (there / names[0] / "record.json").unlink()
    os.mkfifo(there / names[0] / "record.json")
    (there / names[1] / "record.json").write_text("[" * 100_000)
    (there / "linked").symlink_to(runs_folder(folder) / names[0])
    outcome = merge(folder, tmp_path / "mine")
    assert (outcome.added, len(outcome.refused)) == ([], 3)


@pytest.mark.parametrize("room", [0, 1000])
def test_a_full_disk(other, tmp_path, room):
    """One message, nothing half there; with room the same command brings everything in."""
    folder, names = other
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, limit[1]))
    try:
        with pytest.raises(UsageError, match=r"cannot write results to .*: File too large"):
            merge(folder, tmp_path / "mine")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert not list(runs_folder(tmp_path / "mine").iterdir())
    assert merge(folder, tmp_path / "mine").added == names


def test_an_empty_folder_in_its_place(other, tmp_path):
    """It is no record, and stays: a conflict."""
    folder, names = other
    (runs_folder(tmp_path / "mine") / names[0]).mkdir(parents=True)
    outcome = merge(folder, tmp_path / "mine")
    assert outcome.added == names[1:]
    (line,) = outcome.conflicts
    assert "no sound record (record.json is missing)" in line
    assert not any((runs_folder(tmp_path / "mine") / names[0]).iterdir())


def spoil_file(folder):
    """Another file than was written."""
    (folder / "samples.png").write_bytes(b"other")


def spoil_spec(folder):
    """A spec that the name does not follow from."""
    spec = json.loads((folder / "record.json").read_text())["spec"]
    edit(folder, spec=spec | {"seed": 5})


def spoil_schema(folder):
    """An earlier schema."""
    edit(folder, schema=1)


def spoil_link(folder):
    """A link in place of a file: what it points to is not copied."""
    secret = folder.parent.parent / "secret"
    secret.write_bytes((folder / "scores.parquet").read_bytes())
    (folder / "scores.parquet").unlink()
    (folder / "scores.parquet").symlink_to(secret)


@pytest.mark.parametrize("spoil", [spoil_file, spoil_spec, spoil_schema, spoil_link])
def test_what_is_not_sound_is_refused(other, tmp_path, spoil):
    """One line names it; the other record comes in; no draft is left."""
    folder, names = other
    spoil(runs_folder(folder) / names[0])
    outcome = merge(folder, tmp_path / "mine")
    assert outcome.added == names[1:]
    (line,) = outcome.refused
    assert line.startswith(f"{names[0]}: ")
    assert [path.name for path in runs_folder(tmp_path / "mine").iterdir()] == names[1:]


def test_only_files_of_the_record_are_copied(other, tmp_path):
    """What lies beside them in its folder stays there."""
    folder, names = other
    (runs_folder(folder) / names[0] / "extra.py").write_text("raise SystemExit")
    assert merge(folder, tmp_path / "mine").added == names
    assert not list((tmp_path / "mine").rglob("extra.py"))


def test_folders_that_make_no_sense(other, tmp_path):
    """No results folder, and the folder itself."""
    folder, _ = other
    with pytest.raises(UsageError, match="no results folder"):
        merge(tmp_path / "nowhere", tmp_path)
    with pytest.raises(UsageError, match="name another one"):
        merge(folder, folder)
