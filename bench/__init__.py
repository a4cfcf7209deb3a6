"""invbench: a benchmark harness for inverse-problem baselines.

    >>> import bench
    >>> record = bench.run("xor_ctr", "unet")      # doctest: +SKIP
    >>> record.scores["psnr"]                      # doctest: +SKIP
    >>> bench.table()                              # doctest: +SKIP

Base classes for plug-ins: :class:`bench.Operator`, :class:`bench.Model`,
:class:`bench.NetworkModel`, :class:`bench.Dataset`, :class:`bench.Metric`, :class:`bench.Logger`.
"""

# Nothing but what Python itself has imported by then: ``python -m bench`` comes by here while the
# current folder is still the first place where modules are looked for.
import importlib
import os

# In a checkout operators, models and leaderboard lie beside this folder; installed, inside it.
if not os.path.isdir(os.path.join(os.path.dirname(__file__), "operators")):
    __path__.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from bench.datasets import Dataset as Dataset
    from bench.datasets import Split as Split
    from bench.datasets import Splits as Splits
    from bench.deepinv.convert import to_deepinv as to_deepinv
    from bench.deepinv.export import export as export
    from bench.errors import BenchError as BenchError
    from bench.errors import UsageError as UsageError
    from bench.leaderboard.table import table as table
    from bench.loggers import Logger as Logger
    from bench.metrics import Metric as Metric
    from bench.models import Model as Model
    from bench.models import NetworkModel as NetworkModel
    from bench.operators import Operator as Operator
    from bench.runs.interface import run as run
    from bench.runs.loaded import load as load
    from bench.runs.record import Record as Record

#: Public names, and the modules they are imported from when they are first used.
_HOMES = {
    "BenchError": "bench.errors",
    "Dataset": "bench.datasets",
    "Logger": "bench.loggers",
    "Metric": "bench.metrics",
    "Model": "bench.models",
    "NetworkModel": "bench.models",
    "Operator": "bench.operators",
    "Record": "bench.runs.record",
    "Split": "bench.datasets",
    "Splits": "bench.datasets",
    "UsageError": "bench.errors",
    "export": "bench.deepinv.export",
    "load": "bench.runs.loaded",
    "run": "bench.runs.interface",
    "table": "bench.leaderboard.table",
    "to_deepinv": "bench.deepinv.convert",
}
_MODULES = ("leaderboard", "testing")
__all__ = [*_HOMES, *_MODULES]  # noqa: PLE0604 - every name is a text


def __getattr__(name: str) -> "Any":
    """Public names are imported on first use, so that the command line starts without torch."""
    if name in _MODULES:
        return importlib.import_module(f"bench.{name}")
    if name in _HOMES:
        if _HOMES[name] == "bench.deepinv.convert":
            importlib.import_module("bench.deepinv").require()
        return getattr(importlib.import_module(_HOMES[name]), name)
    if name == "__version__":
        return _version()
    raise AttributeError(f"module 'bench' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*(name for name in globals() if name.startswith("__")), "__version__", *__all__])


def _version() -> str:
    """The installed version; in a checkout that is not installed there is none."""
    from importlib import metadata

    try:
        return metadata.version("invbench")
    except metadata.PackageNotFoundError:
        return "0+unknown"
