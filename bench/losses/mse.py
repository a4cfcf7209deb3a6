"""Mean squared error."""

from torch.nn import MSELoss


class MSE(MSELoss):
    """Mean squared error, of what PSNR is the logarithm: mean of ``(image - truth)^2``."""

    def __init__(self) -> None:
        super().__init__()
