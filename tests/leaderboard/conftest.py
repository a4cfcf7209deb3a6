"""Run records as the runner writes them, with scores that a test chooses."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file

from bench.component import Component, parse_chain
from bench.recipe import Recipe
from bench.runs.parts import Data, Failure, Provenance
from bench.runs.record import Record
from bench.runs.writing import writing
from bench.spec import NUMBERS, RunSpec

#: Numbers of the test images whose pictures are stored.
STORED = (3, 7, 12, 17, 21, 26, 31, 38)

Make = Callable[..., Record]


@pytest.fixture(scope="session")
def making() -> Callable[[Path], Make]:
    """For fixtures that several tests share: what writes records into a folder of theirs."""
    return maker


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A results folder that does not exist yet."""
    return tmp_path / "results"


@pytest.fixture
def make(results: Path) -> Make:
    """Writes one record; keywords: operator, model, dataset, seed, psnr, groups, role, status, and parts."""
    return maker(results)


def maker(results: Path) -> Make:
    """What writes records into a results folder."""

    def write(
        operator: str = "xor_ctr",
        model: str = "unet",
        psnr: object = 20.0,
        *,
        dataset: str = "photos",
        seed: int = 0,
        device: str = "cpu",
        recipe: Recipe | None = None,
        test_digest: str | None = None,
        role: str | None = None,
        status: str = "ok",
        error: str = "",
        fingerprint: str | None = None,
        groups: Sequence[str] | None = None,
        nmse: object = None,
        protocol: str = "unit",
        train_size: int | None = None,
        **parts: dict,
    ) -> Record:
        spec = RunSpec(
            tuple(map(_typed, parse_chain(operator))) if operator else (),
            _typed(Component.parse(model)),
            _typed(Component.parse(dataset)),
            seed,
            device=device,
            recipe=recipe,
            protocol=protocol,
            train_size=train_size,
        )
        scores = _scores(psnr, f"{operator}{model}{seed}")
        if nmse is not None:
            scores["nmse"] = nmse
        name = fingerprint or spec.fingerprint(dataset, [test_digest or ""])
        record = Record(
            name,
            spec,
            status=status,
            error=Failure(error) if error else None,
            role=role or {"mean": "floor", "inverse": "ceiling"}.get(spec.model.name, "model"),
            scores={k: _mean(scores[k]) for k in scores} if status == "ok" else {},
            timings=_timings(model) | parts.get("timings", {}),
            parameters=1000 if recipe else 0,
            data=Data(**_data(operator, dataset, seed, test_digest, len(scores)) | parts.get("data", {})),
            provenance=Provenance(**_provenance() | parts.get("provenance", {})),
            numbers=parts.get("numbers", NUMBERS),
        )
        with writing(results, name) as folder:
            if status == "ok":
                names = groups or [str(number) for number in range(len(scores))]
                scores.assign(group=names).to_parquet(folder / "scores.parquet")
                _history(recipe).to_parquet(folder / "history.parquet")
                save_file(_samples(operator, model), folder / "samples.safetensors")
            record = record.write(folder)
        return replace(record, folder=results / "runs" / name)

    return write


def _typed(component: Component) -> Component:
    """With numbers as records have them: not as text."""
    params = {}
    for key, value in component.params.items():
        try:
            params[key] = json.loads(value)
        except ValueError:
            params[key] = value
    return Component(component.name, params)


def _scores(psnr: object, key: str) -> pd.DataFrame:
    """Per-image scores; a single number becomes 40 images around it, the same images for every model."""
    if isinstance(psnr, float | int):
        hard = np.random.default_rng(7).normal(0, 2, 40)
        own = np.random.default_rng(sum(key.encode())).normal(0, 0.2, 40)
        psnr = psnr + hard - hard.mean() + own - own.mean()
    values = np.asarray(psnr, float)
    ssim = np.where(values == -np.inf, 0.0, 1 / (1 + 10 ** (-(values - 15) / 10)))
    return pd.DataFrame({"psnr": values, "ssim": ssim})


def _mean(column: pd.Series) -> float:
    return -np.inf if (column == -np.inf).any() else float(column.mean())


def _timings(model: str) -> dict[str, float]:
    speed = 100.0 + sum(model.encode()) % 400
    return {"images_per_second": speed, "batch_size": 64.0, "latency_ms": 2000 / speed, "total_seconds": 60.0}


def _data(operator: str, dataset: str, seed: int, test_digest: str | None, test: int) -> dict:
    return {
        "digest": f"images of {dataset}",
        "test_digest": test_digest or f"{operator} {dataset}",
        "train": 1000,
        "validation": 50,
        "test": test,
        "image_shape": [3, 16, 16],
        "measurement_shape": [12, 16, 16],
    }


def _provenance() -> dict:
    return {
        "hardware": "Test CPU, 2 cores",
        "invbench": "0.1.0",
        "python": "3.11.2",
        "packages": {"torch": "2.8.0"},
        "commit": "0123456789abcdef",
        "dirty": False,
        "time": "2026-01-01T00:00:00+00:00",
    }


def _history(recipe: Recipe | None) -> pd.DataFrame:
    epochs = np.arange(1, (recipe.epochs if recipe else 0) + 1)
    return pd.DataFrame(
        {
            "epoch": epochs,
            "loss": 0.1 / epochs,
            "validation_psnr": 20 - 6 / epochs,
            "lr": 1e-3,
            "seconds": 1.0,
            "images": 950,
        }
    )


def _samples(operator: str, model: str) -> dict[str, np.ndarray]:
    truth = np.random.default_rng(1).integers(0, 256, (8, 3, 16, 16), dtype=np.uint8)
    made = (truth * 0.7 + sum(model.encode()) % 60).astype(np.uint8)
    measured = np.random.default_rng(sum(operator.encode())).integers(0, 256, (8, 3, 16, 16), dtype=np.uint8)
    shown = {"truth": truth, "reconstruction": made, "measurement": measured}
    return shown | {"number": np.array(STORED)}
