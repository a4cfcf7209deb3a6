"""Haar wavelet-based perceptual similarity."""

from typing import Any

from torch import Tensor

from bench.metrics import Metric
from bench.metrics._perceptual import compared, library


class HaarPSI(Metric):
    """Haar wavelet-based perceptual similarity (Reisenhofer et al. 2018), at most 1; by piq.

    Of pictures: values over the range and cut to [0, 1]; "-" below 32 pixels.

    Reference:
        Reisenhofer, Bosse, Kutyniok, Wiegand: A Haar wavelet-based perceptual similarity index, 2018.
    """

    failed = 0.0

    def __init__(self) -> None:
        self._similarity = library("piq", "haarpsi").haarpsi

    def __call__(self, image: Tensor, truth: Tensor, *, data_range: Tensor, **context: Any) -> Tensor | None:
        if min(image.shape[-2:]) < 32:
            return None
        return compared(image, truth, data_range, lambda i, t: self._similarity(i, t, reduction="none"))
