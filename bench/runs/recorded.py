"""A run that somebody else works on: whether it has failed there meanwhile."""

from pathlib import Path

from bench.errors import BenchError
from bench.runs.record import Record


class Elsewhere:
    """What stands in a record's place, watched while somebody else works on the run.

    Args:
        folder: of the run's record.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._noticed = False
        self._before: tuple[int, int] | None = None

    def notice(self) -> None:
        """Remember, the first time, what stands there while somebody else works on the run."""
        if not self._noticed:
            self._noticed, self._before = True, self._stamp()

    def failure(self) -> Record | None:
        """The record of a failure that somebody else has left since :meth:`notice`: it is not repeated."""
        if not self._noticed or self._stamp() == self._before:
            return None
        try:
            record = Record.read(self.folder)
        except BenchError:
            return None
        return record if record.status == "failed" else None

    def _stamp(self) -> tuple[int, int] | None:
        """What tells one writing of the record from another."""
        try:
            stat = (self.folder / "record.json").stat()
        except OSError:
            return None
        return stat.st_ino, stat.st_mtime_ns
