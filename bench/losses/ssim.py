"""SSIM with mean absolute error."""

from torch import Tensor, nn
from torch.nn import functional as F

from bench.metrics.ssim import similarity


class SSIM(nn.Module):
    """``share (1 - SSIM) + (1 - share) |image - truth| / data_range``.

    Args:
        share: of SSIM; Zhao et al. have 0.84.
        data_range: highest less lowest value of an image; the dataset's, unless it is given.

    Reference:
        Zhao, Gallo, Frosio, Kautz: Loss functions for image restoration with neural networks,
        IEEE Transactions on Computational Imaging 3(1), 2017.
    """

    def __init__(self, share: float = 0.84, data_range: float = 1.0):
        if not 0 <= share <= 1:
            raise ValueError(f"share must be between 0 and 1, not {share}")
        super().__init__()
        self.share, self.data_range = share, data_range

    def forward(self, image: Tensor, truth: Tensor) -> Tensor:
        different = 1 - similarity(image, truth, self.data_range).mean()
        return self.share * different + (1 - self.share) * F.l1_loss(image, truth) / self.data_range
