"""The Berkeley segmentation images, on which denoising is compared."""

from collections.abc import Sequence
from pathlib import Path

from bench.datasets.shared.download import Archive, Part
from bench.datasets.shared.published import Photographs, pictures_in
from bench.errors import UsageError


class Bsd(Photographs):
    """CBSD68: 68 photographs of 481x321 pixels for tests; training: the other 432 of BSDS500.

    ``root`` holds ``CBSD68`` (pictures under the names that they have in BSDS500, such as ``101085.png``) and
    ``BSDS500`` (``data/images/{train,val,test}/*.jpg``, or its folder ``images``). The 68 are among the 500:
    those of their names are left out of training, as DnCNN does. Address and MD5 of BSDS500 are those of
    deepinv's ``BSDS500``.

    References:
        Martin, Fowlkes, Tal, Malik: A database of human segmented natural images, ICCV 2001.
        Zhang et al.: Beyond a Gaussian denoiser, IEEE TIP 26(7), 2017: 432 for training, 68 for tests.
        Home: https://github.com/BIDS/BSDS500, https://github.com/cszn/FFDNet (CBSD68)
    """

    folder, count = "CBSD68", 68
    also = ("CBSD68/original_png",)
    home = "https://github.com/cszn/FFDNet (testsets/CBSD68)"

    def learned_from(self) -> Part:
        archive = Archive(
            "https://github.com/BIDS/BSDS500/archive/refs/heads/master.zip",
            md5="7bfe17302a219367694200a61ce8256c",
        )
        return Part("BSDS500", self.root / "BSDS500", "https://github.com/BIDS/BSDS500", archive=archive)

    def training_pictures(self, test: Sequence[Path]) -> list[Path]:
        found = super().training_pictures(test)
        if self.train is not None:
            return found
        names = {path.stem for path in pictures_in(self.parts()[-1].place)}
        if strange := sorted(path.name for path in test if path.stem not in names):
            raise UsageError(
                f"bsd: {len(strange)} test pictures ({', '.join(strange[:3])}, ...) are not in BSDS500 by "
                "their names, so that they cannot be kept out of training. CBSD68 under those names is "
                f"given out at {self.home}; or name other training pictures: train=FOLDER"
            )
        tested = {path.stem for path in test}
        return [path for path in found if path.stem not in tested]
