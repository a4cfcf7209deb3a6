"""A fitted model on the test split: scores per image, and pictures of the first images."""

from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from safetensors.torch import save_file
from torch import Tensor

from bench.errors import BenchError
from bench.metrics.psnr import psnr
from bench.metrics.ssim import ssim
from bench.models import Model
from bench.operators import noting_uses
from bench.problem import Batch, Problem
from bench.seeding import stream
from bench.training import Progress

#: Test images whose measurement, reconstruction and truth are kept as pictures.
SAMPLES = 8


@torch.no_grad()
def evaluate(
    model: Model,
    problem: Problem,
    report: Callable[[Progress], None] = lambda progress: None,
    seed: int = 0,
    used: set[str] | None = None,
) -> tuple[pd.DataFrame, str, dict[str, Tensor]]:
    """Scores and group of every test image, the SHA-256 of the measurements, and the first images as tensors.

    Args:
        model: fitted.
        problem: what it was fitted to.
        report: called after every 64 images.
        seed: the training seed, which samplers draw by too.
        used: takes the names of what the model calls of the operator.

    Returns:
        One row per test image: a column for each metric, and ``group``: the photograph, patient or volume
        that it comes from (its own number where the dataset has no groups).

    Raises:
        BenchError: the model returned something else than one image per measurement.
    """
    sha = sha256()
    rows: list[Tensor] = []
    kept: list[tuple[Tensor, Tensor, Tensor]] = []
    done, count = 0, len(problem.splits.test)
    for batch in problem.test_batches():
        y, x, _ = batch
        sha.update(y.cpu().contiguous().numpy().data)
        image = reconstructed(model, batch, seed, done, used)
        rows.append(torch.stack([psnr(image, x), ssim(image, x)], 1).cpu())
        if done < SAMPLES:
            kept.append((y[:SAMPLES].cpu(), image[:SAMPLES].cpu(), x[:SAMPLES].cpu()))
        done += len(x)
        report(Progress(done, count, stage="scoring"))
    scores = pd.DataFrame(torch.cat(rows).numpy(), columns=["psnr", "ssim"])
    scores["group"] = groups(problem.splits.test)
    y, image, x = (torch.cat(parts)[:SAMPLES] for parts in zip(*kept, strict=True))
    return scores, sha.hexdigest(), {"measurement": y, "reconstruction": image, "truth": x}


def groups(split: Any) -> list[str]:
    """What each image of a split belongs to; where nothing is known, each to itself."""
    known = getattr(split, "groups", None)
    return [str(name) for name in (range(len(split)) if known is None else known)]


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


def save_samples(samples: Mapping[str, Tensor], scores: pd.DataFrame, title: str, folder: Path) -> None:
    """``samples.safetensors`` (uint8) and ``samples.png``: measurement, reconstruction, truth."""
    from bench.leaderboard.samples import sheet

    pictures = {k: as_picture(v, stretch=k == "measurement") for k, v in samples.items()}
    save_file(pictures, folder / "samples.safetensors")
    truth, reconstruction, measurement = (
        pictures[k].numpy() for k in ("truth", "reconstruction", "measurement")
    )
    figure = sheet(truth, reconstruction, measurement, title, scores["psnr"].to_list()[: len(truth)])
    figure.savefig(folder / "samples.png", dpi=120)


def as_picture(values: Tensor, stretch: bool) -> Tensor:
    """Up to three channels as grey levels 0..255; ``stretch`` maps values outside [0, 1] into it."""
    values = values if values.dim() == 4 else values.flatten(1)[:, None, None, :]
    values = values[:, : 3 if values.shape[1] >= 3 else 1].nan_to_num(0, 1, 0)
    low, high = values.min(), values.max()
    if stretch and (low < 0 or high > 1):
        values = (values - low) / (high - low).clamp_min(1e-12)
    return (values.clamp(0, 1) * 255).round().to(torch.uint8).contiguous()
