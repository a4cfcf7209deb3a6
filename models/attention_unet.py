"""The attention U-Net."""

from monai.networks.nets import AttentionUnet as MonaiAttentionUnet
from torch import nn

from bench.errors import at_least
from bench.models import NetworkModel
from bench.models.shared.padding import Padded, smallest


class AttentionUNet(NetworkModel):
    """Attention U-Net (MONAI): gates on the skip connections.

    Five scales, batch normalisation, additive attention gates.

    Args:
        width: channels of the finest scale; ``16 width`` at the coarsest.
        residual: learn what the best linear estimate of the image leaves, not the image from nothing.

    Reference:
        Oktay et al.: Attention U-Net, arXiv 1804.03999.
    """

    smallest = smallest(16)

    def __init__(self, width: int = 16, residual: bool = True):
        at_least(1, width=width)
        self.width = width
        self.residual = residual

    def network(self, in_channels: int, out_channels: int, image_size: tuple[int, int]) -> nn.Module:
        channels = tuple(self.width * 2**level for level in range(5))
        net = MonaiAttentionUnet(2, in_channels, out_channels, channels, strides=(2, 2, 2, 2))
        return Padded(net, 16)
