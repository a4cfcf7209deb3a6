"""Mean absolute error."""

from torch.nn import L1Loss


class L1(L1Loss):
    """Mean absolute error, mean of ``|image - truth|``: sharper than the mean squared error, and robust."""

    def __init__(self) -> None:
        super().__init__()
