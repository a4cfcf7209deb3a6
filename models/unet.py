"""The U-Net."""

from torch import nn

from bench.errors import at_least
from bench.models import NetworkModel
from bench.models._unet import padded_unet
from bench.models.shared.padding import smallest
from bench.space import Range


class UNet(NetworkModel):
    """U-Net (MONAI BasicUNet); the paper's network at width=64.

    Five scales with ``width`` to ``16 width`` channels, two 3x3 convolutions each, skip
    connections, transposed convolutions upwards, batch normalisation. Without normalisation it
    does not learn XOR decryption.

    Args:
        width: channels of the finest scale; the original has 64.
        residual: learn what the best linear estimate of the image leaves, not the image from nothing.

    Reference:
        Ronneberger, Fischer, Brox: U-Net, MICCAI 2015.
    """

    smallest = smallest(16)

    space = NetworkModel.space | {"width": Range(8, 32)}

    def __init__(self, width: int = 16, residual: bool = True):
        at_least(1, width=width)
        self.width = width
        self.residual = residual

    def network(self, in_channels: int, out_channels: int, image_size: tuple[int, int]) -> nn.Module:
        return padded_unet(in_channels, out_channels, self.width)
