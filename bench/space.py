"""What of a model may be tuned, and within which bounds: declared beside its recipe."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Range:
    """Numbers from ``low`` to ``high``, both included; whole ones if both bounds are.

    Attributes:
        low: the least.
        high: the largest.
        log: whether factors matter rather than differences, as of a learning rate.

    Raises:
        ValueError: bounds in the wrong order, or not above 0 on a logarithmic scale.
    """

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        if not self.low < self.high or (self.log and not self.low > 0):
            raise ValueError(f"no range: {self}")

    @property
    def whole(self) -> bool:
        """Whether its numbers are whole."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def __contains__(self, value: object) -> bool:
        return isinstance(value, int if self.whole else float | int) and self.low <= value <= self.high


#: Recipe values and parameters of a model, by name: a :class:`Range`, or the values to choose from.
Space = Mapping[str, Range | Sequence[Any]]
