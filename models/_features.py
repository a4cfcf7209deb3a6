"""A decoder for any encoder that gives a list of feature maps."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Size = tuple[int, int]


class FeatureUNet(nn.Module):
    """Encoder and decoder: from the coarsest feature maps to full resolution, in steps of at most 2.

    Args:
        encoder: gives a list of feature maps, in timm's manner.
        in_channels: channels of the input, which is the feature map at full resolution.
        out_channels: channels of the output.
        size: height and width of the input.
        width: channels at full resolution; doubled at every coarser step, up to 16 times.
    """

    def __init__(self, encoder: nn.Module, in_channels: int, out_channels: int, size: Size, width: int):
        super().__init__()
        self.encoder = encoder
        found: dict[Size, int] = {size: in_channels}
        for channels, *at in feature_shapes(encoder, in_channels, size):
            found[at[0], at[1]] = found.get((at[0], at[1]), 0) + channels
        coarsest, *self.steps = ladder(sorted(found))
        channels = found[coarsest]
        self.blocks = nn.ModuleList()
        for left, step in zip(range(len(self.steps) - 1, -1, -1), self.steps, strict=True):
            wide = width * 2 ** min(left, 4)
            self.blocks.append(_two_convolutions(channels + found.get(step, 0), wide))
            channels = wide
        self.last = nn.Conv2d(channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        maps: dict[Size, list[Tensor]] = {}
        for feature in (*feature_maps(self.encoder, x), x):
            maps.setdefault((feature.shape[-2], feature.shape[-1]), []).append(feature)
        out = torch.cat(maps[min(maps)], 1)
        for step, block in zip(self.steps, self.blocks, strict=True):
            out = F.interpolate(out, size=step, mode="bilinear")
            out = block(torch.cat([out, *maps.get(step, [])], 1))
        image: Tensor = self.last(out)
        return image


def feature_maps(encoder: nn.Module, x: Tensor) -> list[Tensor]:
    """The encoder's maps as ``(B, C, H, W)``; some of timm's have their channels last."""
    last = str(getattr(encoder, "output_fmt", "")).upper().endswith("NHWC")
    return [m.permute(0, 3, 1, 2) if last else m for m in encoder(x)]


@torch.no_grad()
def feature_shapes(encoder: nn.Module, in_channels: int, size: Size) -> list[tuple[int, int, int]]:
    """``(C, H, W)`` of the encoder's maps for one image, found by trying."""
    training, device = encoder.training, next(encoder.parameters()).device
    maps = feature_maps(encoder.eval(), torch.zeros(1, in_channels, *size, device=device))
    encoder.train(training)
    return [(m.shape[1], m.shape[2], m.shape[3]) for m in maps]


def ladder(sizes: list[Size]) -> list[Size]:
    """Rising sizes, with doublings put in where one is more than twice the one before it."""
    steps = sizes[:1]
    for size in sizes[1:]:
        while 2 * steps[-1][0] < size[0] and 2 * steps[-1][1] < size[1]:
            steps.append((2 * steps[-1][0], 2 * steps[-1][1]))
        steps.append(size)
    return steps


def _two_convolutions(in_channels: int, out_channels: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (in_channels, out_channels):
        convolution = nn.Conv2d(channels, out_channels, 3, padding=1, bias=False)
        layers += [convolution, nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)
