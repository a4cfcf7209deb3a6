"""The permutation operator."""

import torch

from bench.operators.permutation import Permutation


def test_is_one_shuffle_of_whole_pixels():
    """Each output pixel is some input pixel with all its channels, each input pixel used once."""
    operator = Permutation((3, 5, 7), seed=1)
    x = torch.arange(35.0).view(1, 1, 5, 7) + torch.tensor([0.0, 100.0, 200.0]).view(1, 3, 1, 1)
    y = operator.forward(x, torch.Generator())
    assert sorted(y[0, 0].flatten().tolist()) == list(range(35))
    torch.testing.assert_close(y[0, 1] - y[0, 0], torch.full((5, 7), 100.0))
    torch.testing.assert_close(y[0, 2] - y[0, 0], torch.full((5, 7), 200.0))
    assert not torch.equal(y, x)


def test_seed_decides():
    """The shuffle is the seed's: equal for equal seeds, so that a recorded run can be made again."""
    orders = [Permutation((1, 8, 8), seed=seed).order for seed in (0, 0, 1)]
    assert torch.equal(orders[0], orders[1])
    assert not torch.equal(orders[0], orders[2])
