"""What takes long to make is kept in the user's cache folder, and checked when it is read."""

import hashlib
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save, save_file
from torch import Tensor

from bench import files

#: Seconds of work without a word, and between words.
PATIENCE, INTERVAL = 2.0, 10.0


def cache_folder() -> Path:
    """``INVBENCH_CACHE`` if it is set, else ``invbench`` in ``XDG_CACHE_HOME`` or in ``~/.cache``."""
    if own := os.environ.get("INVBENCH_CACHE"):
        return Path(own).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "invbench"


def kept(name: str) -> bytes | None:
    """What was kept under a name; None if there is nothing, or if it is not what was written."""
    try:
        content = (cache_folder() / name).read_bytes()
    except OSError:
        return None
    checksum, body = content[:32], content[32:]
    return body if hashlib.sha256(body).digest() == checksum else None


def keep(name: str, body: bytes) -> None:
    """Keep ``body``, after its checksum; where nothing can be written, it is made again next time."""
    path = cache_folder() / name
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        files.replace(path, hashlib.sha256(body).digest() + body)


def kept_tensors(name: str) -> dict[str, Tensor] | None:
    """Tensors that were kept under a name; None if there is nothing, or if it is something else."""
    body = kept(name)
    try:
        return None if body is None else load(body)
    except (SafetensorError, ValueError, KeyError):
        return None


def keep_tensors(name: str, tensors: dict[str, Tensor]) -> None:
    """Keep tensors for :func:`kept_tensors`."""
    keep(name, save(tensors))


def mapped_tensors(name: str, make: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    """Tensors from a file of the cache folder, which is memory-mapped: processes share one copy of it.

    Made and kept where the file is missing, or is not what was written. Where nothing can be kept, they
    are in this process's own memory. Writing to them changes nothing of the file.

    Args:
        name: of the file; it names all that the tensors depend on.
        make: what to keep; contiguous, on the CPU.
    """
    path = cache_folder() / f"{name}.safetensors"
    if (found := _mapped(path)) is not None:
        return found
    made = make()
    with suppress(OSError, SafetensorError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with files.replacing(path) as draft:
            save_file(made, draft, {"sha256": _checksum(made)})
        return _mapped(path) or made
    return made


def _mapped(path: Path) -> dict[str, Tensor] | None:
    """Tensors of a file, if they are those that were written."""
    try:
        with safe_open(path, framework="pt") as file:
            found = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - no mapping
            return found if (file.metadata() or {}).get("sha256") == _checksum(found) else None
    except (OSError, SafetensorError, ValueError, KeyError):
        return None


def _checksum(tensors: dict[str, Tensor]) -> str:
    sha = hashlib.sha256()
    for key, value in sorted(tensors.items()):
        sha.update(f"{key} {value.dtype} {tuple(value.shape)}".encode())
        sha.update(value.numpy().data)
    return sha.hexdigest()


class Patience:
    """Tells how far a long piece of work is: a line on stderr after two seconds, then every ten.

    Args:
        what: is being done, as in ``"leaves: drawing 5,000 images"``.
        total: number of steps.
    """

    def __init__(self, what: str, total: int):
        self.what, self.total, self.done = what, total, 0
        self.started = time.monotonic()
        self.next = self.started + PATIENCE

    def step(self, count: int) -> None:
        """Count steps that are done."""
        self.done += count
        now = time.monotonic()
        if now < self.next or self.done >= self.total:
            return
        self.next = now + INTERVAL
        left = (now - self.started) * (self.total - self.done) / self.done
        share = f"{100 * self.done / self.total:.0f} % done, about {left:.0f} s left"
        print(f"{self.what}: {share}", file=sys.stderr, flush=True)
