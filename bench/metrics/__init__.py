"""Metrics: one file each; the file's name is the metric's registry name."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

    from bench.operators import Operator

Array = np.ndarray[Any, Any]

#: What an exact reconstruction counts in a mean and in a test, in dB; no image counts more.
EXACT = 100.0


class Metric(ABC):
    """How good a reconstruction is: one number per scoring unit, an image unless the protocol says otherwise.

    A new metric defines :meth:`__call__`. Parameters of the constructor are what can be set on the
    command line (``name:key=value``).

    Example:
        >>> class Bias(Metric):
        ...     '''Absolute difference of the mean values.'''
        ...     higher_is_better = False
        ...     def __call__(self, image, truth, *, y, operator, noise, data_range):
        ...         return (image - truth).flatten(1).mean(1).abs()
    """

    #: Unit of the values; values in ``dB`` are averaged as :func:`mean_score` says.
    unit: str = ""
    #: Whether the larger of two values is the better one.
    higher_is_better: bool = True
    #: Value of a reconstruction with a pixel that is not finite; None: the worst number there is.
    failed: float | None = None
    #: Whether it asks how the raw reconstruction explains the measurement, whatever the protocol does
    #: with images; it is then computed image by image, and averaged over a volume.
    of_measurement: bool = False
    #: Whether making one downloads weights where they are not here: no record switches that on.
    fetches: bool = False

    @abstractmethod
    def __call__(
        self,
        image: "Tensor",
        truth: "Tensor",
        *,
        y: "Tensor",
        operator: "Operator",
        noise: "Operator | None",
        data_range: "Tensor",
    ) -> "Tensor | None":
        """The metric of each scoring unit.

        Args:
            image: reconstructions ``(B, C, H, W)``, real and finite, as the protocol prepared them; the
                slices of a volume come as the channels of one image.
            truth: the true images, same shape.
            y: measurements ``(B, *measurement_shape)``.
            operator: the operator of these images, noise included.
            noise: the part of it that adds noise; None where there is none, or noise is not its last part.
            data_range: ``(B,)``: what the protocol calls the range of the values.

        Returns:
            ``(B,)`` real numbers; None where the metric has no meaning.
        """

    @property
    def worst(self) -> float:
        """Value of a reconstruction with a pixel that is not finite."""
        return self.failed if self.failed is not None else -np.inf if self.higher_is_better else np.inf


def mean_score(values: Any, unit: str = "dB") -> float:
    """Mean of the values of all scoring units, never NaN unless a value is.

    -inf where any value is; +inf where all are. Else no value in dB counts more than 100, so that one
    exact unit (a black window, say) does not hide all the others, and is never worse than one
    that is nearly exact.
    """
    row = np.asarray(values, dtype=float)
    with np.errstate(invalid="ignore"):
        mean = counted(row, unit).sum() / len(row)  # numpy's own mean takes three times as long
    # Infinite units show in it, as do exact ones where all are.
    plain = np.isfinite(mean) and not (unit == "dB" and mean >= EXACT)
    return float(mean if plain else mean_scores(row[None], unit)[0])


def mean_scores(values: Array, unit: str = "dB") -> Array:
    """:func:`mean_score` of each row of ``(rows, units)``."""
    worst, exact = (values == -np.inf).any(-1), (values == np.inf).all(-1)
    means = np.where(worst[..., None], 0.0, counted(values, unit)).mean(-1)
    return np.where(worst, -np.inf, np.where(exact, np.inf, means))


def counted(values: Array, unit: str = "dB") -> Array:
    """Values as they count in a mean and in a test: at most 100 where the unit is dB."""
    return np.minimum(values, EXACT) if unit == "dB" else values
