"""Run records: plain folders, written whole or not at all.

    <results>/runs/<fingerprint>/record.json        spec, scores, timings, provenance
                                 scores.parquet     one row per scoring unit: its metrics, its group
                                 history.parquet    one row per epoch
                                 model.safetensors  weights
                                 samples.safetensors, samples.png

Reading needs no torch. JSON is strict: infinite numbers are the strings "Infinity", "-Infinity".
"""

import json
import math
from contextlib import suppress
from dataclasses import asdict, field, fields, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from pydantic import BeforeValidator, JsonValue, StringConstraints, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass
from pydantic_core import to_json

from bench.errors import BenchError, UsageError
from bench.parameters import UNKNOWN_REFUSED
from bench.runs.parts import (
    Budget,
    Count,
    Data,
    Failure,
    FileName,
    MetricFacts,
    Provenance,
    Role,
    Score,
    Sha256,
    Text,
    Timing,
)
from bench.runs.reading import MOST_JSON, columns, contents, json_in, sha256, shows_itself
from bench.runs.units import Names, Units
from bench.spec import NUMBERS, RunSpec

SCHEMA = 2
#: The end of a record's text, which tells its schema.
_END = f'"schema": {SCHEMA}\n}}\n'.encode()
#: Bytes of a spec as JSON: every page and table repeats its names.
LONGEST_SPEC = 10_000


class OutdatedError(BenchError):
    """A record of an earlier schema: what it holds means something else now; the run is made again."""


def _bounded(spec: Any) -> Any:
    if len(to_json(spec, fallback=str)) > LONGEST_SPEC:
        raise ValueError(f"a spec has at most {LONGEST_SPEC} bytes")
    return spec


@dataclass(frozen=True, config=UNKNOWN_REFUSED)
class Record:
    """One run and what came of it.

    Attributes:
        fingerprint: name of the run: its folder.
        spec: what was run: chain, model, dataset, seeds, recipe, protocol, metrics.
        status: ``ok`` or ``failed``.
        error: why it failed; None if it did not.
        role: what the run is for in its operator's table.
        scores: metric to mean over the scoring units; ``psnr`` in dB.
        metrics: unit and direction of each of them.
        exact: scoring units that were reconstructed exactly.
        failed: scoring units with a pixel that is not finite.
        timings: ``train_seconds``, ``train_images_per_second``, ``images_per_second``,
            ``batch_size`` (of ``images_per_second``), ``latency_ms`` (one image), ``threads``, ``load``,
            ``total_seconds``, ``peak_memory_mb``; medians have quartiles beside them (``latency_ms_q1``,
            ``_q3``). What could not be taken is NaN or left out, as the speed of what computes nothing.
        budget: epochs, seconds and trials that the scores have cost.
        uses: what the method used beside the measurements: ``adjoint``, ``inverse``, ...
        parameters: values learned from the training images (weights of a network).
        data: what it was trained and scored on.
        settings: what the operator settled by itself (a derived key).
        sources: SHA-256 of the code of each component, by kind and name: ``model unet``.
        provenance: where the numbers come from.
        numbers: the harness's version of the numbers.
        files: SHA-256 of every other file of the record, by name.
        schema: version of this form.
        folder: where it was read from; not written.
    """

    fingerprint: Annotated[str, StringConstraints(pattern=r"^[\w-]{1,64}$")]
    spec: Annotated[RunSpec, BeforeValidator(_bounded)]
    status: Literal["ok", "failed"] = "ok"
    error: Failure | None = None
    role: Role = "model"
    scores: dict[Text, Score] = field(default_factory=dict)
    metrics: dict[Text, MetricFacts] = field(default_factory=dict)
    exact: Count = 0
    failed: Count = 0
    timings: dict[Text, Timing] = field(default_factory=dict)
    budget: Budget = field(default_factory=Budget)
    uses: tuple[Text, ...] = ()
    parameters: Count = 0
    data: Data = field(default_factory=Data)
    settings: dict[str, JsonValue] = field(default_factory=dict)
    sources: dict[Text, Sha256] = field(default_factory=dict)
    provenance: Provenance = field(default_factory=Provenance)
    numbers: Count = NUMBERS
    files: dict[FileName, Sha256] = field(default_factory=dict)
    schema: Literal[2] = 2
    folder: Path | None = None

    @property
    def reason(self) -> str:
        """Why it failed, in one line; empty if it did not."""
        return self.error.message if self.error else ""

    @property
    def reason_and_place(self) -> str:
        """Why it failed and, where a plug-in's code was running, the file and line of it."""
        error = self.error
        if error is None or not error.traceback or error.place in error.message:
            return self.reason
        return f"{error.message} ({error.place})"

    @property
    def operator(self) -> str:
        """The chain as people are told it, with what it does not say: ``ct (finer grid, noise 0.01)``."""
        told = ", ".join(self.data.implied)
        return f"{self.spec.operator_label} ({told})" if told else self.spec.operator_label

    @property
    def problem(self) -> str:
        """What methods are compared on, for people: operator, dataset, and a train size, if any."""
        size = f" ({self.spec.size_label})" if self.spec.size_label else ""
        return f"{self.operator} on {self.spec.dataset.label}{size}"

    @cached_property
    def units(self) -> Units:
        """Scores of each scoring unit, as arrays.

        Raises:
            BenchError: they cannot be read.
        """
        if not (self.folder and self.scores):
            return Units({}, Names(np.array([], object)))
        return Units.read(self.folder, self.scores)

    @cached_property
    def per_unit(self) -> pd.DataFrame:
        """Scores of each scoring unit: one column per metric, and ``group``, the text that independent
        images do not share.
        """
        return self.units.frame() if self.scores else pd.DataFrame()

    @cached_property
    def history(self) -> pd.DataFrame:
        """Training history: columns of :class:`bench.training.Epoch`; empty for untrained models."""
        path = self.folder / "history.parquet" if self.folder else None
        return pd.DataFrame(columns(path)) if path and path.exists() else pd.DataFrame()

    def to_json(self) -> str:
        """The text of ``record.json``."""
        content = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "folder"}
        content["spec"] = self.spec.to_json()
        content["metrics"] = {name: asdict(facts) for name, facts in self.metrics.items()}
        parts = {k: asdict(v) if isinstance(v, _PARTS) else v for k, v in content.items()}
        return json.dumps(strict(parts), indent=2, allow_nan=False) + "\n"

    def write(self, folder: Path) -> "Record":
        """Write ``record.json`` with the SHA-256 of the run's other files, which lie there already."""
        names = sorted(p.name for p in folder.iterdir() if p.name != "record.json")
        sealed = replace(self, files={name: sha256(folder / name) for name in names}, folder=folder)
        (folder / "record.json").write_text(sealed.to_json(), encoding="utf-8")
        return sealed

    def damaged(self) -> list[str]:
        """Names of the record's files that are missing, or are not those that were written."""
        return [
            name for name, sha in self.files.items() if not self.folder or not _is(self.folder / name, sha)
        ]

    @classmethod
    def complete(cls, folder: Path) -> "Record | None":
        """The record in a folder, if the run succeeded and every file is the one that was written."""
        try:
            record = cls.read(folder)
        except BenchError:
            return None
        whole = record.status == "ok" and record.fingerprint == folder.name and not record.damaged()
        return record if whole and "scores.parquet" in record.files else None

    @classmethod
    def read(cls, folder: Path) -> "Record":
        """Read one run's folder.

        Raises:
            OutdatedError: the record is of an earlier schema.
            BenchError: the record is missing, truncated, of a later schema, or edited out of shape.
        """
        text = contents(folder / "record.json", MOST_JSON)
        found = _at_once(text) or cls._mended(json_in("record.json", text))
        object.__setattr__(found, "folder", folder)
        return found

    @classmethod
    def _mended(cls, content: Any) -> "Record":
        """That of a file's content, or what is wrong with it."""
        schema = content.get("schema") if isinstance(content, dict) else None
        if not isinstance(schema, int):
            raise BenchError("record.json is not a run record (it names no schema)")
        if schema > SCHEMA:
            raise BenchError(f"record.json: schema {schema} is newer than this version's {SCHEMA}")
        if schema < SCHEMA:
            raise OutdatedError(f"record.json: schema {schema} is an earlier one: run it again")
        try:
            return _checked().validate_python(content)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))[:100]
            raise BenchError(f"record.json is not a run record ({place}: {first['msg'][:200]})") from error
        except (ValueError, TypeError, UsageError, RecursionError) as error:
            raise BenchError(f"record.json is not a run record ({str(error)[:300]})") from error


def _at_once(text: bytes) -> Record | None:
    """The record of a text as :meth:`Record.to_json` writes it; None of one that needs a second look.

    Three fifths of the time that the way by JSON's objects takes; a leaderboard reads thousands.
    """
    strict = not any(word in text for word in (b"NaN", b"Infinity"))
    with suppress(ValueError, TypeError, UsageError, RecursionError):
        if strict and text.endswith(_END) and shows_itself(text):
            return _checked().validate_json(text)
    return None


def _is(path: Path, sha: str) -> bool:
    try:
        return sha256(path) == sha
    except BenchError:
        return False


#: Parts of a record that are records themselves.
_PARTS = (Failure, Budget, Data, Provenance)


@cache
def _checked() -> TypeAdapter[Record]:
    """What checks the types of a record that was read, those of its spec included."""
    return TypeAdapter(Record)


def runs_folder(results: Path) -> Path:
    """Where the run records of a results folder lie."""
    return results / "runs"


def strict(value: Any) -> Any:
    """``value`` for strict JSON: infinite numbers and NaN as text, tuples as lists."""
    if isinstance(value, dict):
        return {str(k): strict(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [strict(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value
