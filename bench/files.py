"""Files and folders that are replaced in one step: written beside and renamed.

Until the rename what was there stays whole, on a full disk too. Modes follow the umask, also where
whoever writes (:mod:`tempfile`, safetensors) makes files private.
"""

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A file of the same name, in a hidden folder beside ``path``, that takes its place when the block ends.

    What a library writes beside its file, and leaves there when it is killed, lies in that folder too. Where
    ``path`` is a link, what it points to is replaced; a file already there keeps its mode.

    Raises:
        OSError: it cannot be written; ``path`` is as it was.
    """
    target = path.resolve()
    # The stem is cut: names have an end.
    folder = target.with_name(f".{target.stem[:32]}-{secrets.token_hex(8)}")
    folder.mkdir()
    try:
        draft = folder / target.name
        with draft.open("xb"):
            mode = (target if target.is_file() else draft).stat().st_mode & 0o777
        yield draft
        draft.chmod(mode)
        flush(draft)
        os.replace(draft, target)
    finally:
        remove(folder)


def replace(path: Path, content: str | bytes) -> None:
    """Write ``content`` (text as UTF-8) to ``path``, in one step.

    Raises:
        OSError: it cannot be written; ``path`` is as it was.
    """
    with replacing(path) as draft:
        draft.write_bytes(content.encode() if isinstance(content, str) else content)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """A hidden empty folder beside ``path`` that takes its place when the block ends.

    Several writers may do so at once: each succeeds, the last one's folder stays.

    Raises:
        OSError: it cannot be written; ``path`` is as it was.
    """
    draft = beside(path)
    draft.mkdir()
    try:
        yield draft
        put_in_place(draft, path)
    finally:
        remove(draft)


def beside(folder: Path) -> Path:
    """A new hidden name beside a folder: ``.name-`` and 16 hexadecimal digits."""
    return folder.with_name(f".{folder.name}-{secrets.token_hex(8)}")


def put_in_place(draft: Path, target: Path) -> None:
    """Rename a folder to ``target``; one already there is moved to a name like the draft's, then removed.

    Raises:
        OSError: it cannot be renamed.
    """
    _as_umask_says(draft)
    moved: list[Path] = []
    while True:
        try:
            os.rename(draft, target)
            break
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise
        moved.append(draft.with_name(f"{draft.name}-old{len(moved)}"))
        # Another writer may have moved it away, or may come first again: then all is tried again.
        with suppress(FileNotFoundError):
            os.rename(target, moved[-1])
    for old in moved:
        remove(old)


def remove(path: Path) -> None:
    """Remove a folder, a file or a link, as far as that is possible."""
    if path.is_symlink() or path.is_file():
        path.unlink(missing_ok=True)
    shutil.rmtree(path, ignore_errors=True)


def _as_umask_says(folder: Path) -> None:
    """Give files that were made private the folder's own mode: it was made under the umask."""
    mode = folder.stat().st_mode & 0o666
    for file in folder.rglob("*"):
        if file.is_file() and not file.is_symlink():
            file.chmod(mode)


def flush(path: Path) -> None:
    """Have a file's content on the disk before the name: a power cut must not leave an empty file."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
