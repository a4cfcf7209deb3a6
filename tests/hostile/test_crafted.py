"""Crafted records, one by one and all at once: what once stopped the board, and its relatives."""

import json
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench.leaderboard.loading import load

LARGE = os.environ.get("BENCH_HOSTILE") == "large"
GOOD, BAD = "good000000000000", "bad0000000000000"
UNITS = 12
EVIL = "\x1b]0;owned\x07\x1b[31m\u202e\x9b2J\r=cmd"


def edited(change):
    """A case that changes the content of record.json."""

    def spoil(folder: Path) -> None:
        path = folder / "record.json"
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))

    return spoil


def table(name: str, **columns):
    """A case that puts another table in place."""
    return lambda folder: pq.write_table(pa.table(columns), folder / f"{name}.parquet")


def many_rows(folder: Path) -> None:
    """10^8 rows in some kilobytes: equal values cost nothing in a file."""
    size = 10**8 if LARGE else 3 * 10**7
    schema = pa.schema([("psnr", pa.float64()), ("ssim", pa.float64()), ("group", pa.string())])
    with pq.ParquetWriter(folder / "scores.parquet", schema) as file:
        part = pa.table({"psnr": np.zeros(10**6), "ssim": np.zeros(10**6), "group": ["a"] * 10**6})
        for _ in range(size // 10**6):
            file.write_table(part)
    edited(lambda c: c["data"].update(test=size))(folder)


def long_groups(folder: Path) -> None:
    """A text of 1 MB in each of 10,000 rows: 10 GB, if each is a text of its own."""
    rows = 10_000
    column = pa.DictionaryArray.from_arrays(np.zeros(rows, np.int32), pa.array(["g" * 2**20]))
    pq.write_table(
        pa.table({"psnr": np.zeros(rows), "ssim": np.zeros(rows), "group": column}), folder / "scores.parquet"
    )
    edited(lambda c: c.update(scores={"psnr": 0.0, "ssim": 0.0}))(folder)
    edited(lambda c: c["data"].update(test=rows))(folder)


def replaced_by(name: str, make):
    """A case that puts something else in a file's place."""

    def spoil(folder: Path) -> None:
        (folder / name).unlink()
        make(folder / name)

    return spoil


def twice(path: Path, first: str, second: str) -> None:
    """A table with one column name twice."""
    pq.write_table(pa.Table.from_arrays([np.ones(UNITS)] * 3, names=[first, first, second]), path)


def elsewhere(name: str):
    """A case in which a file is a link to the same file of another record."""
    return replaced_by(name, lambda path: path.symlink_to(path.parent.parent / GOOD / name))


def huge(path: Path) -> None:
    """A file of 1 TB that takes no room."""
    with path.open("wb") as file:
        file.truncate(2**40)


def tensors(header: dict, body: bytes = b""):
    """A safetensors file with a header that says anything."""
    text = json.dumps(header).encode()
    return lambda path: path.write_bytes(struct.pack("<Q", len(text)) + text + body)


def link_to_folder(folder: Path) -> None:
    """The run's folder is elsewhere."""
    elsewhere = folder.parent.parent / "elsewhere"
    folder.rename(elsewhere)
    folder.symlink_to(elsewhere)


ROWS = {"psnr": np.zeros(UNITS), "ssim": np.zeros(UNITS), "group": ["g"] * UNITS}
DATES = pd.date_range("2026", periods=UNITS)
STRUCT = pa.array([{"a": 1.0}] * UNITS)
KINDS = ("measurement", "reconstruction", "truth")
EMPTY = {
    k: {"dtype": "U8", "shape": [0, 3, 4, 4], "data_offsets": [0, 0]}
    for k in ("measurement", "reconstruction", "truth")
}
GIANT = {k: {"dtype": "U8", "shape": [2**20, 2**20, 2**20], "data_offsets": [0, 2**60]} for k in EMPTY}

DEEP = "[" * 10**5 + "]" * 10**5

#: What is done to a record, and whether its line in the table is lost by it.
CRAFTED = {
    "seed of 2^64 - 1": (edited(lambda c: c["spec"].update(seed=2**64 - 1)), True),
    "digest is a list": (edited(lambda c: c["data"].update(digest=["a"])), True),
    "certificate is null": (edited(lambda c: c["data"].update(certificate=None)), True),
    "certificate is a number": (edited(lambda c: c["data"].update(certificate=5)), True),
    "a count is a fraction": (edited(lambda c: c["data"].update(train=1.5)), True),
    "a count is infinite": (edited(lambda c: c["data"].update(train="Infinity")), True),
    "a count is 10^300": (edited(lambda c: c["data"].update(train=10**300)), True),
    "1e308 images per second": (edited(lambda c: c["timings"].update(images_per_second=1e308)), True),
    "1e308 dB": (edited(lambda c: c["scores"].update(psnr=1e308)), True),
    "version of the numbers is a list": (edited(lambda c: c.update(numbers=[1])), True),
    "a lone surrogate": (lambda f: _raw(f, '"CPU"', '"\\ud800"'), True),
    "deeply nested": (lambda f: (f / "record.json").write_text(DEEP), True),
    "deeply nested setting": (lambda f: _raw(f, '"settings": {}', f'"settings": {{"a": {DEEP}}}'), True),
    "bare NaN": (lambda f: _raw(f, '"parameters": 10', '"parameters": NaN'), True),
    "a name of 1 MB": (edited(lambda c: c["spec"]["model"].update(name="n" * 10**6)), True),
    "a name of 50 kB": (edited(lambda c: c["spec"]["model"].update(name="n" * 50_000)), True),
    "a record of 1 GB": (lambda f: huge(f / "record.json"), True),
    "record.json is a pipe": (replaced_by("record.json", os.mkfifo), True),
    "record.json is a folder": (replaced_by("record.json", Path.mkdir), True),
    "record.json leads to /dev/zero": (replaced_by("record.json", lambda p: p.symlink_to("/dev/zero")), True),
    "record.json leads to a record": (elsewhere("record.json"), True),
    "record.json leads to itself": (replaced_by("record.json", lambda p: p.symlink_to(p)), True),
    "the folder is a link": (link_to_folder, True),
    "scores are a pipe": (replaced_by("scores.parquet", os.mkfifo), True),
    "scores lead to /dev/zero": (replaced_by("scores.parquet", lambda p: p.symlink_to("/dev/zero")), True),
    "scores of 1 TB": (lambda f: huge(f / "scores.parquet"), True),
    "a struct of scores": (table("scores", **{**ROWS, "psnr": STRUCT}), True),
    "a list of scores": (table("scores", **{**ROWS, "psnr": pa.array([[1.0]] * UNITS)}), True),
    "dates of scores": (table("scores", **{**ROWS, "psnr": DATES}), True),
    "groups are numbers": (table("scores", **{**ROWS, "group": np.arange(UNITS)}), True),
    "groups are missing": (table("scores", **{**ROWS, "group": pa.array([None] * UNITS, pa.string())}), True),
    "scores twice": (lambda f: twice(f / "scores.parquet", "psnr", "ssim"), True),
    "30 million rows": (many_rows, True),
    "groups of 1 MB each": (long_groups, False),
    "history of text": (table("history", epoch=["one"], validation_psnr=["good"]), False),
    "history of dates": (table("history", epoch=DATES[:2], validation_psnr=[1.0, 2.0]), False),
    "history with a column twice": (
        lambda f: twice(f / "history.parquet", "epoch", "validation_psnr"),
        False,
    ),
    "history of structs": (table("history", epoch=STRUCT, validation_psnr=STRUCT), False),
    "history is a pipe": (replaced_by("history.parquet", os.mkfifo), False),
    "samples without pixels": (replaced_by("samples.safetensors", tensors(EMPTY)), False),
    "samples of 2^60 bytes": (replaced_by("samples.safetensors", tensors(GIANT)), False),
    "samples are a pipe": (replaced_by("samples.safetensors", os.mkfifo), False),
    "samples of 1 TB": (lambda f: huge(f / "samples.safetensors"), False),
    "samples lead elsewhere": (elsewhere("samples.safetensors"), False),
    "escapes in every text": (
        edited(lambda c: c["provenance"].update(hardware=EVIL, time=EVIL, packages={EVIL: EVIL})),
        False,
    ),
    "escapes in the spec": (edited(lambda c: c["spec"]["model"].update(name=EVIL)), False),
    "escapes in parameters": (edited(lambda c: c["spec"]["model"].update(params={EVIL: EVIL})), False),
    "escapes in a setting": (edited(lambda c: c["settings"].update({EVIL: [EVIL, {EVIL: EVIL}]})), False),
    "1e308 as a parameter": (edited(lambda c: c["spec"]["model"].update(params={"width": 1e308})), False),
    "a spec of lists": (edited(lambda c: c["spec"]["model"].update(params={"a": [[1], {"a": [2]}]})), False),
}  # fmt: skip


def _raw(folder: Path, old: str, new: str) -> None:
    path = folder / "record.json"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize("case", CRAFTED)
def test_a_crafted_record_costs_its_own_line(case, fresh, survives):
    """What was found to stop the board, and its relatives: each is one line, or shown without harm."""
    results = fresh()
    spoil, lost = CRAFTED[case]
    spoil(results / "runs" / BAD)
    survives(results)
    assert (BAD in [r.fingerprint for r in load(results).records]) is not lost


#: Reads and shows all of a results folder; prints the number of records, peak memory, and whether torch came.
PROGRAM = """
import sys
from pathlib import Path
from bench.leaderboard import find, show
from bench.leaderboard.publish import publish
from bench.leaderboard.table import board
from bench.leaderboard.terminal import tables
whole = board(sys.argv[1])
tables(whole)
for record in whole.records:
    show.text(whole, record)
publish(whole, Path(sys.argv[1]))
# Not getrusage: its peak is inherited from whoever started this process.
peak = Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]
print(len(whole.records), peak, int("torch" in sys.modules))
"""
LINUX = pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="memory is measured by Linux")


def shown(results):
    """Number of records, peak memory in kB, and whether torch was imported, of a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(results)],
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return map(int, done.stdout.split()[-3:])


@LINUX
def test_all_of_them_at_once(template, sound, tmp_path):
    """A folder with every crafted record: all commands succeed in little time and less than 1 GB."""
    results = tmp_path / "results"
    shutil.copytree(template, results)
    for number, case in enumerate(sorted(CRAFTED)):
        if case == "the folder is a link":
            continue
        folder = sound(results, f"case{number:03d}", f"model{number}")
        CRAFTED[case][0](folder)
    records, kilobytes, _ = shown(results)
    assert records == 2 + sum(not lost for _, lost in CRAFTED.values())
    assert kilobytes < 2**20


@LINUX
def test_records_at_the_limit(tmp_path, sound):
    """As many scoring units as are read, each with a name of its own: less than 1 GB, and no torch."""
    units, methods = (10**6, 5) if LARGE else (10**5, 2)
    rng = np.random.default_rng(0)
    for number in range(methods):
        folder = sound(tmp_path, f"{number:016x}", f"model{number}")
        psnr, ssim = number + rng.normal(size=units), rng.random(units)
        names = [f"patient {i}" for i in range(units)]
        pq.write_table(pa.table({"psnr": psnr, "ssim": ssim, "group": names}), folder / "scores.parquet")
        means = {"psnr": float(psnr.mean()), "ssim": float(ssim.mean())}
        edited(lambda c, means=means: c.update(scores=means))(folder)
        edited(lambda c: c["data"].update(test=units, groups=units))(folder)
    records, kilobytes, torch = shown(tmp_path)
    assert (records, torch) == (methods, 0)
    assert kilobytes < 2**20
