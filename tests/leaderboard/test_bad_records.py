"""Records that cannot be trusted are left out, named with the reason, and harm no other."""

import json
import shutil

import pandas as pd
import pytest

from bench.leaderboard.loading import load
from bench.leaderboard.publish import publish
from bench.leaderboard.table import assemble, board


def _edit(record, **changes):
    path = record.folder / "record.json"
    content = json.loads(path.read_text())
    for key, value in changes.items():
        part, _, name = key.partition("__")
        if name:
            content[part][name] = value
        else:
            content[part] = value
    path.write_text(json.dumps(content))


def _truncate(record, name="record.json"):
    path = record.folder / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _scores(record, frame):
    frame.to_parquet(record.folder / "scores.parquet")


CASES = {
    "truncated record": (_truncate, "not JSON"),
    "truncated scores": (lambda r: _truncate(r, "scores.parquet"), "scores.parquet: it is no Parquet file"),
    "no record": (lambda r: (r.folder / "record.json").unlink(), "record"),
    "no scores": (lambda r: (r.folder / "scores.parquet").unlink(), "scores.parquet is missing"),
    "later schema": (lambda r: _edit(r, schema=99), "99"),
    "missing field": (lambda r: _edit(r, spec={}), "record"),
    "unknown field": (lambda r: _edit(r, colour="blue"), "record"),
    "score edited": (lambda r: _edit(r, scores__psnr=31.0), "edited"),
    "score missing": (lambda r: _edit(r, scores={}), "psnr"),
    "no group": (lambda r: _scores(r, r.per_unit.drop(columns="group")), "group"),
    "score not a number": (lambda r: _edit(r, scores__psnr="NaN"), "psnr"),
    "data edited to a list": (lambda r: _edit(r, data=[1]), "data"),
    "unknown role": (lambda r: _edit(r, role="winner"), "role"),
    "unknown status": (lambda r: _edit(r, status="great"), "status"),
    "fewer images": (lambda r: _scores(r, r.per_unit[:1]), "1 rows"),
    "text for scores": (lambda r: _scores(r, r.per_unit.assign(psnr="a")), "column 'psnr' of"),
    "other columns": (lambda r: _scores(r, pd.DataFrame({"mse": [1.0]})), "scores.parquet"),
    "test count is text": (lambda r: _edit(r, data__test="many"), "data.test"),
    "not JSON objects": (lambda r: (r.folder / "record.json").write_text("[1, 2]"), "record"),
    "binary rubbish": (lambda r: (r.folder / "record.json").write_bytes(b"\xff\xfe\x00rubbish"), "record"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_bad_record_is_named_and_the_others_stay(make, results, case):
    """Never a crash, never a silent loss: one line with folder and reason, the good row intact."""
    make(model="good")
    bad = make(model="bad")
    spoil, reason = CASES[case]
    spoil(bad)
    loaded = load(results)
    assert [r.spec.model.name for r in loaded.records] == ["good"]
    assert len(loaded.skipped) == 1
    assert loaded.skipped[0].startswith(bad.fingerprint)
    assert reason in loaded.skipped[0]
    assert loaded.summary().startswith("skipped 1 record: ")
    assert "\n" not in loaded.summary()
    assert list(assemble(loaded).frame.method) == ["good"]


def test_a_copy_under_another_name_is_not_counted_twice(make, results):
    """Copying a run's folder does not make two runs of it."""
    run = make(model="unet")
    shutil.copytree(run.folder, run.folder.with_name("copy"))
    loaded = load(results)
    assert len(loaded.records) == 1
    assert "copy" in loaded.skipped[0]


def test_drafts_and_stray_files_are_not_records(make, results):
    """What another process is writing at the moment, and files of the system, are no concern."""
    make(model="unet")
    (results / "runs" / ".abc-draft").mkdir()
    (results / "runs" / ".DS_Store").write_text("")
    (results / "runs" / "notes.txt").write_text("")
    assert load(results).skipped == ()


def test_missing_optional_files_do_not_cost_the_row(make, results):
    """History, samples and weights may be gone or broken: the scores are still scores."""
    record = make(model="unet")
    for name in ("history.parquet", "samples.safetensors"):
        (record.folder / name).write_bytes(b"rubbish")
    whole = board(results)
    assert list(whole.frame.method) == ["unet"]
    assert publish(whole, results)


def test_little_provenance_is_shown_as_it_is(make, results):
    """A record of another tool that says less of its origin goes through table and page."""
    make(
        model="unet",
        provenance={"hardware": "", "commit": None, "time": ""},
        timings={"images_per_second": 0.0},
    )
    make(model="dncnn", data={"image_shape": (), "duplicates": None})
    assert publish(board(results), results)


def test_earlier_schemas_are_counted_in_one_line(make, results):
    """Many records of an older version are one line that says what to do, not one line each."""
    make(model="good")
    for number in range(3):
        _edit(make(model=f"old{number}"), schema=1)
    loaded = load(results)
    assert [r.spec.model.name for r in loaded.records] == ["good"]
    assert loaded.summary() == "3 records of an earlier schema: run again"
