"""The nested U-Net."""

from monai.networks.nets import BasicUNetPlusPlus
from torch import Tensor, nn

from bench.errors import at_least
from bench.models import NetworkModel
from bench.models._unet import five_scales
from bench.models.shared.padding import Padded, smallest


class UNetPlusPlus(NetworkModel):
    """UNet++ (MONAI): nested, densely connected skips.

    Five scales with ``width`` to ``16 width`` channels, batch normalisation, one output (no deep
    supervision).

    Args:
        width: channels of the finest scale.
        residual: learn what the best linear estimate of the image leaves, not the image from nothing.

    Reference:
        Zhou et al.: UNet++, A Nested U-Net Architecture, DLMIA 2018, arXiv 1807.10165.
    """

    smallest = smallest(16)

    def __init__(self, width: int = 16, residual: bool = True):
        at_least(1, width=width)
        self.width = width
        self.residual = residual

    def network(self, in_channels: int, out_channels: int, image_size: tuple[int, int]) -> nn.Module:
        features = five_scales(self.width)
        net = BasicUNetPlusPlus(2, in_channels, out_channels, features=features, norm="batch")
        for name in ("final_conv_0_1", "final_conv_0_2", "final_conv_0_3"):
            # Outputs of deep supervision: they would count as weights and never be trained.
            setattr(net, name, nn.Identity())
        return Padded(First(net), 16)


class First(nn.Module):
    """The first of a network's outputs."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.network(x)[0]
        return out
