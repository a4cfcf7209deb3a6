"""Scores of every scoring unit of a run: ``scores.parquet``, written and read."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from bench.runs.reading import columns

FILE = "scores.parquet"

#: Names of groups that some record holds, by their hash: a million names take 70 MB, and runs on the same
#: images have the same.
_known: WeakValueDictionary[int, npt.NDArray[Any]] = WeakValueDictionary()


@dataclass(frozen=True)
class Units:
    """What was scored, one unit (image or volume) after the other.

    Attributes:
        scores: of each metric, ``(units,)`` float64.
        groups: which photograph, patient or volume each comes from, ``(units,)`` texts.
    """

    scores: dict[str, npt.NDArray[np.float64]]
    groups: npt.NDArray[Any]

    @cached_property
    def grouping(self) -> int:
        """One number for all names of groups in their order: equal where those are."""
        return hash(tuple(self.groups))

    def frame(self) -> pd.DataFrame:
        """One column per metric, and ``group``."""
        return pd.DataFrame({**self.scores, "group": self.groups})

    @classmethod
    def read(cls, folder: Path, names: Collection[str]) -> "Units":
        """Those of the record in a folder.

        Args:
            folder: of the record.
            names: metrics that must be there.

        Raises:
            BenchError: the file cannot be read, or a column is missing or of another type.
        """
        found = columns(folder / FILE, names, "group")
        units = cls(scores=found, groups=found.pop("group"))
        first = _known.setdefault(units.grouping, units.groups)
        if first is not units.groups and np.array_equal(first, units.groups):
            object.__setattr__(units, "groups", first)
        return units


def write(folder: Path, scores: pd.DataFrame) -> None:
    """Write one column per metric, and ``group``, with no more around them than a reader needs.

    Thousands of these small files are read for one leaderboard.
    """
    table = pa.Table.from_pandas(scores, preserve_index=False).replace_schema_metadata()
    pq.write_table(table, folder / FILE, use_dictionary=["group"], write_statistics=False, store_schema=False)
