"""Where numbers come from: versions, commit, hardware, time."""

import os
import platform
import re
import subprocess
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

import bench
from bench.runs.parts import Provenance

PACKAGES = ("torch", "monai", "timm", "numpy", "scipy", "scikit-image", "cryptography")


def collect(device: torch.device) -> Provenance:
    """What a record says of its origin."""
    return Provenance(
        invbench=bench.__version__,
        python=platform.python_version(),
        platform=platform.platform(),
        packages={name: found for name in PACKAGES if (found := _version(name))},
        hardware=hardware(device),
        threads=torch.get_num_threads(),
        **_commit(),
        time=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def hardware(device: torch.device) -> str:
    """The device in words: the GPU's name, or the processor's and its number of usable cores."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{_processor()}, {cores} cores"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


@cache
def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


@cache
def _commit() -> dict[str, Any]:
    """Commit of the checkout this package runs from, or was built from, and whether it had local changes."""
    folder = Path(bench.__file__).parent.parent
    if not (folder / ".git").exists():
        # As setuptools-scm writes it: 0.2.dev5+g<commit>, with a date where there were changes.
        built = re.search(r"\+g([0-9a-f]{7,40})(\.d\d+)?$", bench.__version__)
        return {"commit": built and built[1], "dirty": built and bool(built[2])}
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        return {"commit": commit, "dirty": bool(_git(folder, "status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        return {"commit": None, "dirty": None}


def _git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True, timeout=20)
    return done.stdout.strip()
