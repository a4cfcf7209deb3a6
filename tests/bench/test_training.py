"""The training loop: it learns, keeps the best epoch, resumes exactly, and says what went wrong."""

import math

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

from bench.datasets import Splits
from bench.errors import BenchError, CheckpointError
from bench.operators.denoising import Denoising
from bench.problem import Problem
from bench.recipe import Recipe
from bench.training import Trainer, channels_last


def problem(count=40, size=12):
    """Denoising of smooth random images."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(count + 8, 1, 3, 3, generator=generator)
    images = (255 * F.interpolate(coarse, size=(size, size), mode="bilinear")).to(torch.uint8)
    return Problem(Denoising((1, size, size)), Splits(images[:count], images[count:])).training()


class Layers(nn.Sequential):
    """Layers that take no notice of the operator."""

    def forward(self, y, operator):
        return super().forward(y)


def network():
    """A small network with everything that has state: weights, running statistics, dropout."""
    torch.manual_seed(0)
    first, last = nn.Conv2d(1, 8, 3, padding=1), nn.Conv2d(8, 1, 3, padding=1)
    return Layers(first, nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.1), last)


def weights(module):
    """All tensors of a module in one vector."""
    return torch.cat([v.flatten().float() for v in module.state_dict().values()])


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(epochs=6, batch_size=8, lr=1e-2),
        Recipe(epochs=6, batch_size=8, lr=1e-2, optimizer="adamw", weight_decay=0.01, schedule="cosine"),
        Recipe(epochs=6, batch_size=8, lr=1e-2, loss="l1", schedule="constant", clip=1.0),
        Recipe(epochs=6, batch_size=8, lr=1e-2, loss="ssim"),
        Recipe(epochs=6, batch_size=8, lr=1e-2, ema=0.9, augment=True),
        Recipe(epochs=6, batch_size=8, lr=1e-2, precision="bfloat16"),
        Recipe(epochs=6, batch_size=8, lr=0.3, optimizer="SGD:momentum=0.9", loss="SmoothL1Loss"),
    ],
    ids=lambda recipe: f"{recipe.optimizer}-{recipe.schedule}-{recipe.loss}-{recipe.ema}-{recipe.precision}",
)
def test_every_recipe_learns(recipe):
    """Each optimiser, schedule, loss, precision and average brings the loss down, and the PSNR up.

    SSIM hardly minds a wrong brightness, so its PSNR may fall at first.
    """
    history = Trainer(recipe).train(network(), problem())
    assert [e.epoch for e in history] == [1, 2, 3, 4, 5, 6]
    assert history[-1].loss < 0.7 * history[0].loss
    assert recipe.loss == "ssim" or max(e.validation_psnr for e in history) > history[0].validation_psnr


@pytest.mark.parametrize("schedule", ["constant", "cosine", "onecycle"])
@pytest.mark.parametrize("optimizer", ["adam", "sgd", "sgd:momentum=0.9", "nadam", "adafactor"])
def test_resuming_ends_where_it_would_have(tmp_path, schedule, optimizer):
    """Killed in epoch 3 and started again, training ends with identical weights and history."""
    recipe = Recipe(5, batch_size=8, lr=1e-2, optimizer=optimizer, schedule=schedule, ema=0.9, augment=True)
    whole = network()
    expected = Trainer(recipe).train(whole, problem())
    path = tmp_path / "run.safetensors"

    def kill(progress):
        if progress.epoch == 3 and progress.step == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Trainer(recipe, kill, path, "run").train(network(), problem())
    torch.manual_seed(99)
    resumed = network()
    history = Trainer(recipe, checkpoint=path, fingerprint="run").train(resumed, problem())
    assert torch.equal(weights(resumed), weights(whole))
    assert [(e.loss, e.validation_psnr, e.lr) for e in history] == [
        (e.loss, e.validation_psnr, e.lr) for e in expected
    ]


def test_best_epoch_is_kept():
    """The weights left are those of the epoch with the best validation PSNR."""
    recipe = Recipe(epochs=8, batch_size=4, lr=0.1, schedule="constant")
    trainer, module, task = Trainer(recipe), network(), problem()
    history = trainer.train(module, task)
    assert trainer.validate(module, task) == max(e.validation_psnr for e in history)


def test_patience_stops_early():
    """Training ends ``patience`` epochs after the best one."""
    recipe = Recipe(epochs=50, batch_size=4, lr=0.3, schedule="constant", patience=2)
    history = Trainer(recipe).train(network(), problem())
    best = max(history, key=lambda e: e.validation_psnr).epoch
    assert len(history) < 50
    assert len(history) == best + 2


def test_layout_changes_no_value():
    """Weights of 2D convolutions get the fast layout, of 3D ones keep theirs; none changes its value."""
    module = nn.ModuleDict(
        {"flat": nn.Conv2d(3, 4, 3), "deep": nn.Conv3d(3, 4, 3), "norm": nn.BatchNorm2d(4)}
    )
    before = weights(module)
    channels_last(module)
    assert module["flat"].weight.is_contiguous(memory_format=torch.channels_last)
    assert module["deep"].weight.is_contiguous()
    assert torch.equal(weights(module), before)


def test_learning_rates_follow_the_schedule():
    """Constant stays; cosine is lr (1 + cos(pi t)) / 2; one-cycle peaks at lr."""
    rates = {}
    for schedule in ("constant", "cosine", "onecycle"):
        recipe = Recipe(epochs=4, lr=0.01, batch_size=8, schedule=schedule)
        rates[schedule] = [e.lr for e in Trainer(recipe).train(network(), problem())]
    assert rates["constant"] == [0.01] * 4
    assert rates["cosine"] == pytest.approx([0.005 * (1 + math.cos(math.pi * k / 4)) for k in (1, 2, 3, 4)])
    assert max(rates["onecycle"]) == rates["onecycle"][0] > rates["onecycle"][-1]


class Hungry(nn.Module):
    """Runs out of GPU memory on more than three images at a time."""

    def __init__(self, most):
        super().__init__()
        self.most = most
        self.scale = nn.Parameter(torch.tensor(0.5))

    def forward(self, y, operator):
        if self.training and len(y) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self.scale * y


def test_batch_is_taken_in_pieces_when_memory_runs_out():
    """Gradients accumulate to those of the whole batch, and the number of pieces is recorded."""
    recipe = Recipe(epochs=2, batch_size=8, lr=1e-2)
    small, large = Hungry(3), Hungry(100)
    history = Trainer(recipe).train(small, problem())
    assert {e.pieces for e in history} == {4}
    assert {e.pieces for e in Trainer(recipe).train(large, problem())} == {1}
    assert small.scale.item() == pytest.approx(large.scale.item(), rel=1e-5)


def test_not_even_one_image_fits():
    """Where memory does not hold one image, the error says what to do."""
    with pytest.raises(BenchError, match="one image; choose a smaller model"):
        Trainer(Recipe(epochs=1)).train(Hungry(0), problem())


class Greedy(nn.Module):
    """Asks the processor for more memory than there is."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(1.0))

    def forward(self, y, operator):
        return y * torch.empty(2**50)[0] * self.scale


def test_out_of_memory_on_the_processor():
    """On the CPU the error names the batch and what would be smaller."""
    with pytest.raises(BenchError, match="batch of 32; try a smaller --batch-size"):
        Trainer(Recipe(epochs=1)).train(Greedy(), problem())


def test_divergence_is_named():
    """An infinite loss stops training with the epoch and what to try."""
    with pytest.raises(BenchError, match=r"epoch 1, by step \d+: training diverged. Try"):
        Trainer(Recipe(epochs=3, lr=1e30, batch_size=4, schedule="constant")).train(network(), problem())


class Exploding(nn.Module):
    """Right until its weight has been changed once; then nothing finite comes out of it."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, y, operator):
        return y * self.scale if self.training else y / (self.scale == 1)


def test_divergence_by_the_last_step():
    """A network that only its last step spoiled is not passed off with the weights it began with."""
    with pytest.raises(BenchError, match="images are not finite after epoch 1: training diverged"):
        Trainer(Recipe(epochs=1, batch_size=40)).train(Exploding(), problem())


def test_incomplete_checkpoint(tmp_path):
    """A checkpoint without all that a state has is refused like a truncated one, and stays."""
    path = tmp_path / "run.safetensors"
    Trainer(Recipe(epochs=2, batch_size=8), checkpoint=path, fingerprint="run").train(network(), problem())
    with safe_open(path, "pt") as file:
        kept = {k: file.get_tensor(k) for k in file.keys() if k.startswith("best")}  # noqa: SIM118
        save_file(kept, path, file.metadata())
    with pytest.raises(CheckpointError, match=r"run.safetensors is damaged"):
        Trainer(Recipe(epochs=2, batch_size=8), checkpoint=path, fingerprint="run").train(
            network(), problem()
        )
    assert path.exists()


def test_damaged_checkpoint(tmp_path):
    """A truncated checkpoint is refused by name; the file stays."""
    recipe, path = Recipe(epochs=2, batch_size=8), tmp_path / "run.safetensors"
    Trainer(recipe, checkpoint=path, fingerprint="run").train(network(), problem())
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(CheckpointError, match=r"run.safetensors is damaged"):
        Trainer(recipe, checkpoint=path, fingerprint="run").train(network(), problem())
    assert path.exists()


def test_checkpoint_of_another_run(tmp_path):
    """A checkpoint with another fingerprint is not gone on from."""
    recipe, path = Recipe(epochs=2, batch_size=8), tmp_path / "run.safetensors"
    Trainer(recipe, checkpoint=path, fingerprint="one").train(network(), problem())
    with pytest.raises(CheckpointError, match="belongs to run one, not to two"):
        Trainer(recipe, checkpoint=path, fingerprint="two").train(network(), problem())
