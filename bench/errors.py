"""The errors a person may see: one message that says what was wrong and what would be right."""

import math
import os


class BenchError(Exception):
    """Something went wrong while running; the command line exits with code 1."""

    exit_code = 1


class UsageError(BenchError):
    """What was asked for cannot work as asked; the command line exits with code 2."""

    exit_code = 2


class MismatchError(UsageError):
    """An operator and a model that do not fit together."""


class CheckpointError(BenchError):
    """A checkpoint that cannot be written, read, or gone on from; it is left as it is."""


class DivergedError(BenchError):
    """A training that left the finite numbers: gone on from its checkpoint, it would do so again."""


class Interrupted(BenchError):
    """Ctrl-C; the command line exits with code 130, as a shell would."""

    exit_code = 130


def at_least(least: float, **values: float) -> None:
    """Raise a ValueError that names the first value below ``least``: ``at_least(1, width=width)``."""
    for name, value in values.items():
        if not value >= least:
            raise ValueError(f"{name} must be at least {least}, not {value}")
        if value == math.inf:
            raise ValueError(f"{name} must be finite, not {value}")


def in_memory(needed: float, /, **values: float) -> None:
    """Raise a ValueError if ``needed`` bytes are more than half of the memory: ``in_memory(n, train=train)``.

    Asked before anything is allocated: a machine that swaps or kills says less.
    """
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > whole / 2:
        given = ", ".join(f"{name}={value}" for name, value in values.items())
        raise ValueError(
            f"{given} would take {needed / 1e9:,.1f} GB of memory; this machine has {whole / 1e9:,.1f} GB, "
            "half of which may be taken: choose fewer or smaller ones"
        )


def without_effect(setting: str, **values: object) -> None:
    """Raise a ValueError that names the first value that was given (not None): ``setting`` ignores it."""
    for name, value in values.items():
        if value is not None:
            raise ValueError(f"{name}={value} has no effect with {setting}")


def reason(error: BaseException) -> str:
    """One line on what went wrong: of the project's own errors the message, of others the kind too."""
    if type(error).__name__ in ("OutOfMemoryError", "MemoryError") or "allocate memory" in str(error):
        return "out of memory; choose a smaller model, smaller images, a smaller --batch-size, another device"
    return str(error) if isinstance(error, BenchError) else f"{type(error).__name__}: {error}"
