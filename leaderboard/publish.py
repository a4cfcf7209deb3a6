"""Everything that `bench leaderboard` writes beside the runs."""

from pathlib import Path

from bench.errors import UsageError
from bench.leaderboard import export, page, plots
from bench.leaderboard.table import Board


def publish(board: Board, results: Path) -> list[Path]:
    """Write the table as files, the plots and the page; what was there is replaced.

    Returns:
        The paths of what was written, the page's ``index.html`` last.

    Raises:
        UsageError: the folder cannot be written to.
    """
    try:
        written = [*export.write(board, results), *plots.write(board, results / "plots")]
        return [*written, page.write(board, results / "leaderboard")]
    except OSError as error:
        raise UsageError(f"cannot write the leaderboard to {results}: {error.strerror or error}") from error
