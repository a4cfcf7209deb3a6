"""Run records: strict JSON, whole or not at all, any number of writers."""

import json
import math
import multiprocessing
import os
import stat

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.component import Component
from bench.errors import BenchError, UsageError
from bench.recipe import Recipe
from bench.runs.parts import Failure
from bench.runs.record import SCHEMA, OutdatedError, Record, runs_folder
from bench.runs.writing import writing
from bench.spec import RunSpec

SPEC = RunSpec(
    operator=(Component("xor_ctr"), Component("noise", {"sigma": 0.01})),
    model=Component("unet", {"width": 8}),
    dataset=Component("photos", {"size": 16}),
    recipe=Recipe(epochs=1),
)


def make(fingerprint="0123456789abcdef", error=None, **content):
    """A record of a small run."""
    failed = None if error is None else Failure(error)
    return Record(fingerprint=fingerprint, spec=SPEC, error=failed, **content)


def write(results, record, **files):
    """Write a record as a run does."""
    with writing(results, record.fingerprint) as folder:
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
        record.write(folder)
    return runs_folder(results) / record.fingerprint


numbers = st.one_of(st.floats(-1e12, 1e12), st.sampled_from([math.inf, -math.inf]))
shown = st.text(st.characters(exclude_categories=("C", "Z")), max_size=30)


@given(st.dictionaries(shown, numbers, max_size=4), shown)
def test_json_is_strict_and_loses_nothing(tmp_path_factory, scores, error):
    """What was written is read again, infinities included, and no bare Infinity or NaN is written."""
    folder = tmp_path_factory.mktemp("run")
    record = make(scores=scores, error=error)

    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    json.loads(record.to_json(), parse_constant=refuse)
    (folder / "record.json").write_text(record.to_json(), encoding="utf-8")
    read = Record.read(folder)
    assert (read.scores, read.reason, read.spec) == (scores, error, SPEC)


def test_a_text_of_another_form_gives_the_same_record(tmp_path):
    """A record is checked as it is parsed; one that needs a second look, here for an escape, is the same."""
    record = make(scores={"psnr": 20.0}, timings={"latency_ms": 2.5}, sources={"model unet": "0" * 64})
    folder = write(tmp_path, record)
    path = folder / "record.json"
    plain = Record.read(folder)
    for text in (path.read_text().replace("unet", "u\\u006eet"), json.dumps(json.loads(path.read_text()))):
        path.write_text(text)
        assert Record.read(folder) == plain
    assert plain.folder == folder


def test_a_schema_within_is_none(tmp_path):
    """Only the record's own says what its fields mean, wherever else the word stands."""
    content = json.loads(make(settings={"schema": 2}).to_json())
    del content["schema"]
    (tmp_path / "record.json").write_text(json.dumps(content, indent=2) + "\n")
    with pytest.raises(BenchError, match="names no schema"):
        Record.read(tmp_path)


def test_nan_is_written_as_text(tmp_path):
    """A timing that could not be taken does not make the file unreadable elsewhere."""
    folder = write(tmp_path, make(timings={"latency_ms": math.nan}))
    assert '"NaN"' in (folder / "record.json").read_text()
    assert math.isnan(Record.read(folder).timings["latency_ms"])


def test_tables_are_read_when_asked_for(tmp_path):
    """Scores and history come from their files; what was not scored or trained has an empty table."""
    folder = write(tmp_path, make())
    assert Record.read(folder).per_unit.empty
    folder = write(tmp_path, make(scores={"psnr": 20.0}))
    with pytest.raises(BenchError, match=r"scores\.parquet is missing"):
        Record.read(folder).per_unit  # noqa: B018 - it is read here
    pd.DataFrame({"psnr": [20.0, math.inf], "group": ["a", "b"]}).to_parquet(folder / "scores.parquet")
    assert Record.read(folder).per_unit["psnr"].tolist() == [20.0, math.inf]
    assert Record.read(folder).per_unit["group"].tolist() == ["a", "b"]
    assert Record.read(folder).history.empty


def edited(change):
    """The text of a record, edited by hand."""
    content = json.loads(make(scores={"psnr": 20.0}).to_json())
    change(content)
    return json.dumps(content)


BROKEN = {
    "empty": "",
    "truncated": make().to_json()[:200],
    "not json": "psnr: 20",
    "a list": "[]",
    "null": "null",
    "binary": "\0\0\0",
    "no spec": edited(lambda c: c.pop("spec")),
    "no fingerprint": edited(lambda c: c.pop("fingerprint")),
    "unknown field": edited(lambda c: c.update(colour="red")),
    "scores are a list": edited(lambda c: c.update(scores=[1])),
    "a score is a word": edited(lambda c: c["scores"].update(psnr="good")),
    "a score is null": edited(lambda c: c["scores"].update(psnr=None)),
    "recipe of nonsense": edited(lambda c: c["spec"]["recipe"].update(epochs=-1)),
    "unknown recipe": edited(lambda c: c["spec"]["recipe"].update(speed=1)),
    "operator is a word": edited(lambda c: c["spec"].update(operator="xor_ctr")),
    "schema is a word": edited(lambda c: c.update(schema="one")),
    "no schema": edited(lambda c: c.pop("schema")),
    "later schema": edited(lambda c: c.update(schema=SCHEMA + 1)),
    "status is a number": edited(lambda c: c.update(status=7)),
    "fingerprint is a number": edited(lambda c: c.update(fingerprint=7)),
    "data is null": edited(lambda c: c.update(data=None)),
    "device is null": edited(lambda c: c["spec"].update(device=None)),
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_record_is_named(tmp_path, text):
    """Truncated, of a later version or edited by hand: an error with the file's name, no crash."""
    (tmp_path / "record.json").write_text(text)
    with pytest.raises(BenchError, match=r"record\.json"):
        Record.read(tmp_path)


def test_a_later_schema_says_so(tmp_path):
    """A newer version's record is not called broken."""
    (tmp_path / "record.json").write_text(BROKEN["later schema"])
    with pytest.raises(BenchError, match="newer than this version"):
        Record.read(tmp_path)


def test_an_earlier_schema_says_so(tmp_path):
    """What older versions wrote is not called broken: it is run again."""
    (tmp_path / "record.json").write_text(edited(lambda c: c.update(schema=1)))
    with pytest.raises(OutdatedError, match="run it again"):
        Record.read(tmp_path)


def test_a_record_knows_its_files(tmp_path):
    """The SHA-256 of every other file is in record.json (that of "abc" is from FIPS 180-2, B.1)."""
    folder = write(tmp_path, make(), **{"samples.png": "abc"})
    abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert Record.read(folder).files == {"samples.png": abc}


SPOILT = {
    "cut scores": lambda folder: (folder / "scores.parquet").write_bytes(b"PAR1"),
    "lost weights": lambda folder: (folder / "model.safetensors").unlink(),
    "flipped weights": lambda folder: (folder / "model.safetensors").write_bytes(b"weighty"),
    "linked weights": lambda folder: (
        (folder / "model.safetensors").rename(folder / "kept"),
        (folder / "model.safetensors").symlink_to(folder / "kept"),
    ),
    "cut record": lambda folder: (folder / "record.json").write_text("{"),
    "another name": lambda folder: folder.rename(folder.with_name("other")),
}


@pytest.mark.parametrize("case", SPOILT)
def test_a_record_is_complete_or_it_is_run_again(tmp_path, case):
    """Only a record all of whose files are those that were written counts as recorded."""
    files = {"scores.parquet": "scores", "model.safetensors": "weights"}
    folder = write(tmp_path, make(), **files)
    whole = Record.complete(folder)
    assert whole
    assert whole.damaged() == []
    SPOILT[case](folder)
    assert Record.complete(folder) is None


def test_a_failed_run_is_not_complete(tmp_path):
    """It is tried again."""
    folder = write(tmp_path, make(status="failed", error="no luck"), **{"scores.parquet": "scores"})
    assert Record.complete(folder) is None


def stored(results):
    """All records that lie there."""
    return [Record.read(folder) for folder in runs_folder(results).glob("[!.]*")]


def test_an_error_while_writing_leaves_the_old_record(tmp_path):
    """A run that dies in the middle changes nothing that was there, and leaves nothing behind."""
    write(tmp_path, make(error="old"))

    def die():
        with writing(tmp_path, "0123456789abcdef") as folder:
            (folder / "record.json").write_text("{")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        die()
    assert [record.reason for record in stored(tmp_path)] == ["old"]
    assert [p.name for p in runs_folder(tmp_path).iterdir()] == ["0123456789abcdef"]


def test_a_record_is_replaced_whole(tmp_path):
    """Files of the old record do not mix with those of the new one."""
    write(tmp_path, make(error="old"), **{"old.txt": "old"})
    folder = write(tmp_path, make(error="new"))
    assert Record.read(folder).reason == "new"
    assert [p.name for p in folder.iterdir()] == ["record.json"]
    assert [p.name for p in runs_folder(tmp_path).iterdir()] == [folder.name]


def test_others_may_read_a_record(tmp_path):
    """Results are shared between people, also the files that a library has made private."""
    with writing(tmp_path, "0123456789abcdef") as folder:
        (folder / "record.json").write_text(make().to_json())
        (folder / "record.json").chmod(0o600)
    folder = runs_folder(tmp_path) / "0123456789abcdef"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755
    assert stat.S_IMODE((folder / "record.json").stat().st_mode) == 0o644


def test_without_a_record_nothing_changes(tmp_path):
    """What left no record.json does not take the place of what did."""
    write(tmp_path, make(error="old"))
    with writing(tmp_path, "0123456789abcdef") as folder:
        (folder / "scores.parquet").touch()
    assert [record.reason for record in stored(tmp_path)] == ["old"]


def _write_many(results, number):
    for turn in range(30):
        mark = f"{number}-{turn}"
        write(results, make(error=mark), **{"mark.txt": mark})


def test_many_writers_of_one_record(tmp_path):
    """Processes that write the same run at the same time: all succeed, and one of them is there, whole."""
    # Forked: a fresh process could not import this file when tests run outside the checkout.
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_write_many, args=(tmp_path, number)) for number in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0] * 4
    (record,) = stored(tmp_path)
    assert (record.folder / "mark.txt").read_text() == record.reason
    assert [p.name for p in runs_folder(tmp_path).iterdir()] == [record.fingerprint]


def test_a_file_where_the_results_should_be(tmp_path):
    """The message names the folder; this is a matter of usage."""
    (tmp_path / "results").write_text("mine")
    with pytest.raises(UsageError, match=r"cannot write results to .*results"):
        write(tmp_path / "results", make())
    assert (tmp_path / "results").read_text() == "mine"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_no_permission(tmp_path):
    """A folder that is not ours."""
    tmp_path.chmod(0o500)
    with pytest.raises(UsageError, match=r"cannot write results.*Permission denied"):
        write(tmp_path / "results", make())


def test_no_room(tmp_path):
    """A full disk is an error of the run with the folder's name, and leaves no half record."""

    def fill():
        with writing(tmp_path, "0123456789abcdef"):
            raise OSError(28, "No space left on device")

    with pytest.raises(BenchError, match=r"cannot write results .*No space left") as caught:
        fill()
    assert caught.value.exit_code == 1
    assert stored(tmp_path) == []
