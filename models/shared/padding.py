"""Any image size for networks that halve it several times."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Padded(nn.Module):
    """A network on images padded (by replication) to a multiple of ``multiple``, then cropped back."""

    def __init__(self, network: nn.Module, multiple: int):
        super().__init__()
        self.network = network
        self.multiple = multiple

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        bottom, right = -height % self.multiple, -width % self.multiple
        if bottom or right:
            x = F.pad(x, (0, right, 0, bottom), mode="replicate")
        if self.training and len(x) == 1 and max(x.shape[-2:]) == self.multiple:
            # At the coarsest scale a lone image has one value per channel, and batch normalisation
            # needs two to train on: its mirror image goes with it.
            out: Tensor = self.network(torch.cat([x, x.flip(-1)]))[:1]
        else:
            out = self.network(x)
        return out[..., :height, :width]


def smallest(multiple: int) -> int:
    """Least height and width for a network that works on multiples of ``multiple``.

    Padding then at most doubles each side; more would leave the network little but padding to see.
    """
    return -(-multiple // 2)
