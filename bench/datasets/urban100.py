"""Urban100: facades, which repeat themselves."""

from bench.datasets.shared.download import Archive
from bench.datasets.shared.published import Photographs


class Urban100(Photographs):
    """Urban100: 100 photographs of buildings, of several sizes, for tests; training: DIV2K's.

    ``root`` holds ``Urban100_HR`` (``img_001.png``, ...) and ``DIV2K_train_HR``. Papers on super-resolution
    score it by the protocol ``luma``. Address and MD5 are those of deepinv's ``Urban100HR``.

    References:
        Huang, Singh, Ahuja: Single image super-resolution from transformed self-exemplars, CVPR 2015.
        Home: https://huggingface.co/datasets/eugenesiow/Urban100
    """

    folder, count = "Urban100_HR", 100
    also = ("Urban100",)
    home = "https://huggingface.co/datasets/eugenesiow/Urban100"
    archive = Archive(
        "https://huggingface.co/datasets/eugenesiow/Urban100/resolve/main/data/Urban100_HR.tar.gz",
        contents_md5="6e0640850d436a359e0a9baf5eabd27b",
    )
