"""Problems in deepinv's file layout."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from bench.errors import UsageError
from bench.operators.shared.chain import without_noise
from bench.problem import Batch, Problem

if TYPE_CHECKING:
    import h5py

#: Pairs that are written at a time.
BATCH = 64


def export(problem: Problem, path: str | Path, seed: int = 0) -> Path:
    """Write a problem as deepinv's HDF5 layout: ``x_{split}`` and ``y_{split}`` of train, val and test.

    ``deepinv.datasets.HDF5Dataset(path, split="train")`` reads it. Of a physics of deepinv's that gives a
    list, measurements are ``y0_{split}, y1_{split}, ...``; complex ones are complex, as it gives them.
    Those of the test split are the harness's to the bit, those of training its first epoch's. The file
    appears when it is whole.

    Args:
        problem: images, all of one size, and operator.
        path: of the file, which must not be there yet.
        seed: the training seed: of the noise in training.

    Raises:
        UsageError: the file is there, h5py is not, or test images differ in size.
    """
    try:
        import h5py
    except ModuleNotFoundError:
        raise UsageError('writing HDF5 needs h5py; pip install "invbench[deepinv]"') from None
    path = Path(path)
    if path.exists():
        raise UsageError(f"{path} is there already; name another file, or remove it")
    part = path.with_name(f".{path.name}.part")
    training = problem.training(seed)
    splits: dict[str, tuple[int, Iterable[Batch]]] = {
        "train": (training.train_count, training.training_batches(BATCH, shuffle=False)),
        "val": (training.validation_count, training.validation_batches(BATCH)),
        "test": (len(problem.splits.test), problem.test_batches()),
    }
    try:
        with h5py.File(part, "w") as file:
            for split, (count, batches) in splits.items():
                _write(file, split, count, batches)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path


def _write(file: "h5py.File", split: str, count: int, batches: Iterable[Batch]) -> None:
    start = 0
    for batch in batches:
        parts = dict(_measurements(batch))
        if any(name[0] == "y" and name != "y" for name in parts):
            file.attrs["stacked"] = len(parts)
        for name, values in {"x": batch.x, **parts}.items():
            array: np.ndarray[Any, Any] = values.detach().cpu().numpy()
            key = f"{name}_{split}"
            if key not in file:
                file.create_dataset(key, (count, *array.shape[1:]), array.dtype)
            if file[key].shape[1:] != array.shape[1:]:
                raise UsageError(
                    f"{split} images differ in size: {array.shape[1:]} beside {file[key].shape[1:]}; "
                    "deepinv's layout has one size a split"
                )
            file[key][start : start + len(array)] = array
        start += len(batch.x)


def _measurements(batch: Batch) -> Iterator[tuple[str, Tensor]]:
    """Measurements by name; of a physics that takes the harness's images, as it gives them."""
    from bench.deepinv.operators import PhysicsOperator

    clean = without_noise(batch.operator)
    if not isinstance(clean, PhysicsOperator) or clean.layout.folded > 1:
        yield "y", batch.y
        return
    y = clean.layout.unpack(batch.y)
    if isinstance(y, torch.Tensor):
        yield "y", y
        return
    for number, part in enumerate(y):
        yield f"y{number}", part
