"""The network of nnU-Net."""

from itertools import takewhile
from typing import Literal

from monai.networks.nets import DynUNet as MonaiDynUNet
from torch import nn

from bench.errors import at_least
from bench.models import NetworkModel
from bench.models.shared.padding import Padded

#: nnU-Net halves the image while this many pixels are left, and widens the network up to 512 channels.
COARSEST, WIDEST = 4, 512


class DynUNet(NetworkModel):
    """DynUNet (MONAI), the network of nnU-Net: its depth follows the image size.

    Scales are added while at least 4 pixels are left, three at the least; each has twice the
    channels of the one before, up to 512. Strided convolutions, leaky ReLU, no deep supervision.

    Args:
        width: channels of the finest scale; nnU-Net has 32.
        norm: ``batch``, or ``instance`` as in nnU-Net.
        residual: learn what the best linear estimate of the image leaves, not the image from nothing.

    Reference:
        Isensee et al.: nnU-Net, Nature Methods 18, 2021.
    """

    def __init__(self, width: int = 16, norm: Literal["batch", "instance"] = "batch", residual: bool = True):
        at_least(1, width=width)
        self.width = width
        self.norm = norm
        self.residual = residual

    def network(self, in_channels: int, out_channels: int, image_size: tuple[int, int]) -> nn.Module:
        halvings = max(2, sum(1 for _ in takewhile(lambda n: min(image_size) >> n >= COARSEST, range(1, 32))))
        kernels, strides = [3] * (halvings + 1), [1] + [2] * halvings
        filters = [min(self.width * 2**level, max(WIDEST, self.width)) for level in range(halvings + 1)]
        net = MonaiDynUNet(
            2, in_channels, out_channels, kernels, strides, strides[1:], filters,
            norm_name=(self.norm, {"affine": True}),
        )  # fmt: skip
        for name in ("input_block", "downsamples", "bottleneck", "upsamples"):
            # The same layers stand in skip_layers, which is what runs; weights are saved once.
            delattr(net, name)
        return Padded(net, 2**halvings)
