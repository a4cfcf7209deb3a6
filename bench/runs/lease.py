"""Who works on a run: a file with a heartbeat, beside the run.

A shared file system is enough. The file's content changes every few seconds while its process lives;
an observer judges by whether it changes while he looks, so clocks are not compared, and hosts need
not share process numbers. Where holder and observer are on one host, a process that is gone is seen
at once. Two may take over a dead lease in the same instant: their work is done twice, and harmless.
"""

import json
import os
import platform
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from bench.errors import BenchError, UsageError

#: Seconds between two beats; without one for the patience, the holder is taken for dead.
BEAT, PATIENCE = 5.0, 60.0
#: Seconds between two looks at a run that somebody else works on.
LOOK = 0.5
#: A lease is a few hundred bytes; what is longer is none.
LONGEST = 4096

#: What was seen of each file, and when it was first seen so, by this process's own clock.
_seen: dict[Path, tuple[object, float]] = {}


class BusyError(BenchError):
    """Somebody else works on it, and lives."""


class Lease:
    """A lease that is held, and beats until it is released."""

    def __init__(self, path: Path):
        """Take the lease.

        Raises:
            FileExistsError: there is one already.
            OSError: it cannot be written.
        """
        words = {**_self(), "host": platform.node(), "token": secrets.token_hex(8)}
        self.path, self.text = path, json.dumps(words).encode() + b"\n"
        self.file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        self.over = threading.Event()
        try:
            self._beat(0)
            threading.Thread(target=self._keep_beating, name=f"lease {path.name}", daemon=True).start()
        except BaseException:
            # An empty lease would be waited for.
            os.close(self.file)
            path.unlink(missing_ok=True)
            raise

    def release(self) -> None:
        """Give the lease back, unless somebody else has taken it over.

        A beat that is under way is not waited for: a busy disk may take many seconds for it.
        """
        self.over.set()
        if (content := _read(self.path)) and content.startswith(self.text):
            self.path.unlink(missing_ok=True)

    def _keep_beating(self) -> None:
        number = 0
        while not self.over.wait(BEAT):
            number += 1
            # On a disk that fails now the run goes on; at worst somebody else does it too.
            with suppress(OSError):
                self._beat(number)
        os.close(self.file)

    def _beat(self, number: int) -> None:
        # The open file is written to, which is another's no more once the lease was taken over.
        os.pwrite(self.file, self.text + b"%020d\n" % number, 0)
        os.fsync(self.file)


@contextmanager
def held(path: Path) -> Iterator[Lease]:
    """The block under a lease.

    Raises:
        BusyError: somebody else holds it, and lives.
        UsageError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lease = _take(path)
    except OSError as error:
        raise UsageError(f"cannot write results to {path.parent.parent}: {error.strerror}") from error
    try:
        yield lease
    finally:
        lease.release()


def _take(path: Path) -> Lease:
    for _ in range(3):
        with suppress(FileExistsError):
            return Lease(path)
        if not dead(path):
            break
        path.unlink(missing_ok=True)
    raise BusyError(f"waiting for {holder(path)}")


def dead(path: Path) -> bool:
    """Whether a lease beats no more: its process is gone, or it has not changed for the patience.

    That it has not changed is known only after several looks by one process, the first of them so long ago.
    """
    content = _read(path)
    if content is None:
        return not os.path.lexists(path) or unchanged(path, "no lease")
    return _is_gone(_words(content)) or unchanged(path, content)


def unchanged(path: Path, state: object) -> bool:
    """Whether ``path`` has been found in this state whenever this process looked, for the patience."""
    before, since = _seen.get(path, (None, 0.0))
    if before != state:
        _seen[path] = state, time.monotonic()
        return False
    return time.monotonic() - since > PATIENCE


def holder(path: Path) -> str:
    """Who holds a lease, for people: host and process number."""
    words = _words(_read(path) or b"")
    host = "".join(c for c in str(words.get("host", ""))[:64] if c.isprintable())
    number = words.get("pid")
    return f"process {number} on {host}" if host and isinstance(number, int) else "another process"


def _read(path: Path) -> bytes | None:
    """Content of a lease; None where there is no such file, or one that is no lease."""
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_size > LONGEST:
            return None
        return path.read_bytes()
    except OSError:
        return None


def _words(content: bytes) -> dict[str, Any]:
    try:
        words = json.loads(content.partition(b"\n")[0])
    except (ValueError, RecursionError):
        return {}
    return words if isinstance(words, dict) else {}


def _self() -> dict[str, Any]:
    """This process: its number, when it started, and where such numbers mean something."""
    return {"pid": os.getpid(), "started": _started(os.getpid()), "where": _where()}


def _is_gone(words: dict[str, Any]) -> bool:
    """Whether a lease's process is known to have ended: only of those that can be seen from here."""
    number, where = words.get("pid"), _where()
    if where is None or words.get("where") != where or not isinstance(number, int):
        return False
    return _started(number) != words.get("started")


def _where() -> str | None:
    """What processes with comparable numbers share: this start of the machine, and the namespace."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return None


def _started(process: int) -> str | None:
    """When a process started, in the kernel's ticks; None if it has ended (or cannot be seen)."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]
