"""Gaussian denoising."""

from bench.operators.noise import Noise


class Denoising(Noise):
    """Gaussian denoising: y = x + sigma n, sigma = 25/255.

    The standard levels are 15, 25 and 50 of 255 (Zhang et al., DnCNN, IEEE TIP 26(7), 2017).

    Args:
        image_shape: ``(C, H, W)``.
        sigma: standard deviation, for images in [0, 1].

    Raises:
        ValueError: sigma is negative.
    """

    def __init__(self, image_shape: tuple[int, int, int], sigma: float = 25 / 255):
        super().__init__(image_shape, sigma=sigma)
