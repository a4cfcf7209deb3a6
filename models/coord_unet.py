"""The U-Net that knows where it is."""

import torch
from torch import Tensor, nn

from bench.errors import at_least
from bench.models import NetworkModel
from bench.models._unet import padded_unet
from bench.models.shared.padding import smallest


class CoordUNet(NetworkModel):
    """U-Net with the pixel's coordinates as further input channels.

    A convolution finds its position only from the padding at the border; here it is told, by
    ``2 + 4 frequencies`` channels: row and column, and sine and cosine of ``2^k pi`` times them.

    Args:
        width: channels of the finest scale, as in ``unet``.
        frequencies: octaves of sine and cosine; 0 is CoordConv as published.
        residual: learn what the best linear estimate of the image leaves, not the image from nothing.

    Reference:
        Liu et al.: An intriguing failing of convolutional neural networks and the CoordConv
        solution, NeurIPS 2018; the sines: Tancik et al., Fourier features, NeurIPS 2020.
    """

    smallest = smallest(16)

    def __init__(self, width: int = 16, frequencies: int = 4, residual: bool = True):
        at_least(1, width=width)
        at_least(0, frequencies=frequencies)
        self.width = width
        self.frequencies = frequencies
        self.residual = residual

    def network(self, in_channels: int, out_channels: int, image_size: tuple[int, int]) -> nn.Module:
        seen = in_channels + 2 + 4 * self.frequencies
        return Located(padded_unet(seen, out_channels, self.width), self.frequencies)


class Located(nn.Module):
    """A network that gets its image with :func:`coordinates` as further channels."""

    def __init__(self, network: nn.Module, frequencies: int):
        super().__init__()
        self.network = network
        self.frequencies = frequencies

    def forward(self, x: Tensor) -> Tensor:
        where = coordinates(x.shape[-2], x.shape[-1], self.frequencies, x.device)
        where = where.expand(len(x), -1, -1, -1)
        out: Tensor = self.network(torch.cat([x, where], 1).contiguous(memory_format=torch.channels_last))
        return out


def coordinates(height: int, width: int, frequencies: int, device: torch.device) -> Tensor:
    """Row and column from -1 to 1, then their sines and cosines: ``(2 + 4 frequencies, H, W)``."""
    rows = torch.linspace(-1, 1, height, device=device)
    columns = torch.linspace(-1, 1, width, device=device)
    plain = torch.stack(torch.meshgrid(rows, columns, indexing="ij"))
    phases = [2**k * torch.pi * plain for k in range(frequencies)]
    return torch.cat([plain, *(wave for phase in phases for wave in (phase.sin(), phase.cos()))])
