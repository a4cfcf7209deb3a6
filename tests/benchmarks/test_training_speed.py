"""Time of training through the harness, beside a loop over tensors in memory written by hand.

pytest tests/benchmarks/test_training_speed.py --benchmark-only -s
"""

import torch
from torch import nn
from torch.nn import functional as F

from bench.datasets import Splits
from bench.models import OnImages
from bench.models.unet import UNet
from bench.operators.denoising import Denoising
from bench.problem import Problem
from bench.recipe import Recipe
from bench.seeding import stream
from bench.training import Trainer, channels_last

COUNT, VALIDATION, SIZE, EPOCHS = 1024, 64, 32, 2
RECIPE = Recipe(epochs=EPOCHS, batch_size=32, lr=1e-3, schedule="constant")


def problem(count: int) -> Problem:
    """Noisy colour images in memory."""
    images = torch.randint(0, 256, (count + VALIDATION, 3, SIZE, SIZE), generator=stream("cpu", "speed"))
    images = images.to(torch.uint8)
    splits = Splits(images[:count], images[count:], images[count:])
    return Problem(Denoising((3, SIZE, SIZE)), splits)


def module(seen: Problem) -> OnImages:
    """A U-Net with its scale and linear estimate."""
    torch.manual_seed(0)
    training = seen.training()
    made = UNet(width=8).build(training)
    assert isinstance(made, OnImages)
    made.prepare(training)
    return made


def by_hand(network: nn.Module, seen: Problem) -> None:
    """What somebody writes who has all tensors at hand: no noise, no order, no best epoch is recorded."""
    assert seen.splits.validation is not None
    count = len(seen.splits.train)
    train = seen.splits.train.read(range(count)).float() / 255
    validation = seen.splits.validation.read(range(VALIDATION)).float() / 255
    channels_last(network)
    optimizer = torch.optim.Adam(network.parameters(), lr=RECIPE.lr)
    for _ in range(EPOCHS):
        network.train()
        for index in torch.randperm(count).split(RECIPE.batch_size):
            x = train[index]
            y = x + 25 / 255 * torch.randn_like(x)
            optimizer.zero_grad(set_to_none=True)
            loss = F.mse_loss(network(y, seen.operator), x)
            loss.backward()
            optimizer.step()
        network.eval()
        with torch.no_grad():
            for x in validation.split(RECIPE.batch_size):
                F.mse_loss(network(x + 25 / 255 * torch.randn_like(x), seen.operator), x).item()


def test_training(beside, request):
    """Two epochs with simulation and validation; the peer's time, times ours, is to be at least 0.97.

    Both draw fresh noise for every training batch, and validate after each epoch on noisy images whose noise
    they draw as well. Network, initial weights, optimiser and batch size are the same. The harness also
    reads bytes where the peer holds floats, checks what the operator returns, reports every loss, and keeps
    the best epoch's weights. Starting costs as much as one step: 64 steps stand for a short training.
    """
    seen = problem(RECIPE.batch_size if request.config.getoption("benchmark_disable") else COUNT)
    network = module(seen)
    own, peer = lambda: Trainer(RECIPE).train(network, seen.training()), lambda: by_hand(network, seen)
    beside(own, {"by hand": peer}, rounds=7)
