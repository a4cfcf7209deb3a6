"""Run records: plain folders, written whole or not at all.

    <results>/runs/<fingerprint>/record.json        spec, scores, timings, provenance
                                 scores.parquet     one row per test image
                                 history.parquet    one row per epoch
                                 model.safetensors  weights
                                 samples.safetensors, samples.png

Reading needs no torch. JSON is strict: infinite numbers are the strings "Infinity", "-Infinity".
"""

import json
import math
from dataclasses import asdict, dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd
from pydantic import ConfigDict, TypeAdapter, ValidationError

from bench.errors import BenchError, UsageError
from bench.parameters import UNKNOWN_REFUSED
from bench.spec import RunSpec

SCHEMA = 1


@dataclass(frozen=True)
class Record:
    """One run and what came of it.

    Attributes:
        fingerprint: name of the run: its folder.
        spec: what was run.
        status: ``ok`` or ``failed``.
        error: why it failed; empty if it did not.
        role: ``floor``, ``ceiling`` or ``model``: what the run is for in its operator's table.
        scores: means over the test images: ``psnr`` in dB, ``ssim``.
        timings: ``train_seconds``, ``train_images_per_second``, ``images_per_second``,
            ``batch_size`` (of ``images_per_second``), ``latency_ms`` (one image), ``total_seconds``,
            ``peak_memory_mb``.
        parameters: values learned from the training images (weights of a network).
        data: ``digest`` of the images, ``test_digest`` of the test measurements, the numbers of
            images ``train``, ``validation``, ``test``, ``image_shape``, ``measurement_shape``, and
            ``duplicates``: test images with a copy in training (:func:`bench.runs.leakage.duplicates`);
            ``repeated_ivs``: under ``iv=fresh``, test images whose iv another one has too;
            ``certificate``: what :func:`bench.describe.certificate.certify` measured, or why it could not.
        settings: what the operator settled by itself (a derived key).
        provenance: ``hardware``, versions, commit, time: where the numbers come from.
        schema: version of this form.
        folder: where it was read from; not written.
    """

    __pydantic_config__: ClassVar[ConfigDict] = UNKNOWN_REFUSED

    fingerprint: str
    spec: RunSpec
    status: str = "ok"
    error: str = ""
    role: str = "model"
    scores: dict[str, float] = field(default_factory=dict)
    timings: dict[str, float] = field(default_factory=dict)
    parameters: int = 0
    data: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    schema: int = SCHEMA
    folder: Path | None = None

    @cached_property
    def per_image(self) -> pd.DataFrame:
        """Scores of each test image: columns ``psnr``, ``ssim``; the index is the image's number."""
        return self._frame("scores.parquet")

    @cached_property
    def history(self) -> pd.DataFrame:
        """Training history: columns of :class:`bench.training.Epoch`; empty for untrained models."""
        return self._frame("history.parquet")

    def _frame(self, name: str) -> pd.DataFrame:
        path = self.folder / name if self.folder else None
        return pd.read_parquet(path) if path and path.is_file() else pd.DataFrame()

    def to_json(self) -> str:
        """The text of ``record.json``."""
        content = {k: v for k, v in asdict(self).items() if k != "folder"}
        return json.dumps(strict(content), indent=2, allow_nan=False) + "\n"

    @classmethod
    def read(cls, folder: Path) -> "Record":
        """Read one run's folder.

        Raises:
            BenchError: the record is missing, truncated, of a later schema, or edited out of shape.
        """
        path = folder / "record.json"
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content["schema"] > SCHEMA:
                raise BenchError(f"{path}: schema {content['schema']} is newer than this version's {SCHEMA}")
            return replace(_checked().validate_python(content), folder=folder)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise BenchError(f"{path}: not a run record ({place}: {first['msg']})") from error
        except (OSError, ValueError, KeyError, TypeError, UsageError) as error:
            raise BenchError(f"{path}: not a run record ({type(error).__name__}: {error})") from error


@cache
def _checked() -> TypeAdapter[Record]:
    """What checks the types of a record that was read, those of its spec included."""
    return TypeAdapter(Record)


def runs_folder(results: Path) -> Path:
    """Where the run records of a results folder lie."""
    return results / "runs"


def read_all(results: Path) -> tuple[list[Record], list[str]]:
    """All records of a results folder, and one message for each folder that holds none."""
    records, problems = [], []
    for folder in sorted(p for p in runs_folder(results).glob("[!.]*") if p.is_dir()):
        try:
            records.append(Record.read(folder))
        except BenchError as error:
            problems.append(str(error))
    return records, problems


def strict(value: Any) -> Any:
    """``value`` for strict JSON: infinite numbers and NaN as text, tuples as lists."""
    if isinstance(value, dict):
        return {str(k): strict(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [strict(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value
