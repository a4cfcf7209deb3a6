"""Records from a hostile world: each costs its own line; never a traceback, much memory, another file.

``BENCH_HOSTILE=large`` tries many more.
"""

import copy
import io
import json
import math
import multiprocessing
import os

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.leaderboard import compare, find
from bench.leaderboard.export import text as exported
from bench.leaderboard.loading import load
from bench.leaderboard.publish import publish
from bench.leaderboard.table import board

LARGE = os.environ.get("BENCH_HOSTILE") == "large"
BAD = "bad0000000000000"
FILES = ["record.json", "scores.parquet", "history.parquet", "samples.safetensors"]
EVIL = "\x1b]0;owned\x07\x1b[31m\u202e\x9b2J\r=cmd"


def attack(examples: int):
    """Settings of a Hypothesis test: few examples in the normal suite, many in the large one."""
    return settings(
        max_examples=examples * 20 if LARGE else examples,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


foreign = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([2**63, 2**64 - 1, -1, 10**300, 1.5, 1e308, -1e308, math.inf, 0]),
    st.sampled_from(["", EVIL, "Infinity", "NaN", "x" * 5000, "a & b <img src=x>", "../../../etc/passwd"]),
    st.text(max_size=20),
    st.lists(st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=3),
)


def places(value, path=()):
    """Every place in a JSON value."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in items:
        yield from places(part, (*path, key))


def put(content, place, value):
    """A copy of ``content`` with something else at one place."""
    if not place:
        return value
    changed = copy.deepcopy(content)
    part = changed
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = value
    return changed


@attack(25)
@given(data=st.data())
def test_foreign_values_in_any_field(data, fresh, survives):
    """Any field of record.json holds anything that JSON can say."""
    results = fresh()
    path = results / "runs" / BAD / "record.json"
    content = json.loads(path.read_text())
    for _ in range(data.draw(st.integers(1, 3))):
        content = put(
            content, data.draw(st.sampled_from(sorted(places(content), key=str))), data.draw(foreign)
        )
        if not isinstance(content, dict):
            break
    path.write_text(json.dumps(content))
    survives(results, publishing=data.draw(st.integers(0, 9)) == 0)


@attack(20)
@given(data=st.data())
def test_damaged_bytes_of_any_file(data, fresh, survives):
    """Cut, flipped, doubled or replaced: whichever file of the record."""
    results = fresh()
    name = data.draw(st.sampled_from(FILES))
    path = results / "runs" / BAD / name
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        for _ in range(data.draw(st.integers(1, 8))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    else:
        start = data.draw(st.integers(0, len(content)))
        content[start : data.draw(st.integers(start, len(content)))] = data.draw(st.binary(max_size=50))
    path.write_bytes(content)
    survives(results, publishing=data.draw(st.integers(0, 9)) == 0)


def test_a_picture_that_is_a_link_is_not_shown(fresh):
    """A certificate's picture that is a link is not copied into the page."""
    results = fresh()
    secret = results.parent / "secret.png"
    secret.write_bytes(b"\x89PNG\r\n\x1a\nsecret")
    folder = results / "operators" / "xor_ctr"
    folder.mkdir(parents=True)
    (folder / "certificate.json").write_text(json.dumps({"operator": "xor_ctr", "summary": EVIL}))
    (folder / "picture.png").symlink_to(secret)
    publish(board(results), results)
    shown = [p for p in (results / "leaderboard").rglob("*") if p.is_file() and b"secret" in p.read_bytes()]
    assert shown == []


MARK = "import pathlib\npathlib.Path(__file__).with_name('ran').touch()\n"


@pytest.mark.parametrize("place", ["operator", "model", "dataset"])
def test_reading_runs_no_code_of_a_record(place, fresh, survives, monkeypatch):
    """Table, page, show and compare import nothing that a record names, by path or beside it."""
    results = fresh()
    folder = results / "runs" / BAD
    for name in ("evil", "unet", "signal"):
        (folder / f"{name}.py").write_text(MARK)
    content = json.loads((folder / "record.json").read_text())
    named = {"name": str(folder / "evil.py"), "params": {}}
    content["spec"][place] = [named] if place == "operator" else named
    (folder / "record.json").write_text(json.dumps(content))
    monkeypatch.chdir(folder)
    survives(results, publishing=True)
    if place == "model":
        ranking = find.ranking(board(results), None, None)
        duel = compare.duel(ranking, *(find.method(ranking.group, name) for name in ("evil", "unet")))
        assert compare.text(duel)
        assert compare.write_picture(duel, results / "plots").is_file()
    assert not (folder / "ran").exists()


def _publish(results):
    publish(board(results), results)


def test_two_leaderboards_at_once(fresh):
    """Both succeed, and one of their pages is there, whole."""
    results = fresh()
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_publish, args=(results,)) for _ in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert (results / "leaderboard" / "index.html").is_file()
    assert [p.name for p in results.iterdir() if p.name.startswith(".")] == []


def test_many_junk_folders_are_one_bounded_line(fresh):
    """2,000 folders that hold no record are counted and a few of them named."""
    results = fresh()
    for number in range(2000):
        (results / "runs" / f"junk{number}{EVIL.replace('/', '')}").mkdir()
    loaded = load(results)
    assert len(loaded.records) == 2
    assert len(loaded.summary()) < 2000
    assert "\n" not in loaded.summary()
    assert loaded.summary().isprintable()
    assert "1,995 more" in loaded.summary()


def test_a_formula_stays_text_in_a_spreadsheet(fresh):
    """A text that begins as a formula does has an apostrophe before it; numbers stay numbers."""
    results = fresh()
    path = results / "runs" / BAD / "record.json"
    content = json.loads(path.read_text())
    content["provenance"] |= {"hardware": "=HYPERLINK(1)", "time": "@SUM(1)"}
    content["spec"]["dataset"]["name"] = "-2+3"
    path.write_text(json.dumps(content))
    lines = exported(board(results), "csv")
    frame = pd.read_csv(io.StringIO(lines))
    row = frame[frame.fingerprint == BAD].iloc[0]
    assert (row.hardware, row.time, row.dataset) == ("'=HYPERLINK(1)", "'@SUM(1)", "'-2+3")
    assert frame.psnr.dtype == float
