"""The U-Net that several models are built on."""

from monai.networks.nets import BasicUNet
from torch import nn

from bench.models.shared.padding import Padded


def five_scales(width: int) -> tuple[int, int, int, int, int, int]:
    """Channels of MONAI's five scales, ``width`` to ``16 width``, and of the last upsampling."""
    return width, 2 * width, 4 * width, 8 * width, 16 * width, width


def padded_unet(in_channels: int, out_channels: int, width: int) -> nn.Module:
    """MONAI's BasicUNet with batch normalisation, for images of any size."""
    return Padded(BasicUNet(2, in_channels, out_channels, features=five_scales(width), norm="batch"), 16)
