"""A recorded run made again from what its record says: data, operator, and the model's stored weights."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.errors import BenchError, UsageError, reason
from bench.runs import provenance
from bench.runs.evaluation import as_picture, evaluate, reconstructed
from bench.runs.record import Record
from bench.runs.request import find_device
from bench.runs.runner import Run, deterministic

#: Means that differ by no more than this are verified: dB of PSNR, SSIM.
TOLERANCE = {"psnr": 0.01, "ssim": 0.001}
#: What of the provenance may differ without being worth a word.
PASSING = ("time",)


@dataclass(frozen=True)
class Verification:
    """What came of scoring a run's stored weights again.

    Attributes:
        drift: by how much each mean changed: new minus recorded.
        largest: the largest change of one image's PSNR, in dB.
        same_measurements: whether the test measurements have the recorded SHA-256.
        same_images: whether the images have the recorded SHA-256.
        environment: what differs now: name, recorded value, value now.
    """

    drift: dict[str, float]
    largest: float
    same_measurements: bool
    same_images: bool
    environment: tuple[tuple[str, str, str], ...]

    @property
    def verified(self) -> bool:
        """Whether every mean is within its tolerance, on the same images and measurements."""
        close = all(abs(change) <= TOLERANCE[name] for name, change in self.drift.items())
        return close and self.same_measurements and self.same_images

    def text(self) -> str:
        """What was found, one thing per line."""
        psnr, ssim = self.drift["psnr"], self.drift["ssim"]
        lines = [
            "verified" if self.verified else "not verified",
            f"  mean PSNR changed by {psnr:+.2g} dB, mean SSIM by {ssim:+.2g}, "
            f"one image's PSNR by {self.largest:.2g} dB at most",
        ]
        same = {"images": self.same_images, "test measurements": self.same_measurements}
        lines += [
            f"  the {name} are {'the same' if ok else 'NOT those of the record'}" for name, ok in same.items()
        ]
        lines += [f"  {name} was {was}, is {now}" for name, was, now in self.environment]
        return "\n".join(lines if self.environment else [*lines, "  same environment"])


def restored(record: Record) -> Run:
    """A run with its model in the state that was stored.

    Raises:
        UsageError: operator, model or dataset cannot be built here, or the weights are missing or
            belong to another model.
    """
    spec = record.spec
    try:
        device = find_device(spec.device)
    except UsageError:
        device = "cpu"
    run = Run(replace(spec, device=device))
    weights = record.folder / "model.safetensors" if record.folder else None
    if record.status != "ok" or weights is None or not weights.is_file():
        why = f"it failed ({record.reason})" if record.status != "ok" else "it has no model.safetensors"
        raise UsageError(f"run {record.fingerprint} cannot be made again: {why}")
    try:
        run.restore(weights)
    except (OSError, ValueError, RuntimeError, KeyError, AttributeError) as error:
        raise UsageError(
            f"the weights of run {record.fingerprint} do not fit its model: {reason(error)}"
        ) from error
    return run


def verify(record: Record) -> Verification:
    """Rebuild data, operator and model from a record and score the stored weights again.

    Raises:
        UsageError: the run cannot be made again here.
    """
    run = restored(record)
    here = provenance.collect(run.problem.device)
    with deterministic(run.problem.device):
        scores, digest, _ = evaluate(run.model, run.problem, seed=run.spec.seed)
    old, new = record.per_unit, scores
    if len(old) != len(new):
        raise UsageError(f"the dataset has {len(new)} test images now; the record has {len(old)}")
    drift = {name: _change(old[name].to_numpy(), new[name].to_numpy()) for name in TOLERANCE}
    gap = _gaps(old["psnr"].to_numpy(), new["psnr"].to_numpy())
    return Verification(
        drift=drift,
        largest=float(gap.max()),
        same_measurements=digest == record.data.test_digest,
        same_images=run.problem.splits.digest() == record.data.digest,
        environment=tuple(_differences(asdict(record.provenance), asdict(here))),
    )


def _gaps(old: Any, new: Any) -> Any:
    with np.errstate(invalid="ignore"):
        return np.where(old == new, 0.0, np.abs(new - old))


def _change(old: Any, new: Any) -> float:
    """Change of the mean; 0 where both are the same infinity, infinite where only one is infinite."""
    if np.array_equal(old, new):
        return 0.0
    change = np.where(old == new, 0.0, new - old)
    return float(change.mean()) if np.isfinite(change).all() else math.inf


def _differences(old: dict[str, Any], new: dict[str, Any], prefix: str = "") -> list[tuple[str, str, str]]:
    found = []
    for key in sorted(set(old) | set(new)):
        was, now = old.get(key), new.get(key)
        if isinstance(was, dict) and isinstance(now, dict):
            found += _differences(was, now, f"{prefix}{key}.")
        elif was != now and key not in PASSING:
            found.append((f"{prefix}{key}", str(was), str(now)))
    return found


def reconstructions(record: Record, images: Sequence[int]) -> dict[str, Any]:
    """Measurement, reconstruction and truth of some test images as pictures ``(N, H, W, 3)`` uint8.

    Raises:
        BenchError: the run cannot be made again here.
    """
    from bench.leaderboard.samples import picture

    run, wanted, kept = restored(record), set(images), {}
    start = 0
    for batch in run.problem.test_batches():
        y, x, _ = batch
        inside = [i for i in range(start, start + len(x)) if i in wanted]
        if inside:
            made = reconstructed(run.model, batch, run.spec.seed, start)
            for i in inside:
                kept[i] = (y[i - start].cpu(), made[i - start].cpu(), x[i - start].cpu())
        start += len(x)
    if set(kept) != wanted:
        raise BenchError(f"the dataset has {start} test images now; image {max(wanted)} was asked for")
    stacks: list[Tensor] = [torch.stack(part) for part in zip(*(kept[i] for i in images), strict=True)]
    names = ("measurement", "reconstruction", "truth")
    return {
        name: picture(as_picture(stack, stretch=name == "measurement").numpy())
        for name, stack in zip(names, stacks, strict=True)
    }
