"""The same scores from the same spec, on a GPU too."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch


@contextmanager
def deterministic(device: torch.device) -> Iterator[None]:
    """The same scores from the same spec, on a GPU too; torch warns of the few operations that cannot.

    float32 is float32: products and convolutions are not rounded to TF32's ten bits.
    """
    rounding = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    try:
        with _deterministic_kernels() if device.type == "cuda" else nullcontext():
            yield
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = rounding


@contextmanager
def _deterministic_kernels() -> Iterator[None]:
    """On the CPU there is nothing to choose, and asking costs a second: torch imports its compiler."""
    before = torch.get_deterministic_debug_mode()
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before > 0, warn_only=before == 1)
