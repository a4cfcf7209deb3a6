"""Speeds taken again: nothing else of a record changes, and only where they are the record's own."""

import json
import math
import os
import shutil

import pytest
import torch

import bench
from bench.errors import BenchError, UsageError
from bench.runs import lease, retiming
from bench.runs.record import Record
from bench.runs.retiming import retime
from bench.runs.verify import verify
from bench.runs.writing import run_lease

DATASET = "photos:train=40,test=8,size=16"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A tiny real run."""
    results = tmp_path_factory.mktemp("results")
    return bench.run("noise", "unet:width=2", DATASET, epochs=2, device="cpu", results=results)


@pytest.fixture
def run(made, tmp_path):
    """Its record in a folder of one test's own, some fields edited."""

    def copied(**fields):
        folder = tmp_path / "runs" / made.folder.name
        shutil.copytree(made.folder, folder)
        path = folder / "record.json"
        content = json.loads(path.read_text())
        for name, value in fields.items():
            content[name] = {**content[name], **value} if isinstance(value, dict) else value
        path.write_text(json.dumps(content))
        return Record.read(folder)

    return copied


def test_only_speeds_change(run):
    """Scores, times of training and provenance stay; the record is on the disk, and verified as before."""
    absurd = {"images_per_second": 1e9, "latency_ms": 1e9, "latency_ms_q3": 1e9}
    before = run(timings=absurd)
    again = retime(before)
    assert Record.read(before.folder) == again
    assert not absurd.items() & again.timings.items()
    assert 0 < again.timings["latency_ms_q1"] <= again.timings["latency_ms"] <= again.timings["latency_ms_q3"]
    for name in ("train_seconds", "total_seconds", "train_images_per_second", "peak_memory_mb"):
        assert again.timings[name] == before.timings[name]
    for name in ("scores", "provenance", "files", "budget", "data", "spec"):
        assert getattr(again, name) == getattr(before, name)
    assert verify(again).verified
    assert [p.name for p in before.folder.parent.iterdir()] == [before.fingerprint]


def test_it_works_on_as_many_cores_as_then(run, monkeypatch):
    """Speeds are compared within a number of threads; those of the session are as before afterwards."""
    seen = []
    monkeypatch.setattr(
        retiming, "speed", lambda *_: seen.append(torch.get_num_threads()) or {"threads": 3.0}
    )
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    before = torch.get_num_threads()
    assert retime(run(timings={"threads": 3.0})).timings["threads"] == 3
    assert (seen, torch.get_num_threads()) == ([3], before)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"provenance": {"hardware": "Abacus"}}, "was made on Abacus"),
        ({"sources": {"model unet": "0" * 64}}, "the code of run .* is not the recorded one"),
        ({"numbers": 1}, "the code of run .* is not the recorded one"),
        ({"timings": {"threads": 1e12}}, r"names 1e\+12 threads; this machine has \d+ cores"),
        ({"timings": {"threads": "NaN"}}, "names nan threads"),
        ({"timings": {"threads": 0.0}}, "names 0 threads"),
    ],
)
def test_speeds_of_something_else_are_refused(run, fields, reason):
    """Another machine, other code, threads that nobody has: the record stays as it is."""
    record = run(**fields)
    text = (record.folder / "record.json").read_text()
    with pytest.raises(UsageError, match=reason):
        retime(record)
    assert (record.folder / "record.json").read_text() == text


def test_without_weights(run):
    """A published record may lack them."""
    record = run()
    (record.folder / "model.safetensors").unlink()
    with pytest.raises(UsageError, match="cannot be made again"):
        retime(record)


def test_what_is_not_trusted_is_asked_for(run):
    """No stranger's file is opened to time a run; the message says how to call this command again."""
    spec = {"dataset": {"name": "folder", "params": {"path": "elsewhere"}}}
    with pytest.raises(UsageError, match=r"bench time \w+ --trust folder"):
        retime(run(spec=spec))


def test_what_could_not_be_taken_stays_so(run):
    """NaN is not equal to itself, which must not make the record look like another one."""
    again = retime(run(timings={"peak_memory_mb": "NaN"}))
    assert math.isnan(again.timings["peak_memory_mb"])


def test_a_run_that_was_made_again_is_not_written_over(run):
    """What was read before is not put in place of what another process has recorded since."""
    record = run()
    path = record.folder / "record.json"
    path.write_text(path.read_text().replace('"seed": 0', '"seed":  0').replace('"exact": 0', '"exact": 1'))
    text = path.read_text()
    with pytest.raises(BenchError, match="was made again meanwhile"):
        retime(record)
    assert path.read_text() == text


def test_while_another_process_works_on_it(run):
    """Two writers of one record would lose what one of them wrote."""
    record = run()
    beat = run_lease(record.folder.parent.parent, record.fingerprint)
    with lease.held(beat), pytest.raises(BenchError):
        retime(record)
