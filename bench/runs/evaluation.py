"""The second half of a run: a fitted model on the test split, scored and timed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch
from torch import Tensor

from bench.datasets import Split
from bench.errors import BenchError
from bench.metrics import Metric
from bench.models import Model
from bench.operators import noting_uses
from bench.problem import Batch, Problem
from bench.protocols import find
from bench.runs import timing
from bench.runs.fitting import Fitted
from bench.runs.samples import choose, stacked
from bench.runs.scoring import Scoring, Volumes, build
from bench.seeding import stream
from bench.training import Progress

if TYPE_CHECKING:
    from bench.runs.runner import Run


@dataclass(frozen=True)
class Scored:
    """What a fitted model achieves on the test split.

    Attributes:
        scores: one row per scoring unit.
        digest: SHA-256 of the test measurements.
        samples: some images, as tensors.
        timings: as the record has them.
    """

    scores: pd.DataFrame
    digest: str
    samples: dict[str, Tensor]
    timings: dict[str, float]


def score(run: "Run", fitted: Fitted, report: Callable[[Progress], None]) -> Scored:
    """Scores of a run's test images, and how fast they are reconstructed."""
    model, seed = fitted.model, run.spec.seed
    scores, digest, samples = evaluate(
        model, run.problem, report, seed, fitted.used, run.spec.protocol, run.metrics
    )
    report(Progress(stage="timing"))
    history = fitted.history
    timings = {
        "train_seconds": fitted.seconds,
        **timing.training([e.images for e in history], [e.seconds for e in history]),
        **speed(model, run.problem, seed),
        "peak_memory_mb": timing.peak_memory_mb(run.device),
        "total_seconds": fitted.trainer.seconds,
    }
    return Scored(scores, digest, samples, timings)


def speed(model: Model, problem: Problem, seed: int) -> dict[str, float]:
    """How fast a fitted model reconstructs the first batch of test images, and one alone; and where."""
    y, _, operator = next(problem.test_batches())
    generator = stream(y.device, seed, "timing")
    taken = timing.inference(lambda y: model.reconstruct(y, operator, generator), y)
    return taken | timing.circumstances()


@torch.no_grad()
def evaluate(
    model: Model,
    problem: Problem,
    report: Callable[[Progress], None] = lambda progress: None,
    seed: int = 0,
    used: set[str] | None = None,
    protocol: str = "unit",
    metrics: Mapping[str, Metric] | None = None,
) -> tuple[pd.DataFrame, str, dict[str, Tensor]]:
    """Scores and group of every scoring unit, the SHA-256 of the measurements, some images as tensors.

    Args:
        model: fitted.
        problem: what it was fitted to.
        report: called after every batch.
        seed: the training seed, which samplers draw by too.
        used: takes the names of what the model calls of the operator.
        protocol: how images are prepared: a name, or the path of a ``.toml`` file.
        metrics: what is computed, by the name of its column. Default: PSNR and SSIM.

    Returns:
        One row per test image, or per volume where the protocol scores those: a column for each metric
        that has a meaning here, and ``group``: the photograph, patient or volume that it comes from (its own
        number where the dataset has no groups).

    Raises:
        BenchError: the model returned something else than one image per measurement, or a metric
            something else than one number per image.
    """
    scoring = Scoring(find(protocol), metrics or build((), protocol), problem.value_range)
    sha = sha256()
    units: list[dict[str, Any]] = []
    kept: list[tuple[int, Tensor, Tensor, Tensor]] = []
    done, names = 0, groups(problem.splits.test)
    wanted = choose(problem.splits.test, names)
    volumes = Volumes(names)
    report(Progress(0, len(names), stage="scoring"))
    for batch in problem.test_batches():
        sha.update(batch.y.cpu().contiguous().numpy().data)
        image = reconstructed(model, batch, seed, done, used)
        kept += _shown(batch, image, [i - done for i in wanted if 0 <= i - done < len(image)], done)
        if scoring.protocol.unit == "volume":
            whole = volumes.completed(image, batch.x, scoring.measured(image, batch))
            units += [scoring.volume(name, slices, batch.operator) for name, slices in whole]
        else:
            units += scoring.images(image, batch, names[done : done + len(image)])
        done += len(image)
        report(Progress(done, len(names), stage="scoring"))
    return _frame(units, scoring.protocol.unit), sha.hexdigest(), stacked(kept)


def groups(split: Split) -> list[str]:
    """What each image of a split belongs to; where nothing is known, each to itself."""
    return [str(name) for name in (range(len(split)) if split.groups is None else split.groups)]


@torch.no_grad()
def reconstructed(
    model: Model, batch: Batch, seed: int = 0, first: int = 0, used: set[str] | None = None
) -> Tensor:
    """The model's images of test measurements, with a generator of their own: the same at every call.

    Args:
        model: fitted.
        batch: measurements, images and the operator.
        seed: the training seed.
        first: number of the batch's first test image.
        used: takes the names of what the model calls of the operator.

    Raises:
        BenchError: the model returned something else than one image per measurement.
    """
    y, x, operator = batch
    generator = stream(y.device, seed, "reconstruct", first)
    with noting_uses(set() if used is None else used):
        image = model.reconstruct(y, operator, generator)
    if not isinstance(image, Tensor) or image.shape != x.shape:
        what = f"{tuple(image.shape)}" if isinstance(image, Tensor) else f"a {type(image).__name__}"
        raise BenchError(f"{type(model).__name__} returned {what}, not images {tuple(x.shape)}")
    return image


def _shown(
    batch: Batch, image: Tensor, places: list[int], first: int
) -> list[tuple[int, Tensor, Tensor, Tensor]]:
    """Number, measurement, reconstruction and truth of some images of a batch."""
    if not places:
        return []
    shown = (part[places].cpu() for part in (batch.operator.picture(batch.y), image, batch.x))
    return list(zip([first + i for i in places], *shown, strict=True))


def _frame(units: list[dict[str, Any]], unit: str) -> pd.DataFrame:
    """A row per unit; a metric without a meaning for one of them has no column. Volumes name their index."""
    return pd.DataFrame(units).dropna(axis=1).rename_axis("volume" if unit == "volume" else None)
