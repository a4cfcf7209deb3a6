"""Specs from what a person typed: presets, recipes and devices."""

from dataclasses import replace

import pytest
import torch

from bench.errors import UsageError
from bench.runs.request import find_device, specify


def test_untrained_models_ignore_the_recipe(tmp_path, tiny):
    """Changing epochs does not run the mean again: its fingerprint has no recipe."""
    specs = [specify("denoising", "mean", tiny, changes={"epochs": n}) for n in (1, 5)]
    assert specs[0] == specs[1]


def test_paper_preset(tiny):
    """--preset paper is the paper's setting; the user's own values go first."""
    spec = specify("xor_ctr", "unet", "photos", preset="paper")
    assert spec.model.params == {"width": 64, "residual": False}
    assert spec.dataset.params == {"size": 96, "train": 90_000, "test": 10_000}
    recipe = spec.recipe
    assert recipe is not None
    assert (recipe.epochs, recipe.lr, recipe.batch_size, recipe.loss) == (35, 2e-3, 32, "mse")
    assert (recipe.optimizer, recipe.schedule) == ("adam", "constant")
    own = specify("xor_ctr", "unet:width=8", "photos:size=48", preset="paper", changes={"lr": 1e-3})
    assert own.model.params == {"width": 8, "residual": False}
    assert own.recipe == replace(recipe, lr=1e-3)


def test_models_own_recipes_are_for_quick_only(tiny):
    """A model's own learning rate holds under quick; the paper's preset is the same for every model."""
    quick, paper = (specify("xor_ctr", "pixel_gate", tiny, preset=name).recipe for name in ("quick", "paper"))
    assert quick is not None
    assert paper is not None
    assert (quick.lr, quick.batch_size) == (2e-2, 16)
    assert (paper.lr, paper.batch_size, paper.epochs) == (2e-3, 32, 35)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_missing_gpu():
    """A GPU that is not there is an error that says what to do."""
    with pytest.raises(UsageError, match="no GPU"):
        find_device("cuda")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"epochs": 0}, "epochs must be at least 1"),
        ({"lr": -1.0}, "lr must be positive"),
        ({"loss": "huber"}, "Did you mean HuberLoss"),
        ({"epoch": 3}, "did you mean epochs"),
    ],
)
def test_bad_recipe(tiny, changes, reason):
    """Recipe values that make no sense are refused, naming the value."""
    with pytest.raises(UsageError, match=reason):
        specify("xor_ctr", "unet", tiny, changes=changes)
