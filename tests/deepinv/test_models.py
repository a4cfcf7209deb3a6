"""deepinv's models by name: each keeps the contract, with random weights, or is refused with a reason."""

import inspect
import socket

import deepinv
import pytest
import torch
from safetensors.torch import save_file

import bench
from bench import registry, testing
from bench.deepinv import models, networks, sampling
from bench.errors import BenchError, UsageError
from bench.operators import noting_uses
from bench.problem import build_operator
from bench.runs.assembly import build_model
from bench.spec import Component, parse_chain

BASES = deepinv.models.Denoiser, deepinv.models.Reconstructor
MODULES = deepinv.models, deepinv.optim, deepinv.sampling, deepinv.unfolded
ALL = sorted(
    {
        name
        for module in MODULES
        for name, thing in vars(module).items()
        if inspect.isclass(thing) and issubclass(thing, BASES)
    }
)
CT, INPAINTING = "ct:angles=9+noise:sigma=0.01", "deepinv.Inpainting+noise:sigma=0.05"
#: Small settings, and an operator; where there is none, denoising. W: random weights in a file.
TRIED = {
    "BilateralFilter": ("", CT),
    "DDRM": ("pretrained=W,width=4,steps=4", INPAINTING),
    "DPIR": ("pretrained=W,width=4", CT),
    "DPS": ("pretrained=W,width=4,steps=4", INPAINTING),
    "DRUNet": ("width=4,blocks=1", CT),
    "DScCP": ("width=4,depth=2", ""),
    "DeepImagePrior": ("iterations=4,channels=8", INPAINTING),
    "DiffPIR": ("pretrained=W,width=4,steps=4", CT),
    "DnCNN": ("width=4,depth=4", "deepinv.MRI"),
    "FFDNet": ("width=4,depth=4", ""),
    "MedianFilter": ("", ""),
    "MoDL": ("width=4,depth=3", "deepinv.MultiCoilMRI+noise:sigma=0.01"),
    "RAM": ("pretrained=true", ""),
    "Restormer": ("width=8,blocks=1", ""),
    "SCUNet": ("blocks=1", ""),
    "SwinIR": ("width=12,blocks=1", ""),
    "TGVDenoiser": ("steps=20", ""),
    "TVDenoiser": ("steps=20,iterations=3", "deepinv.Blur"),
    "TVL1Denoiser": ("steps=20", ""),
    "UNet": ("scales=2", ""),
    "VarNet": ("width=4,depth=3,cascades=2", "deepinv.MRI"),
    "WaveletDenoiser": ("", ""),
    "WaveletDictDenoiser": ("", ""),
    "DiffUNet": None,
}


@pytest.fixture(autouse=True)
def _offline(monkeypatch):
    """Whatever would download fails."""

    def refused(*args, **kwargs):
        raise OSError("no network in tests")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", refused)
    monkeypatch.setattr(socket.socket, "connect", refused)


@pytest.fixture
def weights(tmp_path):
    """A file with the weights of a random DRUNet."""
    torch.manual_seed(0)
    made = networks.network("DRUNet", 3, False, {"width": 4})
    path = tmp_path / "random.safetensors"
    save_file({k: v.contiguous() for k, v in made.state_dict().items()}, path)
    return path


def small_ram(channels, pretrained, settings=None):
    """A RAM with random weights, always the same."""
    torch.manual_seed(1)
    return deepinv.models.RAM(pretrained=False).eval()


@pytest.mark.parametrize("name", ALL)
def test_the_table(name, weights, monkeypatch, capsys):
    """Every denoiser and reconstructor passes ``bench check`` or is refused with a reason."""
    if name in models.refused:
        with pytest.raises(UsageError, match=f"deepinv.{name}: ") as refusal:
            registry.models.load(f"deepinv.{name}")
        line = f"refused: {refusal.value}"
    elif TRIED[name] is None:
        made = build_model(Component.parse(f"deepinv.{name}").checked(registry.models), 0)
        with torch.device("meta"):  # 94 million weights
            module = made.network(3, 3, (32, 32))
        assert sum(p.numel() for p in module.parameters()) > 9e7
        line = "built, with its 94 million weights, and not trained"
    else:
        if name == "RAM":
            monkeypatch.setattr(sampling, "network", lambda name, channels, *_: small_ram(channels, True))
        settings, operator = TRIED[name]
        text = f"deepinv.{name}:{settings}".rstrip(":").replace("=W", f"={weights}")
        testing.require(testing.check_model(text, operator or "denoising", size=16))
        line = f"passed on {operator or 'denoising'}"
    with capsys.disabled():
        print(f"\n{name}: {line}", end="")


def test_nothing_is_untested():
    """Names of the table are deepinv's, each once; GSDRUNet is a function there, and no class."""
    assert sorted({*models.members(), *models.refused} - {"GSDRUNet"}) == ALL
    assert sorted(TRIED) == models.members()


def fitted(text, operator, shape=(3, 16, 16)):
    """Whether a model fits an operator, and why not."""
    parts = [part.checked(registry.operators) for part in parse_chain(operator)]
    return build_model(Component.parse(text).checked(registry.models), 0).fits(
        build_operator(parts, shape, 0)
    )


@pytest.mark.parametrize(
    ("model", "operator", "message"),
    [
        ("deepinv.DPIR", "denoising", "trained weights; say deepinv.DPIR:pretrained=true"),
        ("deepinv.RAM:pretrained=true", "phase_retrieval", "linear"),
        ("deepinv.DDRM:pretrained=true", "deepinv.Blur+noise:sigma=0.1", "singular value decomposition"),
        ("deepinv.DPIR:pretrained=true", "inpainting", "give sigma"),
        ("deepinv.TVDenoiser", "xor_ctr", "linear"),
        ("deepinv.VarNet", "denoising", "it works with deepinv.MRI and deepinv.MultiCoilMRI"),
        ("deepinv.MoDL", "phase_retrieval", "linear"),
    ],
)
def test_a_model_that_does_not_fit(model, operator, message):
    """It says what it needs."""
    assert message in fitted(model, operator)


def test_offline():
    """Weights that cannot be had are one message, which says where they belong."""
    with pytest.raises(BenchError, match=r"weights for DRUNet could not be had .*offline, copy that folder"):
        Component.parse("deepinv.DRUNet:pretrained=true").checked(registry.models).source(registry.models)
    with pytest.raises(UsageError, match="deepinv has no weights for UNet"):
        networks.network("UNet", 3, True, {})


def test_weights_are_part_of_what_a_run_is_named_by(weights, tmp_path):
    """Other weights, another fingerprint; no weights, nothing is loaded."""

    def source(path):
        text = f"deepinv.DPIR:pretrained={path},width=4"
        return Component.parse(text).checked(registry.models).source(registry.models)

    first = source(weights)
    torch.manual_seed(5)
    other = networks.network("DRUNet", 3, False, {"width": 4})
    save_file({k: v.contiguous() for k, v in other.state_dict().items()}, tmp_path / "other.safetensors")
    assert source(tmp_path / "other.safetensors") != first
    assert Component("deepinv.DPIR").source(registry.models) != first


def test_weights_of_a_wrong_file(weights, tmp_path):
    """A file of another network, or of none, is one message."""
    (tmp_path / "none.safetensors").write_bytes(b"no weights")
    for text in (f"{weights}", f"{tmp_path}/none.safetensors", "nowhere.safetensors"):
        with pytest.raises(BenchError, match="pretrained="):
            networks.network("DRUNet", 3, text, {"width": 8})


def test_a_run_says_whose_weights_it_used(weights, tmp_path):
    """In the record's uses, beside what it used of the operator."""
    record = bench.run(
        "inpainting+noise:sigma=0.05", f"deepinv.DPIR:pretrained={weights},width=4",
        dataset="photos:size=16,train=8,test=2", results=tmp_path,
    )  # fmt: skip
    assert f"weights of {weights}" in record.uses
    assert "adjoint" in record.uses


def test_uses_of_a_physics_are_noted():
    """A method that works with the physics inside an operator uses its adjoint."""
    parts = [part.checked(registry.operators) for part in parse_chain("deepinv.Blur")]
    operator = build_operator(parts, (1, 16, 16), 0)
    used = set()
    from bench.deepinv.convert import native

    with noting_uses(used):
        native(operator, torch.device("cpu"))
    assert used == {"forward", "adjoint"}


def test_plug_and_play_reduces_the_error():
    """TV as prior of a blurred, noisy image comes nearer to it than the blurred image is."""
    from bench.deepinv.classical import TVDenoiser, plug_and_play

    parts = [part.checked(registry.operators) for part in parse_chain("deepinv.Blur+noise:sigma=0.02")]
    operator = build_operator(parts, (1, 32, 32), 0)
    x = torch.zeros(1, 1, 32, 32)
    x[..., 8:24, 10:20] = 1
    y = operator.forward(x, torch.Generator().manual_seed(0))
    image = plug_and_play(TVDenoiser(100), 0.01, y, operator, 40)
    assert (image - x).norm() < 0.75 * (y - x).norm()


def test_the_deep_image_prior_fits_the_measurement():
    """After some steps its image is nearer to a smooth truth than the noise is."""
    parts = [part.checked(registry.operators) for part in parse_chain("denoising:sigma=0.3")]
    operator = build_operator(parts, (1, 32, 32), 0)
    x = torch.linspace(0, 1, 32).expand(1, 1, 32, 32).contiguous()
    y = operator.forward(x, torch.Generator().manual_seed(0))
    model = build_model(
        Component.parse("deepinv.DeepImagePrior:iterations=60,channels=16").checked(registry.models), 0
    )
    image = model.reconstruct(y, operator, torch.Generator().manual_seed(0))
    assert (image - x).norm() < 0.6 * (y - x).norm()
