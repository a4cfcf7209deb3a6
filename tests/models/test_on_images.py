"""What a network is given and what its output is added to."""

import numpy as np
import torch
from torch import Tensor, nn

from bench.datasets import Splits
from bench.models import NetworkModel, OnImages
from bench.models.unet import UNet
from bench.operators import Operator
from bench.operators.denoising import Denoising
from bench.operators.xor_ctr import XorCtr
from bench.problem import Problem, TrainingProblem

SHAPE = (3, 16, 16)


class Mixed(Operator):
    """Channels mixed by one matrix: y = M x + 5."""

    def forward(self, x: Tensor, generator: torch.Generator) -> Tensor:
        mix = torch.tensor([[1.0, 2.0, 0.0], [0.0, 1.0, -1.0], [3.0, 0.0, 1.0], [1.0, 1.0, 1.0]])
        return torch.einsum("dc,bchw->bdhw", mix, x) + 5


class Nothing(NetworkModel):
    """A network that says 0 everywhere."""

    def __init__(self, residual: bool):
        self.residual = residual

    def network(self, in_channels: int, out_channels: int, image_size: tuple[int, int]) -> nn.Module:
        network = nn.Conv2d(in_channels, out_channels, 1)
        nn.init.zeros_(network.weight)
        nn.init.zeros_(network.bias)
        return network


def problem(operator: Operator) -> TrainingProblem:
    """Random images, 40 for training."""
    images = torch.randint(0, 256, (44, *SHAPE), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    return Problem(operator, Splits(images[:40], images[42:], images[40:42])).training()


def prepared(operator: Operator, residual: bool = True) -> tuple[OnImages, TrainingProblem]:
    """A module around a network that says 0, with the training images' scale and estimate."""
    seen = problem(operator)
    module = Nothing(residual).build(seen)
    assert isinstance(module, OnImages)
    module.prepare(seen)
    return module, seen


def test_channels_have_mean_0_and_deviation_1():
    """What the network sees is scaled per channel, whatever the units of the measurement."""
    module, seen = prepared(Mixed(SHAPE))
    y, _, _ = next(seen.training_batches(256, shuffle=False))
    z = (y - module.mean) / module.deviation
    torch.testing.assert_close(z.mean((0, 2, 3)), torch.zeros(4), atol=1e-4, rtol=0)
    torch.testing.assert_close(z.std((0, 2, 3)), torch.ones(4), atol=1e-4, rtol=0)


def test_network_starts_from_the_linear_estimate():
    """With a network that says 0 the output is NumPy's least-squares fit of the training pairs."""
    module, seen = prepared(Denoising(SHAPE, sigma=0.3))
    y, x, operator = next(seen.training_batches(256, shuffle=False))
    rows = y.permute(0, 2, 3, 1).reshape(-1, 3).double().numpy()
    rows = np.column_stack([rows, np.ones(len(rows))])
    fitted = rows @ np.linalg.lstsq(rows, x.permute(0, 2, 3, 1).reshape(-1, 3).double().numpy())[0]
    expected = torch.from_numpy(fitted).reshape(len(x), 16, 16, 3).permute(0, 3, 1, 2).float()
    torch.testing.assert_close(module(y, operator), expected, atol=1e-5, rtol=0)


def test_linear_estimate_undoes_a_mix_of_channels():
    """More channels than the image has, linearly dependent ones, still give the image back."""
    module, seen = prepared(Mixed(SHAPE))
    y, x, operator = next(seen.training_batches(40, shuffle=False))
    torch.testing.assert_close(module(y, operator), x, atol=1e-4, rtol=0)


def test_linear_estimate_of_a_cipher_is_the_mean():
    """Where the measurement tells nothing linear, the network starts from the mean colour."""
    module, seen = prepared(XorCtr(SHAPE))
    y, x, operator = next(seen.training_batches(40, shuffle=False))
    assert bool(((module(y, operator) - x.mean((0, 2, 3))[:, None, None]).abs() < 0.1).all())


def test_plain_network_stands_alone():
    """Without ``residual`` the network's output is the reconstruction, and nothing else is stored."""
    module, seen = prepared(Denoising(SHAPE), residual=False)
    y, _, operator = next(seen.training_batches(40, shuffle=False))
    assert torch.equal(module(y, operator), torch.zeros(40, *SHAPE))
    plain = UNet(width=2, residual=False).build(seen)
    assert {"mean", "deviation"} == {name for name, _ in plain.named_buffers() if "." not in name}
