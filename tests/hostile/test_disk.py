"""A full disk, by a limit on the size of files: wherever it fills up, training and records are kept."""

import os
import resource
import shutil
import signal

import pandas as pd

from bench.runs.request import specify
from bench.runs.runner import Run

#: Bytes that a file may have: the lease fits and nothing else; a table; the samples; almost all.
LIMITS = [600, 2_000, 20_000, 60_000]
LARGE = [*range(500, 4_000, 250), *range(4_000, 600_000, 20_000)]


def _work(spec, results, limit):
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    os._exit(0 if Run(spec).execute(results).status == "failed" else 9)


def test_no_room(tmp_path, tiny, world, forked):
    """The run fails, an earlier record is as it was, and with room again the run ends as it should."""
    kept = Run(specify("denoising", "mean", tiny)).execute(tmp_path / "earlier")
    spec = specify("denoising", "unet:width=4", tiny, changes={"epochs": 1})
    for limit in LARGE if world.large else LIMITS:
        results = tmp_path / str(limit)
        shutil.copytree(tmp_path / "earlier", results)
        process = forked(_work, spec, results, limit)
        process.join(100)
        assert process.exitcode == 0, limit
        mine = results / "runs" / kept.fingerprint / "record.json"
        assert mine.read_bytes() == (kept.folder / "record.json").read_bytes()
        record = Run(spec).execute(results)
        assert record.status == "ok"
        assert {path.name for path in (results / "runs").iterdir()} == {kept.fingerprint, record.fingerprint}
        assert list((results / "checkpoints").iterdir()) == []
        assert len(pd.read_parquet(record.folder / "scores.parquet")) == 12
