"""The residual encoder-decoder of the BraTS 2018 challenge's winner."""

from monai.networks.nets import SegResNet as MonaiSegResNet
from torch import nn

from bench.models import NetworkModel
from bench.models.shared.padding import Padded, smallest


class SegResNet(NetworkModel):
    """SegResNet (MONAI): residual blocks, a deep encoder and a light decoder.

    Four scales with ``width`` to ``8 width`` channels, (1, 2, 2, 4) residual blocks down and one per
    scale up, group normalisation, bilinear upsampling, sums as skip connections.

    Args:
        width: channels of the finest scale, a multiple of 8 for the group normalisation.
        residual: learn what the best linear estimate of the image leaves, not the image from nothing.

    Reference:
        Myronenko: 3D MRI brain tumor segmentation using autoencoder regularization, BrainLes 2018,
        arXiv 1810.11654; without its variational branch.
    """

    smallest = smallest(8)

    def __init__(self, width: int = 16, residual: bool = True):
        if width < 8 or width % 8:
            raise ValueError(f"width must be a multiple of 8, not {width}")
        self.width = width
        self.residual = residual

    def network(self, in_channels: int, out_channels: int, image_size: tuple[int, int]) -> nn.Module:
        return Padded(MonaiSegResNet(2, self.width, in_channels, out_channels), 8)
