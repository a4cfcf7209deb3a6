"""The content of files, affordable for large ones."""

import hashlib
import json
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from bench import files
from bench.datasets.shared.cache import Patience

#: Files below this size, in bytes, are read anew each time: remembering them would not pay.
LARGE = 2**26


def digest(paths: Iterable[Path]) -> str:
    """SHA-256 over size and SHA-256 of each file, in the order given.

    Each is read once, as a stream. The SHA-256 of a file of 64 MiB or more is remembered, in the user's
    cache, until its size, inode or a time of its change is another. What takes long says how far it is.
    """
    sha, listed = hashlib.sha256(), list(paths)
    sizes = [path.stat().st_size for path in listed]
    patience = Patience(f"reading {len(listed):,} files once, {sum(sizes) / 1e9:.1f} GB", sum(sizes))
    for path, size in zip(listed, sizes, strict=True):
        sha.update(f"{size} {_content(path)}\n".encode())
        patience.step(size)
    return sha.hexdigest()


def _content(path: Path) -> str:
    state = path.stat()
    if state.st_size < LARGE:
        return _hashed(path)
    name = str(path.resolve())
    key = [state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino]
    known = _remembered()
    if name in known and known[name][:-1] == key:
        return str(known[name][-1])
    found = _hashed(path)
    with suppress(OSError):  # a cache that cannot be written is done without
        _store().parent.mkdir(parents=True, exist_ok=True)
        files.replace(_store(), json.dumps(_remembered() | {name: [*key, found]}))
    return found


def _hashed(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _remembered() -> dict[str, list[int | str]]:
    try:
        content = json.loads(_store().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _store() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "invbench" / "digests.json"
