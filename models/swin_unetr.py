"""The Swin transformer U-Net."""

from monai.networks.nets import SwinUNETR as MonaiSwinUNETR
from torch import nn

from bench.models import NetworkModel
from bench.models.shared.padding import Padded, smallest


class SwinUNETR(NetworkModel):
    """Swin UNETR (MONAI): a Swin transformer encodes, convolutions decode.

    Six scales, two transformer blocks each with 3, 6, 12 and 24 heads, windows of 8x8 tokens of 2x2
    pixels, batch normalisation in the decoder (at 32x32 pixels its coarsest scale is a single one,
    which instance normalisation cannot take).

    Args:
        features: channels of the finest scale, a multiple of 12; the published network has 48.
        residual: learn what the best linear estimate of the image leaves, not the image from nothing.

    Reference:
        Hatamizadeh et al.: Swin UNETR, BrainLes 2021, arXiv 2201.01266.
    """

    smallest = smallest(32)

    def __init__(self, features: int = 24, residual: bool = True):
        if features < 12 or features % 12:
            raise ValueError(f"features must be a multiple of 12, not {features}")
        self.features = features
        self.residual = residual

    def network(self, in_channels: int, out_channels: int, image_size: tuple[int, int]) -> nn.Module:
        net = MonaiSwinUNETR(
            in_channels, out_channels, feature_size=self.features, window_size=8, norm_name="batch",
            spatial_dims=2,
        )  # fmt: skip
        return Padded(net, 32)
