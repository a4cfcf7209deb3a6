"""A results folder with one sound record and one to be spoiled, and what must hold of it afterwards."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file

from bench.leaderboard import find, show
from bench.leaderboard.export import text as exported
from bench.leaderboard.publish import publish
from bench.leaderboard.table import board
from bench.recipe import Recipe
from bench.runs.record import Data, Provenance, Record
from bench.runs.writing import writing
from bench.spec import Component, RunSpec

GOOD, BAD = "good000000000000", "bad0000000000000"
UNITS = 12


def write(results: Path, name: str, model: str = "unet") -> Path:
    """A sound record of a trained run, with all its files; returns its folder."""
    rng = np.random.default_rng(len(name))
    psnr = 20 + rng.normal(size=UNITS)
    scores = pd.DataFrame(
        {"psnr": psnr, "ssim": np.full(UNITS, 0.5), "group": [f"g{i}" for i in range(UNITS)]}
    )
    spec = RunSpec((Component("xor_ctr"),), Component(model), Component("photos"), recipe=Recipe(epochs=2))
    record = Record(
        name,
        spec,
        scores={"psnr": float(psnr.mean()), "ssim": 0.5},
        timings={"images_per_second": 100.0, "batch_size": 4.0, "total_seconds": 3.0},
        parameters=10,
        data=Data(
            digest="images", test_digest="test", train=40, validation=4, test=UNITS, image_shape=(3, 16, 16)
        ),
        provenance=Provenance(hardware="CPU", metrics=1, time="2026-01-01T00:00:00+00:00"),
    )
    with writing(results, name) as folder:
        scores.to_parquet(folder / "scores.parquet")
        history = {"epoch": [1, 2], "loss": [0.2, 0.1], "validation_psnr": [18.0, 19.0], "lr": [1e-3, 1e-3]}
        pd.DataFrame(history | {"seconds": [1.0, 1.0], "images": [40, 40]}).to_parquet(
            folder / "history.parquet"
        )
        pictures = {k: np.zeros((2, 3, 16, 16), np.uint8) for k in ("measurement", "reconstruction", "truth")}
        save_file(pictures, folder / "samples.safetensors")
        record.write(folder)
    return results / "runs" / name


@pytest.fixture(scope="session")
def sound():
    """Writes a sound record: results folder, name, model."""
    return write


@pytest.fixture(scope="session")
def survives():
    """Reads a results folder by all that reads one, and checks what must hold."""
    return survive


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    """A results folder with two sound records, which nobody changes."""
    results = tmp_path_factory.mktemp("template")
    write(results, GOOD)
    write(results, BAD, "dncnn")
    return results


@pytest.fixture(scope="session")
def fresh(template, tmp_path_factory):
    """Makes a copy of that folder in place of the last one."""
    target = tmp_path_factory.mktemp("attacked") / "results"

    def make() -> Path:
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(template, target)
        return target

    return make


def survive(results: Path, publishing: bool = False) -> None:
    """All that reads results goes through; the good record is there; nothing moves the terminal."""
    whole = board(results)
    names = [r.fingerprint for r in whole.records]
    assert GOOD in names
    assert len(names) + len(whole.loaded.skipped) + len(whole.loaded.outdated) == 2
    printed = [whole.loaded.summary(), exported(whole, "markdown"), exported(whole, "csv")]
    printed += [show.text(whole, find.run(whole.loaded, name)) for name in names]
    assert len(whole.loaded.summary()) < 1000
    for line in "\n".join(printed).splitlines():
        assert line.isprintable(), line
    if publishing:
        publish(whole, results)
