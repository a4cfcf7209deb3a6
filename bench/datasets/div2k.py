"""DIV2K: photographs of two thousand pixels."""

from bench.datasets.shared.published import DIV2K_HOME, DIV2K_VALID, Photographs


class Div2k(Photographs):
    """DIV2K: 800 photographs to learn from, and the 100 of its validation part for tests.

    ``root`` holds ``DIV2K_train_HR`` (``0001.png``, ...) and ``DIV2K_valid_HR`` (``0801.png``, ...). The test
    part was never given out; papers report the validation part. Addresses and MD5 are those of deepinv's
    ``DIV2K``.

    References:
        Agustsson, Timofte: NTIRE 2017 challenge on single image super-resolution: dataset and study, 2017.
        Home: https://data.vision.ee.ethz.ch/cvl/DIV2K
    """

    folder, count = "DIV2K_valid_HR", 100
    home = DIV2K_HOME
    archive = DIV2K_VALID
