"""Kodak24: photographs from film, scanned."""

from bench.datasets.shared.download import Archive
from bench.datasets.shared.published import Photographs


class Kodak(Photographs):
    """Kodak24: 24 photographs of 768x512 pixels, upright or not, for tests; training: DIV2K's.

    ``root`` holds ``Kodak24`` (``kodim01.png`` to ``kodim24.png``, or ``01.png`` to ``24.png``) and
    ``DIV2K_train_HR``. The download is the copy on GitHub that deepinv's ``Kodak24`` fetches, with its MD5.

    References:
        Eastman Kodak: Kodak lossless true color image suite, PhotoCD PCD0992, 1999.
        Home: https://r0k.us/graphics/kodak
    """

    folder, count = "Kodak24", 24
    also = ("kodak", "Kodak", "PhotoCD_PCD0992")
    home = "https://r0k.us/graphics/kodak"
    archive = Archive(
        "https://github.com/MohamedBakrAli/Kodak-Lossless-True-Color-Image-Suite/archive/refs/heads/master.zip",
        contents_md5="5b16b585b8f20e8ea62af85837d40e40",
        inside="PhotoCD_PCD0992",
    )
