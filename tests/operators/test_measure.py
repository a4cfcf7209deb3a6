"""What the harness calls of every operator."""

import torch

from bench.operators import Operator
from bench.operators.shared.chain import Chain


class Halved(Operator):
    """Needs no value to be known."""

    def forward(self, x, generator):
        return x / 2


def test_a_device_is_not_waited_for():
    """Values are looked at once: on the meta device, which has none, that would raise, in a chain as well."""
    chain, generator = Chain([Halved((1, 4, 4)) for _ in range(3)]), torch.Generator()
    chain.measure(torch.ones(2, 1, 4, 4), generator)
    y = chain.measure(torch.ones(2, 1, 4, 4, device="meta"), generator)
    assert (y.shape, y.device.type) == ((2, 1, 4, 4), "meta")
