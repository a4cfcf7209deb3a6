"""An operator's certificate and picture as files."""

import json
import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from bench.describe.certificate import Certificate
from bench.errors import UsageError
from bench.files import replace, replacing
from bench.metrics.psnr import psnr
from bench.problem import Problem


def store(certificate: Certificate, problem: Problem, label: str, results: Path) -> list[Path]:
    """Write ``operators/<label>/certificate.json`` and ``picture.png`` to a results folder.

    Raises:
        UsageError: it cannot be written there.
    """
    folder = results / "operators" / "".join(c if c.isalnum() or c in "+=._-" else "_" for c in label)
    paths = [folder / "certificate.json", folder / "picture.png"]
    text = json.dumps({"operator": label, **certificate.to_json()}, indent=2, allow_nan=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        replace(paths[0], text + "\n")
        with replacing(paths[1]) as draft:
            picture(problem, label).savefig(draft, dpi=120)
    except OSError as error:
        raise UsageError(f"cannot write to {folder}: {error.strerror or error}") from error
    return paths


def picture(problem: Problem, title: str, count: int = 5) -> Any:
    """A figure: image, measurement, what a network sees, closed-form inverse (with its PSNR)."""
    from bench.leaderboard.samples import stacked
    from bench.text import decibel

    y, x, operator = next(problem.test_batches())
    y, x = y[:count], x[:count]
    rows = {"image": visible(x, stretch=False), "measurement": visible(y)}
    seen = operator.as_image(y)
    if seen.shape != y.shape or not torch.equal(seen, y):
        rows["as image"] = visible(seen)
    captions = {}
    if operator.can("inverse"):
        inverse = operator.inverse(y)
        rows["inverse"] = visible(inverse, stretch=False)
        captions["inverse"] = [decibel(value) for value in psnr(inverse, x).tolist()]
    return stacked(rows, captions, title)


def visible(values: Tensor, stretch: bool = True) -> Any:
    """Up to three channels as uint8; values without pixels are laid out in a square.

    ``stretch`` maps each image's 1st to 99th percentile to 0..255, unless they fill [0, 1] already;
    spectra, whose peaks hide all else, are shown by their logarithm.
    """
    values = values.detach().cpu().float().nan_to_num(0, 1, 0)
    if values.dim() != 4:
        flat = values.flatten(1)
        side = math.ceil(math.sqrt(flat.shape[1]))
        padded = F.pad(flat, (0, side**2 - flat.shape[1]), value=float(flat.min()))
        values = padded.view(-1, 1, side, side)
    values = values[:, : 3 if values.shape[1] >= 3 else 1]
    if stretch:
        values = _stretched(values)
    return (values.clamp(0, 1) * 255).round().to(torch.uint8).numpy()


def _stretched(values: Tensor) -> Tensor:
    flat = values.flatten(1)
    low, middle, high = (flat.quantile(q, dim=1).view(-1, 1, 1, 1) for q in (0.01, 0.5, 0.99))
    if values.min() >= 0 and (high > 20 * middle).any():
        return _stretched(torch.log1p(values / middle.clamp_min(1e-6)))
    if low.min() > -0.1 and 0.5 < high.max() < 1.1:
        return values
    return (values - low) / (high - low).clamp_min(1e-12)
