"""McMaster: photographs of saturated colours."""

from bench.datasets.shared.published import Photographs


class McMaster(Photographs):
    """McMaster: 18 photographs of 500x500 pixels, for tests; training: DIV2K's.

    ``root`` holds ``McMaster`` (``1.tif`` to ``18.tif``) and ``DIV2K_train_HR``.

    Reference:
        Zhang, Wu, Buades, Li: Color demosaicking by local directional interpolation and nonlocal adaptive
        thresholding, Journal of Electronic Imaging 20(2), 2011.
    """

    folder, count = "McMaster", 18
    also = ("McM", "mcmaster")
    home = "https://www4.comp.polyu.edu.hk/~cslzhang/CDM_Dataset.htm"
