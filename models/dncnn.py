"""The denoising CNN."""

from torch import nn

from bench.errors import at_least
from bench.models import NetworkModel
from bench.space import Range


class DnCNN(NetworkModel):
    """DnCNN: a plain stack of 3x3 convolutions at full resolution.

    Convolution and ReLU; ``depth - 2`` times convolution, batch normalisation and ReLU; convolution.

    Args:
        depth: number of convolutions; the paper has 17 for a known noise level.
        width: channels of each; the paper has 64.
        residual: learn the error of the best linear estimate of the image, as the paper does of the
            measurement itself.

    Reference:
        Zhang et al.: Beyond a Gaussian denoiser, IEEE TIP 26(7), 2017.
    """

    space = NetworkModel.space | {"width": Range(16, 64), "depth": Range(5, 20)}

    def __init__(self, depth: int = 17, width: int = 32, residual: bool = True):
        at_least(2, depth=depth)
        at_least(1, width=width)
        self.depth = depth
        self.width = width
        self.residual = residual

    def network(self, in_channels: int, out_channels: int, image_size: tuple[int, int]) -> nn.Module:
        layers: list[nn.Module] = [nn.Conv2d(in_channels, self.width, 3, padding=1), nn.ReLU(inplace=True)]
        for _ in range(self.depth - 2):
            convolution = nn.Conv2d(self.width, self.width, 3, padding=1, bias=False)
            layers += [convolution, nn.BatchNorm2d(self.width), nn.ReLU(inplace=True)]
        return nn.Sequential(*layers, nn.Conv2d(self.width, out_channels, 3, padding=1))
