"""The errors a person may see: one message that says what was wrong and what would be right."""


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


def without_effect(setting: str, **values: object) -> None:
    """Raise a ValueError that names the first value that was given (not None): ``setting`` ignores it."""
    for name, value in values.items():
        if value is not None:
            raise ValueError(f"{name}={value} has no effect with {setting}")


def reason(error: Exception) -> str:
    """One line on what went wrong: of the project's own errors the message, of others the kind too."""
    if type(error).__name__ == "OutOfMemoryError" or "can't allocate memory" in str(error):
        return "out of memory; choose a smaller model, smaller images, a smaller --batch-size, another device"
    return str(error) if isinstance(error, BenchError) else f"{type(error).__name__}: {error}"
