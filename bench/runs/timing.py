"""Throughput, latency and peak memory: after warm-up, synchronised, without data loading or metrics."""

import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import torch
from torch import Tensor

#: A measurement rests on calls for half a second, but on no fewer than 3 and no more than 100.
SECONDS, LEAST_CALLS, MOST_CALLS, WARM_UP_CALLS = 0.5, 3, 100, 2


@torch.no_grad()
def inference(reconstruct: Callable[[Tensor], Tensor], y: Tensor) -> dict[str, float]:
    """Speed of ``reconstruct`` on a batch that lies on the device.

    Returns:
        ``images_per_second`` at ``batch_size`` = len(y), and ``latency_ms`` of one image alone;
        each from the median of the calls.
    """
    batch, single = seconds_per_call(reconstruct, y), seconds_per_call(reconstruct, y[:1])
    return {
        "images_per_second": len(y) / batch,
        "batch_size": float(len(y)),
        "latency_ms": 1000 * single,
    }


def seconds_per_call(function: Callable[[Tensor], Tensor], y: Tensor) -> float:
    """Median time of one call: calls for half a second, 3 to 100 of them, after 2 to warm up."""
    for _ in range(WARM_UP_CALLS):
        function(y)
    synchronise(y.device)
    times: list[float] = []
    end = time.perf_counter() + SECONDS
    while len(times) < LEAST_CALLS or (len(times) < MOST_CALLS and time.perf_counter() < end):
        started = time.perf_counter()
        function(y)
        synchronise(y.device)
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def training(images: Sequence[int], seconds: Sequence[float]) -> dict[str, float]:
    """Speed of training from the epochs' images and seconds; the first epoch is warm-up if others follow.

    Returns:
        ``train_images_per_second``; nothing if nothing was trained.
    """
    start = 1 if len(images) > 1 else 0
    total = sum(seconds[start:])
    return {"train_images_per_second": sum(images[start:]) / total} if total > 0 else {}


def reset_peak_memory(device: torch.device) -> None:
    """Start :func:`peak_memory_mb` anew, where the system allows it (GPUs, Linux)."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    else:
        with suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")


def peak_memory_mb(device: torch.device) -> float:
    """Most memory held since the reset, in MiB: allocated on the GPU, else resident in the process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    with suppress(OSError):
        status = Path("/proc/self/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) / 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def synchronise(device: torch.device) -> None:
    """Wait until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
