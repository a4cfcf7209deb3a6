"""Losses by name, from torch, and from a file."""

import pytest
import torch
from skimage.metrics import structural_similarity

from bench.errors import BenchError, UsageError
from bench.losses import find_loss
from bench.runs.request import specify
from bench.runs.runner import Run

GENERATOR = torch.Generator().manual_seed(0)
IMAGE, TRUTH = (torch.rand(2, 3, 16, 16, generator=GENERATOR) for _ in range(2))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mse", (IMAGE - TRUTH).square().mean()),
        ("l1", (IMAGE - TRUTH).abs().mean()),
        ("SmoothL1Loss:beta=100", (IMAGE - TRUTH).square().mean() / 200),
        ("HuberLoss:delta=1e-9", 1e-9 * (IMAGE - TRUTH).abs().mean()),
    ],
)
def test_formulas(text, expected):
    """What a name computes is its formula; torch's own by their names in torch.nn, parameters too."""
    torch.testing.assert_close(find_loss(text)(IMAGE, TRUTH), expected)


def test_ssim_is_scikit_images():
    """1 - SSIM with Wang's window, in the dataset's range, mixed with the mean absolute error."""
    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 2.0}
    pairs = zip((2 * IMAGE).numpy(), (2 * TRUTH).numpy(), strict=True)
    maps = [structural_similarity(a, b, channel_axis=0, full=True, **settings)[1] for a, b in pairs]
    similar = [values[:, 5:-5, 5:-5].mean() for values in maps]
    expected = 0.84 * (1 - sum(similar) / 2) + 0.16 * float((IMAGE - TRUTH).abs().mean())
    assert float(find_loss("ssim", data_range=2.0)(2 * IMAGE, 2 * TRUTH)) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    "text",
    [
        "def charbonnier(image, truth, eps: float = 1e-3):\n"
        "    return ((image - truth).square() + eps**2).sqrt().mean()\n",
        "from torch import nn\n\n"
        "class Charbonnier(nn.Module):\n"
        "    def __init__(self, eps: float = 1e-3):\n        super().__init__()\n        self.eps = eps\n"
        "    def forward(self, image, truth):\n"
        "        return ((image - truth).square() + self.eps**2).sqrt().mean()\n",
    ],
)
def test_from_a_file(plugin, text):
    """A file holds a function or an nn.Module class, with parameters as any component."""
    path = plugin("charbonnier", text)
    expected = ((IMAGE - TRUTH).square() + 4).sqrt().mean()
    torch.testing.assert_close(find_loss(f"{path}:eps=2")(IMAGE, TRUTH), expected)
    with pytest.raises(UsageError, match=r"no parameter 'epsilon' \(did you mean eps\?\)"):
        find_loss(f"{path}:epsilon=2")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mle", r"unknown loss 'mle'. Did you mean mse\? There are: l1, mse, ssim; those of torch.nn: "),
        ("SmoothLoss", r"unknown loss 'SmoothLoss'. Did you mean SmoothL1Loss"),
        ("huber", r"Did you mean HuberLoss\?"),
        ("HuberLoss:delta=wide", "delta=wide: .*number"),
        ("ssim:share=2", "share must be between 0 and 1, not 2"),
        ("./none.py", "no such loss file: ./none.py"),
    ],
)
def test_what_is_no_loss(text, message, tiny):
    """A name or value that cannot work is refused before anything is loaded or trained."""
    with pytest.raises(UsageError, match=message):
        specify("denoising", "unet", tiny, changes={"loss": text})


def test_file_without_a_loss(plugin):
    """A file that holds none says what one is."""
    with pytest.raises(UsageError, match=r"derived from torch.nn.Module or one function loss\(image"):
        find_loss(plugin("empty", "x = 1\n"))


def test_a_loss_is_one_number(plugin):
    """A loss that forgets the mean is named, rather than failing in the backward pass."""
    path = plugin("whole", "def whole(image, truth):\n    return (image - truth).square()\n")
    with pytest.raises(BenchError, match=r"the loss whole must return one number.*not \(2, 3, 16, 16\)"):
        find_loss(path)(IMAGE, TRUTH)


def test_name_covers_the_content(plugin, tmp_path, tiny):
    """The same file elsewhere is the same loss, a changed one is another: the run's name follows."""
    text = "def mine(image, truth):\n    return (image - truth).{}().mean()\n"

    def name(path):
        return Run(specify("denoising", "unet:width=4", tiny, changes={"loss": str(path)})).fingerprint

    other = tmp_path / "elsewhere" / "mine.py"
    other.parent.mkdir()
    other.write_text(text.format("square"), encoding="utf-8")
    first = plugin("mine", text.format("square"))
    assert name(first) == name(other)
    other.write_text(text.format("abs"), encoding="utf-8")
    assert name(first) != name(other)
