"""Any image size for networks that halve it several times."""

from torch import Tensor, nn
from torch.nn import functional as F

from bench.errors import UsageError


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
        out: Tensor = self.network(x)
        return out[..., :height, :width]


def padded(network: nn.Module, levels: int, image_size: tuple[int, int], name: str) -> Padded:
    """``network``, which halves the image ``levels`` times, for images of ``image_size``.

    Raises:
        UsageError: the image is smaller than ``2 ** levels`` pixels, which leaves nothing at the bottom.
    """
    multiple = 2**levels
    if min(image_size) < multiple:
        size = "x".join(map(str, image_size))
        raise UsageError(
            f"{name} halves the image {levels} times and needs {multiple}x{multiple} pixels; "
            f"these images have {size}"
        )
    return Padded(network, multiple)
