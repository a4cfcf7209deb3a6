"""Run records to table, statistics, plots and page: a pure function of the records.

Calling the module gives the table: ``bench.leaderboard("results")``.
"""

import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


class _Leaderboard(ModuleType):
    """This module; calling it reads a results folder."""

    def __call__(self, results: "str | Path" = "results") -> "pd.DataFrame":
        """The table of all recorded runs, one row per run, best of each operator and dataset first.

        Args:
            results: folder of the records.

        Returns:
            The columns of :data:`bench.leaderboard.table.COLUMNS`.

        Raises:
            UsageError: there is no such folder, or it is no results folder.
        """
        from bench.leaderboard.table import board

        return board(results).frame


sys.modules[__name__].__class__ = _Leaderboard
