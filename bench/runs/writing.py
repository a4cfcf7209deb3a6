"""A run's folder, written whole or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import files
from bench.errors import BenchError, UsageError
from bench.runs.record import runs_folder


@contextmanager
def writing(results: Path, fingerprint: str) -> Iterator[Path]:
    """A temporary folder that becomes the run's folder when the block ends and left a record in it.

    Raises:
        UsageError: results cannot be written there.
        BenchError: the record cannot be put in place; the one that was there stays.
    """
    final = runs_folder(results) / fingerprint
    draft = files.beside(final)
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        draft.mkdir()
    except OSError as error:
        raise UsageError(f"cannot write results to {results}: {error.strerror}") from error
    try:
        yield draft
        if (draft / "record.json").is_file():
            for file in draft.iterdir():
                files.flush(file)
            files.put_in_place(draft, final)
    except OSError as error:
        raise BenchError(f"cannot write results to {results}: {error.strerror or error}") from error
    finally:
        files.remove(draft)


def clear(folder: Path) -> None:
    """Remove the files of a folder: what a run that failed left half done."""
    for file in folder.iterdir():
        file.unlink()
