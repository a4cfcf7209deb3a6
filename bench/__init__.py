"""invbench: a benchmark harness for inverse-problem baselines.

    >>> import bench
    >>> record = bench.run("xor_ctr", "unet")      # doctest: +SKIP
    >>> record.scores["psnr"]                      # doctest: +SKIP
    >>> bench.leaderboard()                        # doctest: +SKIP

Base classes for plug-ins: :class:`bench.Operator`, :class:`bench.Model`,
:class:`bench.NetworkModel`, :class:`bench.Dataset`.
"""

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# In a checkout operators, models and leaderboard lie beside this folder; installed, inside it.
if not (Path(__file__).parent / "operators").is_dir():
    __path__.append(str(Path(__file__).parent.parent))

if TYPE_CHECKING:
    from bench.datasets import Dataset as Dataset
    from bench.models import Model as Model
    from bench.models import NetworkModel as NetworkModel
    from bench.operators import Operator as Operator
    from bench.runs.record import Record as Record
    from bench.runs.runner import run as run

_HOMES = {
    "Operator": "bench.operators",
    "Model": "bench.models",
    "NetworkModel": "bench.models",
    "Dataset": "bench.datasets",
    "Record": "bench.runs.record",
    "run": "bench.runs.runner",
}
__all__ = ["Dataset", "Model", "NetworkModel", "Operator", "Record", "leaderboard", "run", "testing"]


def __getattr__(name: str) -> Any:
    """Public names are imported on first use, so that the command line starts without torch."""
    if name in ("leaderboard", "testing"):
        return importlib.import_module(f"bench.{name}")
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'bench' has no attribute {name!r}")
