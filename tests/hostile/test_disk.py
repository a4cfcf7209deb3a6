"""A full disk, by a limit on the size of files and by a small disk: training, records, READMEs are kept."""

import os
import resource
import shutil
import signal
import subprocess
import sys

import pandas as pd
import pytest

from bench import cli
from bench.errors import BenchError
from bench.runs.request import specify
from bench.runs.runner import Run

#: Bytes that a file may have: the lease fits and nothing else; a table; the samples; almost all.
LIMITS = [600, 2_000, 20_000, 60_000]
LARGE = [*range(500, 4_000, 250), *range(4_000, 600_000, 20_000)]
#: Kilobytes that are free on a disk; it counts in pages of four.
FREE = [0, 8, 60]
LARGE_FREE = [*range(0, 64, 4), *range(64, 640, 24)]
MARKS = "Mine.\n<!-- leaderboard: begin -->\n<!-- leaderboard: end -->\n"


def _work(spec, results, limit=None):
    """Exit code 0 if the run is recorded as failed or refused, 1 if it is done."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    if limit is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        done = Run(spec).execute(results).status == "ok"
    except BenchError:
        done = False
    os._exit(int(done))


def _whole(results, earlier, spec):
    """An earlier record is as it was; with room the run ends as it should, and nothing else is left."""
    mine = results / "runs" / earlier.fingerprint / "record.json"
    assert mine.read_bytes() == (earlier.folder / "record.json").read_bytes()
    record = Run(spec).execute(results)
    assert record.status == "ok"
    assert {path.name for path in (results / "runs").iterdir()} == {earlier.fingerprint, record.fingerprint}
    assert list((results / "checkpoints").iterdir()) == []
    assert len(pd.read_parquet(record.folder / "scores.parquet")) == 12


@pytest.fixture
def earlier(tmp_path, tiny):
    """A record that was there before."""
    return Run(specify("denoising", "mean", tiny)).execute(tmp_path / "earlier")


@pytest.fixture
def spec(tiny):
    """A run with a checkpoint."""
    return specify("denoising", "unet:width=4", tiny, changes={"epochs": 1})


def test_no_room_for_a_file(tmp_path, earlier, spec, world, forked):
    """The run fails, an earlier record is as it was, and with room again the run ends as it should."""
    for limit in LARGE if world.large else LIMITS:
        results = tmp_path / str(limit)
        shutil.copytree(tmp_path / "earlier", results)
        process = forked(_work, spec, results, limit)
        process.join(100)
        assert process.exitcode == 0, limit
        _whole(results, earlier, spec)


@pytest.fixture
def disk(tmp_path):
    """A disk of four megabytes, where one may be mounted; and a way to leave so many kilobytes of it free."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = shutil.which("mount") and not subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)], check=False, capture_output=True
    ).returncode  # fmt: skip
    if not mounted:
        pytest.skip("no disk can be mounted here")

    def leave(kilobytes):
        ballast = place / "ballast"
        ballast.unlink(missing_ok=True)
        free = shutil.disk_usage(place).free // 1024
        if kilobytes is not None:
            ballast.write_bytes(bytes(1024 * (free - kilobytes)))

    yield place, leave
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_no_room_on_the_disk(tmp_path, disk, earlier, spec, world, forked):
    """Likewise, though nothing at all can be written any more: neither lease nor failure."""
    place, leave = disk
    results, codes = place / "results", []
    for free in LARGE_FREE if world.large else FREE:
        shutil.copytree(tmp_path / "earlier", results)
        leave(free)
        process = forked(_work, spec, results)
        process.join(100)
        codes.append(process.exitcode)
        leave(None)
        _whole(results, earlier, spec)
        shutil.rmtree(results)
    assert set(codes) <= {0, 1}
    assert codes[0] == 0


def _leaderboard(results, readme, said):
    sys.argv = ["bench", "leaderboard", "--results", str(results), "--readme", str(readme)]
    sys.stdout = sys.stderr = said.open("w")
    try:
        cli.main()
    finally:
        sys.stdout.flush()


def test_a_readme_is_whole_or_as_it_was(tmp_path, disk, earlier, world, forked):
    """Its tables are written where there is room for them; else one message, and every byte is there."""
    place, leave = disk
    results, readme = tmp_path / "earlier", place / "README.md"
    said = tmp_path / "said"
    for free in [0, 4, 8] if world.large else [0]:
        readme.write_text(MARKS)
        leave(free)
        process = forked(_leaderboard, results, readme, said)
        process.join(100)
        leave(None)
        assert "Traceback" not in said.read_text()
        assert process.exitcode == 2 or (free and process.exitcode == 0), free
        assert process.exitcode == 0 or readme.read_text() == MARKS, free
    assert earlier.status == "ok"
