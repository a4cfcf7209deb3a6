"""Scores of every scoring unit of a run: ``scores.parquet``, written and read.

A leaderboard reads thousands of these small files, and a library's ways around one take longer than its
content: numbers are written as they are in memory, and taken from there.
"""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from bench.errors import BenchError
from bench.runs.pages import Table
from bench.runs.reading import MOST_COLUMNS, MOST_TABLE, contents, parsed, sized

FILE, GROUP = "scores.parquet", "group"

#: Names of groups that some record holds, by the SHA-256 of their column as it is stored: a million names
#: take 70 MB, and runs on the same images have the same.
_known: WeakValueDictionary[bytes, "Names"] = WeakValueDictionary()


@dataclass(frozen=True, eq=False)
class Names:
    """Names of groups, of one scoring unit after the other: ``(units,)`` texts."""

    texts: npt.NDArray[Any]

    @cached_property
    def number(self) -> int:
        """One number for all of them in their order: equal where they are."""
        return hash(tuple(self.texts))


@dataclass(frozen=True)
class Units:
    """What was scored, one unit (image or volume) after the other.

    Attributes:
        scores: of each metric, ``(units,)`` float64.
        names: which photograph, patient or volume each comes from.
    """

    scores: dict[str, npt.NDArray[np.float64]]
    names: Names

    @property
    def groups(self) -> npt.NDArray[Any]:
        """Name of the group that each comes from, ``(units,)`` texts."""
        return self.names.texts

    def frame(self) -> pd.DataFrame:
        """One column per metric, and ``group``."""
        return pd.DataFrame({**self.scores, GROUP: self.groups})

    @classmethod
    def read(cls, folder: Path, names: Collection[str]) -> "Units":
        """Those of the record in a folder.

        Args:
            folder: of the record.
            names: metrics that must be there.

        Raises:
            BenchError: the file cannot be read, or a column is missing or of another type.
        """
        content = contents(folder / FILE, MOST_TABLE)
        table = sized(FILE, content)
        scores = _plain(content, table, names) or parsed(FILE, content, names)
        groups = _groups(content, table)
        if {len(column) for column in scores.values()} - {len(groups.texts)}:
            raise BenchError(f"{FILE} cannot be read (its columns are not of one length)")
        return cls(scores, groups)


def write(folder: Path, scores: pd.DataFrame) -> None:
    """Write one column per metric, and ``group``, with no more around them than a reader needs."""
    kinds = [(n, pa.string() if n == GROUP else pa.float64()) for n in scores]
    schema = pa.schema([pa.field(name, kind, nullable=False) for name, kind in kinds])
    table = pa.Table.from_pandas(scores, schema, preserve_index=False).replace_schema_metadata()
    lean = {"compression": "none", "write_statistics": False, "store_schema": False}
    pq.write_table(table, folder / FILE, use_dictionary=[GROUP], **lean)


def _plain(content: bytes, table: Table, names: Collection[str]) -> dict[str, npt.NDArray[np.float64]]:
    """Columns of numbers that are stored as :func:`write` does; empty if one of them is not."""
    chunks = table.groups[0] if len(table.groups) == 1 else ()
    by_name = {chunk.name: chunk for chunk in chunks}
    if not len(by_name) == len(chunks) <= MOST_COLUMNS:
        return {}
    found = {}
    for name in names:
        chunk = by_name.get(name.encode())
        values = chunk.doubles(content) if chunk else None
        if values is None or len(values) != table.rows:
            return {}
        found[name] = values
    return found


def _groups(content: bytes, table: Table) -> Names:
    """Names of groups; equal columns are one object."""
    sha = sha256()
    for chunk in (c for chunks in table.groups for c in chunks if c.name == GROUP.encode()):
        sha.update(repr((table.rows, chunk.kind, chunk.codec, chunk.required)).encode())
        sha.update(content[chunk.start : chunk.end])
    names = _known.get(sha.digest())
    if names is None:
        names = _known[sha.digest()] = Names(parsed(FILE, content, (), GROUP)[GROUP])
    return names
