"""Ranges of parameters."""

import math


def positive(**values: float | None) -> None:
    """Raise a ValueError for the first value that is given and not positive and finite."""
    for name, value in values.items():
        if value is not None and not value > 0:
            raise ValueError(f"{name} must be positive, not {value}")
        if value == math.inf:
            raise ValueError(f"{name} must be finite, not {value}")


def share(**values: float | None) -> None:
    """Raise a ValueError for the first value that is given and not in (0, 1]."""
    for name, value in values.items():
        if value is not None and not 0 < value <= 1:
            raise ValueError(f"{name} must be above 0 and at most 1, not {value}")
