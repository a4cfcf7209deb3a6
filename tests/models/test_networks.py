"""Networks: shapes, weights against the literature, and what they refuse."""

from itertools import pairwise

import pytest
import torch
from safetensors.torch import load, save
from torch import nn

from bench import registry
from bench.component import Component
from bench.errors import UsageError
from bench.models import NetworkModel
from bench.models.coord_unet import coordinates
from bench.models.shared.padding import Padded
from bench.runs.request import specify
from bench.runs.runner import Run

NETWORKS = [
    "unet:width=4", "attention_unet:width=4", "residual_unet:width=4", "unet_plus_plus:width=4",
    "segresnet:width=8", "dynunet:width=4", "dynunet:width=4,norm=instance", "swin_unetr:features=12",
    "dncnn:depth=3,width=4", "coord_unet:width=4",
]  # fmt: skip


def make(text: str, in_channels: int, out_channels: int, size: tuple[int, int]) -> nn.Module:
    """A network by its text form, from a fixed seed."""
    torch.manual_seed(0)
    return model(text).network(in_channels, out_channels, size)


def model(text: str) -> NetworkModel:
    """A model by its text form."""
    return Component.parse(text).checked(registry.models).build(registry.models)


def weights(network: nn.Module) -> int:
    """Number of trainable values."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


@pytest.mark.parametrize("text", NETWORKS)
@pytest.mark.parametrize(("in_channels", "out_channels"), [(12, 3), (3, 3), (4, 1), (1, 1)])
def test_any_channels_and_odd_sizes(text, in_channels, out_channels):
    """Every network takes any number of channels and sizes that it cannot halve, one image alone too."""
    network = make(text, in_channels, out_channels, (17, 19)).eval()
    with torch.no_grad():
        out = network(torch.rand(1, in_channels, 17, 19))
    assert out.shape == (1, out_channels, 17, 19)
    assert out.isfinite().all()


@pytest.mark.parametrize("text", NETWORKS)
def test_every_weight_is_trained(text):
    """No weight is counted that the loss does not reach, and none is saved twice."""
    network = make(text, 3, 3, (32, 32))
    network(torch.rand(2, 3, 32, 32)).square().mean().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None] == []
    places = [t.data_ptr() for t in network.state_dict().values() if t.numel()]
    assert len(places) == len(set(places))


@pytest.mark.parametrize("text", NETWORKS)
def test_trains_on_a_lone_image(text):
    """A last batch of one image does not stop the training, even where one pixel is left of it."""
    size = max(16, model(text).smallest)
    network = make(text, 1, 1, (size, size))
    out = network(torch.rand(1, 1, size, size))
    assert out.shape == (1, 1, size, size)
    out.sum().backward()


@pytest.mark.parametrize("text", NETWORKS)
def test_saved_and_loaded(text):
    """Weights written by safetensors give a network with identical outputs, statistics included."""
    network = make(text, 3, 1, (32, 32))
    network(torch.rand(2, 3, 32, 32))
    torch.manual_seed(1)
    other = model(text).network(3, 1, (32, 32))
    other.load_state_dict(load(save({k: v.contiguous() for k, v in network.state_dict().items()})))
    x = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(network.eval()(x), other.eval()(x))


@pytest.mark.parametrize("text", NETWORKS)
def test_built_from_the_global_seed_alone(text):
    """One seed gives one network: its weights come from torch's generator and nothing else."""
    one, two = (make(text, 3, 3, (32, 32)).state_dict() for _ in range(2))
    assert all(torch.equal(one[name], two[name]) for name in one)


def convolution(in_channels: int, out_channels: int, size: int = 3) -> int:
    """Weights and biases of a convolution."""
    return in_channels * out_channels * size**2 + out_channels


def test_unet_is_the_paper_s():
    """At width 64 with 12 channels it has the original U-Net's layers: 31.1 million weights.

    Counted by hand from Ronneberger et al., figure 1, with 'same' convolutions, 12 channels in and 3
    out; batch normalisation adds two values per channel of each 3x3 convolution.
    """
    widths = [64, 128, 256, 512, 1024]
    pairs = list(zip([12, *widths], widths, strict=False))
    down = sum(convolution(a, b) + convolution(b, b) for a, b in pairs)
    up = sum(convolution(b, a, 2) + convolution(b, a) + convolution(a, a) for a, b in pairs[1:])
    norms = 2 * (2 * sum(widths) + 2 * sum(widths[:-1]))
    expected = down + up + norms + convolution(64, 3, 1)
    # MONAI's last upsampling keeps 128 channels where the original halves them to 64.
    kept = convolution(128, 128, 2) - convolution(128, 64, 2) + 64 * 64 * 9
    assert weights(make("unet:width=64", 12, 3, (96, 96))) == expected + kept
    assert round(expected / 1e6, 1) == 31.0


@pytest.mark.parametrize(
    ("text", "channels", "size", "millions"),
    [
        ("unet:width=32", (3, 1), (96, 96), 7.76),  # Zhou et al. 2018, table 2
        ("unet_plus_plus:width=32", (3, 1), (96, 96), 9.04),  # the same; it has three more outputs
    ],
)
def test_weights_as_published(text, channels, size, millions):
    """At the published widths, networks have the published number of weights, within 1.5 %."""
    assert weights(make(text, *channels, size)) / 1e6 == pytest.approx(millions, rel=0.015)


def test_dncnn_is_the_paper_s():
    """At its published depth and width it has the layers of Zhang et al. 2017, section III-A."""
    first, last = 9 * 64 + 64, 9 * 64 + 1
    middle = 15 * (9 * 64 * 64 + 2 * 64)
    assert weights(make("dncnn:depth=17,width=64", 1, 1, (40, 40))) == first + middle + last


def test_dynunet_is_nnu_net():
    """On 96x96 pixels at width 32: five scales of two convolutions, 32 to 512 channels, as in nnU-Net."""
    widths = [32, 64, 128, 256, 512]

    def two(a: int, b: int) -> int:
        return 9 * (a * b + b * b) + 4 * b

    down = sum(two(a, b) for a, b in zip([3, *widths], widths, strict=False))
    up = sum(4 * a * b + two(2 * a, a) for a, b in pairwise(widths))
    assert weights(make("dynunet:width=32,norm=instance", 3, 1, (96, 96))) == down + up + 32 + 1


def test_dynunet_stops_halving_at_four_pixels():
    """Its depth follows the image size as nnU-Net's: 32 pixels are halved three times, 96 four times."""
    for size, multiple in ((32, 8), (96, 16), (128, 32), (17, 4)):
        network = make("dynunet:width=4", 1, 1, (size, size))
        assert isinstance(network, Padded)
        assert network.multiple == multiple


def test_padding_is_cropped_away():
    """What is padded for the network is not part of the result."""
    x = torch.rand(2, 3, 17, 19)
    assert torch.equal(Padded(nn.Identity(), 16)(x), x)


def test_coordinates_tell_the_place():
    """With a coordinate channel a 1x1 view differs from place to place: rows and columns are told apart."""
    where = coordinates(4, 6, 1, torch.device("cpu"))
    assert where.shape == (6, 4, 6)
    torch.testing.assert_close(where[0, :, 0], torch.tensor([-1, -1 / 3, 1 / 3, 1]))
    torch.testing.assert_close(where[1, 0], torch.tensor([-1, -0.6, -0.2, 0.2, 0.6, 1]))
    torch.testing.assert_close(where[2], (torch.pi * where[0]).sin())
    torch.testing.assert_close(where[5], (torch.pi * where[1]).cos())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("unet:width=0", "width must be at least 1, not 0"),
        ("coord_unet:frequencies=-1", "frequencies must be at least 0, not -1"),
        ("dncnn:depth=1", "depth must be at least 2, not 1"),
        ("segresnet:width=12", "width must be a multiple of 8, not 12"),
        ("swin_unetr:features=0", "features must be a multiple of 12, not 0"),
        ("dynunet:norm=layer", "'batch' or 'instance'"),
    ],
)
def test_bad_parameters(text, message):
    """A value that the network cannot have is refused by its name, with what it can have."""
    with pytest.raises(UsageError, match=message):
        model(text)


def test_too_small_images():
    """Images that would be mostly padding are refused before any training, with the size that is needed."""
    spec = specify("denoising", "swin_unetr", "photos:size=15,train=10,test=2")
    with pytest.raises(UsageError, match="at least 16x16 pixels; these are 15x15"):
        Run(spec).model  # noqa: B018
