"""Set14: test images of super-resolution."""

from bench.datasets.shared.download import Archive
from bench.datasets.shared.published import Photographs


class Set14(Photographs):
    """Set14: 14 images, colour and grey, of several sizes, for tests; training: DIV2K's.

    ``root`` holds ``Set14_HR`` (``baboon.png``, ...) and ``DIV2K_train_HR``. Papers on super-resolution score
    it by the protocol ``luma``. Address and MD5 are those of deepinv's ``Set14HR``.

    References:
        Zeyde, Elad, Protter: On single image scale-up using sparse-representations, 2010.
        Home: https://huggingface.co/datasets/eugenesiow/Set14
    """

    folder, count = "Set14_HR", 14
    also = ("Set14",)
    home = "https://huggingface.co/datasets/eugenesiow/Set14"
    archive = Archive(
        "https://huggingface.co/datasets/eugenesiow/Set14/resolve/main/data/Set14_HR.tar.gz",
        contents_md5="3fce01c3dfe9760194e8a22f6bc032c5",
    )
