"""Kodak24: photographs from film, scanned."""

from bench.datasets.shared.published import Photographs


class Kodak(Photographs):
    """Kodak24: 24 photographs of 768x512 pixels, upright or not, for tests; training: DIV2K's.

    ``root`` holds ``Kodak24`` (``kodim01.png`` to ``kodim24.png``) and ``DIV2K_train_HR``.

    Reference:
        Eastman Kodak: Kodak lossless true color image suite, PhotoCD PCD0992, 1999.
    """

    folder, count = "Kodak24", 24
    also = ("kodak", "Kodak")
    home = "http://r0k.us/graphics/kodak"
