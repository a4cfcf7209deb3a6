"""The folder of a published data set: what must lie in it, and what is said where it does not."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.errors import UsageError

#: Names of what lies in a folder that are said.
TOLD = 5


@dataclass(frozen=True)
class Layout:
    """A published data set.

    Attributes:
        name: of the reader.
        title: of the data set.
        files: those that its folder holds, in words.
        source: where to get it, and what to do with it.
    """

    name: str
    title: str
    files: str
    source: str

    def error(self, path: Path, what: str) -> UsageError:
        """One message: the file, what is wrong with it, and where to get it."""
        return UsageError(f"{self.name}: {path} {what}. {self.title} is at {self.source}.")

    def check_root(self, root: Path, pattern: str) -> None:
        """Raise a UsageError if a folder is none, cannot be read, or holds another data set.

        Args:
            root: the folder.
            pattern: that some of its files match.
        """
        if not root.is_dir():
            what = "is no folder" if root.exists() else "does not exist"
            raise self.error(root, f"{what}; it should hold {self.files}")
        with self.naming(root):
            there = sorted(entry.name for entry in os.scandir(root))
        if any(root.glob(pattern)):
            return
        zipped = [name for name in there if name.endswith((".zip", ".tar", ".gz", ".tar.xz"))]
        told = ", ".join((zipped or there)[:TOLD]) + (", ..." if len(zipped or there) > TOLD else "")
        held = f"holds archives that are not unpacked ({told})" if zipped else f"holds {told or 'nothing'}"
        raise self.error(root, f"{held}; it should hold {self.files}")

    def check_files(self, paths: Iterable[Path]) -> None:
        """Raise a UsageError that names the files that are not there."""
        missing = [path for path in paths if not path.exists()]
        if missing:
            more = f" (and {len(missing) - 1} more files)" if len(missing) > 1 else ""
            raise self.error(missing[0], f"is missing{more}")

    @contextmanager
    def naming(self, path: Path) -> Iterator[None]:
        """The block, in which what a library says of a damaged file becomes a message that names the file."""
        try:
            yield
        except UsageError as error:
            if str(error).startswith(f"{self.name}: "):
                raise
            raise UsageError(f"{self.name}: {error}. {self.title} is at {self.source}.") from error
        except ModuleNotFoundError as error:
            raise UsageError(
                f"{self.name}: {path} is read by {error.name}, which is not installed: "
                "pip install 'invbench[hdf5,medical]'"
            ) from error
        except PermissionError as error:
            raise self.error(path, "may not be read by you (no permission)") from error
        except Exception as error:
            reason = " ".join(str(error).split())
            raise self.error(path, f"is damaged or of another layout ({reason}); get it again") from error
