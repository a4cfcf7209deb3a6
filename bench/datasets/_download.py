"""What the datasets that torchvision downloads have in common."""

from collections.abc import Callable
from typing import TypeVar

from bench.errors import BenchError, UsageError

T = TypeVar("T")


def fetched(name: str, root: str, download: bool, read: Callable[[], T]) -> T:
    """What ``read`` returns.

    Raises:
        UsageError: the files are not in ``root``, or are damaged; the message says how to get them.
        BenchError: they were to be downloaded, and could not be.
    """
    try:
        return read()
    except (OSError, RuntimeError, ValueError, TypeError, AssertionError, IndexError) as error:
        reason = str(error) or type(error).__name__
        if download:
            raise BenchError(
                f"{name}: could not be downloaded into {root!r}, or read there: {reason}"
            ) from error
        raise UsageError(
            f"{name}: its files are not in the folder {root!r}, or are damaged ({reason}). "
            f"Say {name}:root=FOLDER if they are elsewhere, or {name}:download=true to download them."
        ) from error
