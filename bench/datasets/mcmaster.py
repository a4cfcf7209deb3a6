"""McMaster: photographs of saturated colours."""

from bench.datasets.shared.download import Archive
from bench.datasets.shared.published import Photographs


class McMaster(Photographs):
    """McMaster: 18 photographs of 500x500 pixels, for tests; training: DIV2K's.

    ``root`` holds ``McM`` (``1.tif`` to ``18.tif``) and ``DIV2K_train_HR``. The download is its authors',
    under the password that they publish, with the MD5 of deepinv's ``McMaster``.

    References:
        Zhang, Wu, Buades, Li: Color demosaicking by local directional interpolation and nonlocal adaptive
        thresholding, Journal of Electronic Imaging 20(2), 2011.
        Home: https://www4.comp.polyu.edu.hk/~cslzhang/CDM_Dataset.htm
    """

    folder, count = "McM", 18
    also = ("McMaster", "mcmaster")
    home = "https://www4.comp.polyu.edu.hk/~cslzhang/CDM_Dataset.htm"
    archive = Archive(
        "https://www4.comp.polyu.edu.hk/~cslzhang/DATA/McM.zip",
        contents_md5="27d5b588cb81cf7f2ddee6880a5bc2ea",
        password="McM_CDM",
    )
