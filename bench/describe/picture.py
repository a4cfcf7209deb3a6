"""An operator's certificate and picture as files."""

import json
from pathlib import Path

import torch
from PIL import Image

from bench.describe.certificate import Certificate
from bench.errors import UsageError
from bench.files import replace, replacing
from bench.metrics.psnr import psnr
from bench.pictures import image, measurement, sheet, with_axes
from bench.problem import Problem
from bench.text import decibel


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
            picture(problem, label).save(draft)
    except OSError as error:
        raise UsageError(f"cannot write to {folder}: {error.strerror or error}") from error
    return paths


def picture(problem: Problem, title: str, count: int = 5) -> Image.Image:
    """A sheet: image, measurement, what a network sees, closed-form inverse (with its PSNR)."""
    y, x, operator = next(problem.test_batches())
    y, x = y[:count], x[:count]
    name = with_axes("measurement", operator.picture_axes)
    rows = {
        "image": image(x, problem.value_range),
        name: measurement(operator.picture(y), problem.value_range),
    }
    seen = operator.as_image(y)
    if seen.shape != y.shape or not torch.equal(seen, y):
        rows["as image"] = measurement(seen, problem.value_range)
    captions = {}
    if operator.can("inverse"):
        inverse = operator.inverse(y)
        rows["inverse"] = image(inverse, problem.value_range)
        captions["inverse"] = [decibel(value) for value in psnr(inverse, x).tolist()]
    return sheet(rows, captions, title)
