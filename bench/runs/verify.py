"""A recorded run made again from what its record says: data, operator, and the model's stored weights."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np
import pandas as pd

from bench.errors import BenchError, UsageError, reason
from bench.metrics import mean_score
from bench.runs import provenance, transfer
from bench.runs.assembly import components
from bench.runs.determinism import deterministic
from bench.runs.evaluation import evaluate
from bench.runs.fitting import restore
from bench.runs.leakage import repeated_ivs
from bench.runs.publishing import draft
from bench.runs.reading import MOST_FILE, opened
from bench.runs.record import Record, strict
from bench.runs.request import find_device
from bench.runs.runner import Run
from bench.runs.trust import FETCHING, trusted
from bench.spec import NUMBERS, RunSpec

#: What a mean, and one unit's score, may change by: dB of PSNR, SSIM. Of other metrics the share.
MEAN_TOLERANCE = {"psnr": 0.01, "ssim": 0.001}
UNIT_TOLERANCE = {"psnr": 0.1, "ssim": 0.01}
OTHER_TOLERANCE = 0.01
#: Above this PSNR, in dB, an error is rounding, which differs from machine to machine.
ROUNDING = 80.0
#: What of the provenance may differ without being worth a word.
PASSING = ("time",)
#: What no second run can tell.
UNCHECKED = (
    "speeds, latency, memory and times",
    "the hardware and the versions it names",
    "that the weights come from this training and seed",
    "the number of trials",
    "what training used of the operator, and the weights that it began with",
    "the certificate",
)


@dataclass(frozen=True)
class Verification:
    """What came of making a run again.

    Attributes:
        faults: what of the record is not so, one line each.
        drift: by how much each mean changed: new minus recorded.
        largest: the largest change of one unit's score, by metric.
        environment: what differs now: name, recorded value, value now.
        unchecked: claims that this cannot check.
    """

    faults: tuple[str, ...]
    drift: dict[str, float]
    largest: dict[str, float]
    environment: tuple[tuple[str, str, str], ...]
    unchecked: tuple[str, ...] = UNCHECKED

    @property
    def verified(self) -> bool:
        """Whether nothing of the record was found to be otherwise."""
        return not self.faults

    def text(self) -> str:
        """What was found, one thing per line."""
        lines = ["verified" if self.verified else "not verified", *(f"  {fault}" for fault in self.faults)]
        lines += [
            f"  mean {name} changed by {change:+.2g}, one unit's by {self.largest[name]:.2g} at most"
            for name, change in self.drift.items()
        ]
        lines += [f"  {name} was {was}, is {now}" for name, was, now in self.environment]
        if not self.environment:
            lines.append("  same environment")
        return "\n".join([*lines, f"  not checked: {'; '.join(self.unchecked)}"])


def verify(record: Record, trust: Sequence[str] = ()) -> Verification:
    """Rebuild data, operator and model from a record, score the stored weights again, and compare.

    Args:
        record: read from anywhere.
        trust: files, folders and plug-ins that it may use; see :func:`bench.runs.trust.trusted`.

    Raises:
        UsageError: the run cannot be made again here, or names what is not trusted.
    """
    run = restored(record, trust)
    now = draft(run, provenance.collect(run.problem.device))
    used = set(run.model.uses)
    with deterministic(run.problem.device):
        scores, digest, _ = evaluate(
            run.model,
            run.problem,
            seed=run.spec.seed,
            used=used,
            protocol=run.spec.protocol,
            metrics=run.metrics,
        )
    now = replace(
        now,
        data=replace(now.data, test_digest=digest, repeated_ivs=repeated_ivs(run.problem)),
        parameters=run.model.parameters(),
        uses=tuple(sorted(used)),
        scores={n: mean_score(scores[n], run.metrics[n].unit) for n in scores if n != "group"},
    )
    stored = record.per_unit
    drift, largest, drifted = _compared(record, stored, now, scores)
    faults = [*_files(record), *_name(record, now, run.spec), *_claims(record, now), *_own(record, stored)]
    was, here = asdict(record.provenance), asdict(now.provenance)
    return Verification((*faults, *drifted), drift, largest, tuple(_differences(was, here)))


def restored(record: Record, trust: Sequence[str] = (), command: str = "verify") -> Run:
    """A run with its model in the state that was stored.

    Args:
        record: read from anywhere.
        trust: as of :func:`verify`.
        command: what is told to be called again with what is missing of it.

    Raises:
        UsageError: operator, model or dataset cannot be built here or are not trusted, or the weights
            are missing or belong to another model.
    """
    spec = trusted(record, trust, command)
    try:
        device = find_device(spec.device)
    except UsageError:
        device = "cpu"
    if record.status != "ok" or record.folder is None:
        raise UsageError(f"run {record.fingerprint} cannot be made again: it failed ({record.reason})")
    if spec.trained_on:
        run = Run(replace(spec, device=device))
        run.model = transfer.model(run.spec, record.folder.parent.parent)
        return run
    weights = record.folder / "model.safetensors"
    try:
        opened(weights, MOST_FILE).close()
    except BenchError as error:
        raise UsageError(f"run {record.fingerprint} cannot be made again: {error}") from error
    run = Run(replace(spec, device=device))
    try:
        restore(run, weights)
    except (OSError, ValueError, RuntimeError, KeyError, AttributeError) as error:
        raise UsageError(
            f"the weights of run {record.fingerprint} do not fit its model: {reason(error)}"
        ) from error
    return run


def _files(record: Record) -> Iterator[str]:
    """Files that are not those that were written."""
    for name in record.damaged():
        yield f"{name} is missing or is not the file that was written"
    there = {p.name for p in record.folder.iterdir()} if record.folder else set()
    for name in sorted(there - {*record.files, "record.json"})[:10]:
        yield f"{name} is not named in the record"


def _name(record: Record, now: Record, spec: RunSpec) -> Iterator[str]:
    """Whether code and fingerprint are those of the spec."""
    pairs = zip(components(record.spec), components(spec), strict=True)
    parts = [(room.kind, part, own.name) for (room, part), (_, own) in pairs]
    sources = {f"{kind} {part.name}": now.sources[f"{kind} {name}"] for kind, part, name in parts}
    for _, part, name in parts:
        # Weights are not fetched because a record says so: their digest is taken from it, unchecked.
        known = record.sources if FETCHING & set(part.params) else now.sources
        key = f"weights {part.name if known is record.sources else name}"
        sources |= {f"weights {part.name}": known[key]} if key in known else {}
    for name, sha in sources.items():
        if record.sources.get(name) != sha:
            yield f"the code of {name} is not the recorded one"
    if record.numbers != NUMBERS:
        yield f"it is of version {record.numbers} of the numbers; this is version {NUMBERS}: run it again"
        return
    made = record.spec.fingerprint(
        now.data.digest, [sha for name, sha in sources.items() if not name.startswith("dataset ")]
    )
    if record.fingerprint != made:
        yield f"its name is {record.fingerprint}; code, data and spec give {made}"


def _claims(record: Record, now: Record) -> Iterator[str]:
    """What the record says of data, operator and model against what they are."""
    data = {f.name: (getattr(record.data, f.name), getattr(now.data, f.name)) for f in fields(now.data)}
    # Of these the stored scores tell, and the certificate is another command's.
    pairs = {k: v for k, v in data.items() if k not in ("groups", "test", "unit", "certificate")}
    pairs |= {name: (getattr(record, name), getattr(now, name)) for name in ("parameters", "role")}
    pairs["settings"] = (strict(record.settings), strict(now.settings))
    for name, (said, found) in pairs.items():
        if said != found:
            yield f"{name} is {_short(found)}, not {_short(said)}"
    for name in sorted(set(now.uses) - set(record.uses)):
        yield f"it uses {name}, which is not recorded"


def _own(record: Record, stored: pd.DataFrame) -> Iterator[str]:
    """What the record's parts say of one another."""
    psnr = stored["psnr"]
    # What a transferred run has cost, its source has spent.
    spent = 0.0 if record.spec.trained_on else record.budget.seconds
    pairs = {
        "exact": (record.exact, int((psnr == math.inf).sum())),
        "failed": (record.failed, int((psnr == -math.inf).sum())),
        "groups": (record.data.groups, stored["group"].nunique()),
        "test": (record.data.test, len(stored)),
        "budget.seconds": (spent, record.timings.get("train_seconds", 0.0)),
    }
    for name, (said, found) in pairs.items():
        if said != found:
            yield f"{name} is {_short(found)}, not {_short(said)}"
    try:
        history = record.history
    except BenchError as error:
        yield str(error)
        return
    epochs, recipe = record.budget.epochs, record.spec.recipe
    if record.spec.trained_on:  # the training is its source's
        return
    if epochs != len(history) or (epochs and [*history["epoch"]] != [*range(1, epochs + 1)]):
        yield f"{epochs} epochs were counted, its history has {len(history)}"
    elif recipe and (epochs > recipe.epochs or (epochs < recipe.epochs and not recipe.patience)):
        yield f"{epochs} epochs were counted, its recipe has {recipe.epochs}"


def _compared(
    record: Record, stored: pd.DataFrame, now: Record, scores: pd.DataFrame
) -> tuple[dict[str, float], dict[str, float], list[str]]:
    """Change of each mean, largest change of a unit, and what of it is too much."""
    if len(stored) != len(scores):
        raise UsageError(f"the dataset has {len(scores)} test units now; the record has {len(stored)}")
    drift, largest, faults = {}, {}, []
    for name, said in record.scores.items():
        if name not in now.scores:
            faults.append(f"{name} is not scored by this protocol")
            continue
        drift[name] = _change(said, now.scores[name])
        gaps = _gaps(stored[name].to_numpy(), scores[name].to_numpy(), name)
        largest[name] = float(gaps.max())
        most = MEAN_TOLERANCE.get(name, OTHER_TOLERANCE * abs(said))
        if not abs(drift[name]) <= most:
            faults.append(f"the mean {name} is {now.scores[name]:.4f}, not {said:.4f}")
        allowed = UNIT_TOLERANCE.get(name, OTHER_TOLERANCE * np.abs(scores[name].to_numpy()))
        if count := int((~(gaps <= allowed)).sum()):
            faults.append(f"the {name} of {count} of {len(gaps)} units is another")
    faults += [f"{name} was scored, but is not recorded" for name in now.scores if name not in record.scores]
    if [*stored["group"]] != [*scores["group"].astype(str)]:
        faults.append("the units' groups are others")
    return drift, largest, faults


def _gaps(old: Any, new: Any, name: str) -> Any:
    """Change of each unit; 0 where both are the same infinity, or a PSNR that only rounding limits."""
    if name == "psnr":
        old, new = np.minimum(old, ROUNDING), np.minimum(new, ROUNDING)
    with np.errstate(invalid="ignore"):
        return np.where((old == new) | (np.isnan(old) & np.isnan(new)), 0.0, np.abs(new - old))


def _change(old: float, new: float) -> float:
    """New minus old; 0 where both are the same infinity, infinite where only one is."""
    return 0.0 if old == new else new - old if math.isfinite(new - old) else math.inf


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _differences(old: dict[str, Any], new: dict[str, Any], prefix: str = "") -> list[tuple[str, str, str]]:
    found = []
    for key in sorted(set(old) | set(new)):
        was, now = old.get(key), new.get(key)
        if isinstance(was, dict) and isinstance(now, dict):
            found += _differences(was, now, f"{prefix}{key}.")
        elif was != now and key not in PASSING:
            found.append((f"{prefix}{key}", _short(was), _short(now)))
    return found
