"""Throughput, latency and peak memory: after warm-up, synchronised, without data loading or metrics."""

import os
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

#: A measurement rests on half a second of calls of each kind, but on no fewer than 3 and no more than 100.
SECONDS, LEAST_CALLS, MOST_CALLS, WARM_UP_CALLS = 0.5, 3, 100, 2
#: What the names of the values begin with that :func:`inference` and :func:`circumstances` give.
OF_INFERENCE = ("images_per_second", "latency_ms", "batch_size", "threads", "load")


@torch.no_grad()
def inference(reconstruct: Callable[[Tensor], Tensor], y: Tensor) -> dict[str, float]:
    """Speed of ``reconstruct`` on a batch that lies on the device, and on one image alone, by turns.

    Nothing is timed where nothing is computed: where the images are the measurements themselves (the
    identity), or one and the same for measurements that differ (a constant).

    Returns:
        ``images_per_second`` of the batch and ``latency_ms`` of the single image: medians of the calls,
        with the quartiles beside them (``_q1``, ``_q3``); and ``batch_size``, which is len(y).
    """
    size = {"batch_size": float(len(y))}
    if hands_over(reconstruct, y):
        return size
    batch, single = seconds_of_calls(reconstruct, (y, y[:1]))
    rates = _quartiles("images_per_second", [len(y) / seconds for seconds in batch])
    return rates | size | _quartiles("latency_ms", [1000 * seconds for seconds in single])


def hands_over(reconstruct: Callable[[Tensor], Tensor], y: Tensor) -> bool:
    """Whether the images are the measurements themselves, or all the same though these differ."""
    image = reconstruct(y)
    if image.shape == y.shape and torch.equal(image, y):
        return True
    return bool((y != y[:1]).any() and (image == image[:1]).all())


def seconds_of_calls(
    function: Callable[[Tensor], Tensor], arguments: Sequence[Tensor]
) -> tuple[list[float], ...]:
    """Seconds of each call, by argument: in turns, so that what slows the machine down slows all of them.

    Calls for half a second of each argument, 3 to 100 of them, after 2 to warm up.
    """
    for y in arguments:
        for _ in range(WARM_UP_CALLS):
            function(y)
    times: tuple[list[float], ...] = tuple([] for _ in arguments)
    while any(unfinished := [_wanted(spent) for spent in times]):
        for y, spent, wanted in zip(arguments, times, unfinished, strict=True):
            if wanted:
                synchronise(y.device)
                started = time.perf_counter()
                function(y)
                synchronise(y.device)
                spent.append(time.perf_counter() - started)
    return times


def _wanted(spent: Sequence[float]) -> bool:
    return len(spent) < LEAST_CALLS or (len(spent) < MOST_CALLS and sum(spent) < SECONDS)


def training(images: Sequence[int], seconds: Sequence[float]) -> dict[str, float]:
    """Speed of training from the epochs' images and seconds; the first epoch is warm-up if others follow.

    Returns:
        ``train_images_per_second``, the median of the epochs, with the quartiles beside it; nothing if
        nothing was trained.
    """
    start = 1 if len(images) > 1 else 0
    rates = [n / s for n, s in zip(images[start:], seconds[start:], strict=True) if s > 0]
    return _quartiles("train_images_per_second", rates) if rates else {}


def circumstances() -> dict[str, float]:
    """``threads`` of torch, and ``load``: processes that wanted to run, the mean of the last minute."""
    load = {"load": os.getloadavg()[0]} if hasattr(os, "getloadavg") else {}
    return {"threads": float(torch.get_num_threads()), **load}


@contextmanager
def threads(number: int) -> Iterator[None]:
    """The block with torch on so many cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _quartiles(name: str, values: Sequence[float]) -> dict[str, float]:
    first, middle, third = np.quantile(values, (0.25, 0.5, 0.75)).tolist()
    return {name: middle, f"{name}_q1": first, f"{name}_q3": third}


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
