"""The U-Net with residual units."""

from monai.networks.nets import UNet as MonaiUNet
from torch import nn

from bench.errors import at_least
from bench.models import NetworkModel
from bench.models.shared.padding import Padded, smallest


class ResidualUNet(NetworkModel):
    """U-Net with residual units (MONAI UNet).

    Five scales, strided convolutions, batch normalisation.

    Args:
        width: channels of the finest scale; ``16 width`` at the coarsest.
        units: convolutions per residual unit.
        residual: learn what the best linear estimate of the image leaves, not the image from nothing.

    Reference:
        Kerfoot et al.: Left-ventricle quantification using residual U-Net, STACOM 2018.
    """

    smallest = smallest(16)

    def __init__(self, width: int = 16, units: int = 2, residual: bool = True):
        at_least(1, width=width, units=units)
        self.width = width
        self.units = units
        self.residual = residual

    def network(self, in_channels: int, out_channels: int, image_size: tuple[int, int]) -> nn.Module:
        channels = tuple(self.width * 2**level for level in range(5))
        net = MonaiUNet(
            2, in_channels, out_channels, channels, (2, 2, 2, 2), num_res_units=self.units, norm="batch"
        )
        return Padded(net, 16)
