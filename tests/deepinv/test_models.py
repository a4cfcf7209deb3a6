"""deepinv's models by name: each keeps the contract, with random weights, or is refused with a reason."""

import importlib
import inspect
import socket

import deepinv
import pytest
import torch
from safetensors.torch import save_file

import bench
from bench import registry, testing
from bench.component import Component, parse_chain
from bench.deepinv import models, networks, sampling
from bench.errors import BenchError, UsageError
from bench.operators import noting_uses
from bench.problem import build_operator
from bench.runs.assembly import build_model

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
    "ADMM": ("max_iter=2,lambda_reg=0.01", CT),
    "BM3D": ("strength=0.1,search_radius=4", ""),
    "BilateralFilter": ("", CT),
    "DDRM": ("pretrained=W,width=4,steps=4", INPAINTING),
    "DPIR": ("pretrained=W,width=4", CT),
    "DPS": ("pretrained=W,width=4,steps=4", INPAINTING),
    "DRUNet": ("width=4,blocks=1", CT),
    "DRS": ("max_iter=2,lambda_reg=0.01,prior=Wavelet", "deepinv.Inpainting+noise:sigma=0.05"),
    "DScCP": ("width=4,depth=2", ""),
    "DeepImagePrior": ("iterations=4,channels=8", INPAINTING),
    "DiffPIR": ("pretrained=W,width=4,steps=4", CT),
    "DnCNN": ("width=4,depth=4", "deepinv.MRI"),
    "DiffUNet": ("", ""),
    "FFDNet": ("width=4,depth=4", ""),
    "FISTA": ("max_iter=2,prior=Tikhonov", "deepinv.Pansharpen"),
    "GD": ("max_iter=2,prior=Wavelet,lambda_reg=0.01", CT),
    "HQS": ("max_iter=2,prior=L1,lambda_reg=0.01", ""),
    "MedianFilter": ("", ""),
    "MoDL": ("width=4,depth=3", "deepinv.MultiCoilMRI+noise:sigma=0.01"),
    "PDCP": ("max_iter=3,fidelity=L1,lambda_reg=0.01", "deepinv.MRI+noise:sigma=0.05"),
    "PGD": ("max_iter=2,prior=Zero", "deepinv.Blur"),
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
}


@pytest.fixture(autouse=True)
def _offline(monkeypatch, tmp_path):
    """Whatever would download fails; the folder of torch's downloads is an empty one."""

    def refused(*args, **kwargs):
        raise OSError("no network in tests")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refused)
    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))
    networks.weights_digest.cache_clear()


@pytest.fixture
def weights(tmp_path):
    """A file with the weights of a random DRUNet."""
    torch.manual_seed(0)
    made = networks.network("DRUNet", 3, False, {"width": 4})
    path = tmp_path / "random.safetensors"
    save_file({k: v.contiguous() for k, v in made.state_dict().items()}, path)
    return path


def smaller(module, name, width, less):
    """A class of deepinv's, its own code with fewer channels than it lets be asked for."""
    code = importlib.import_module(f"deepinv.models.{module}")
    source = inspect.getsource(getattr(code, name))
    assert source.count(width) == 1
    names = dict(vars(code))
    exec("from __future__ import annotations\n" + source.replace(width, less), names)
    return names[name]


def small_ram(channels, pretrained, settings=None):
    """A RAM with random weights, always the same."""
    torch.manual_seed(1)
    return smaller("ram", "RAM", "nc = [64, 128, 256, 512]", "nc = [8, 16, 32, 64]")(pretrained=False).eval()


@pytest.mark.parametrize("name", ALL)
def test_the_table(name, weights, monkeypatch, record_property):
    """Every denoiser and reconstructor passes ``bench check`` or is refused with a reason."""
    if name in models.refused:
        with pytest.raises(UsageError, match=f"deepinv.{name}: ") as refusal:
            registry.models.load(f"deepinv.{name}")
        line = "refused: " + str(refusal.value).partition(": ")[2]
    else:
        if name == "DiffUNet":
            small = smaller("diffunet", name, "model_channels = 128", "model_channels = 32")
            monkeypatch.setattr(deepinv.models, name, small)
        if name == "RAM":
            monkeypatch.setattr(sampling, "network", lambda name, channels, *_: small_ram(channels, True))
        settings, operator = TRIED[name]
        text = f"deepinv.{name}:{settings}".rstrip(":").replace("pretrained=W", f"pretrained={weights}")
        testing.require(testing.check_model(text, operator or "denoising", size=16))
        line = f"passed on {operator or 'denoising'}"
    record_property("table", (deepinv.__version__, "models", name, line))


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
        ("deepinv.PGD", "xor_ctr", "linear"),
        ("deepinv.PGD", "deepinv.PtychographyLinearOperator:positions=4", "as complex numbers"),
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
        Component.parse("deepinv.DRUNet:pretrained=true").checked(registry.models).weights(registry.models)
    with pytest.raises(UsageError, match="deepinv has no weights for UNet"):
        networks.network("UNet", 3, True, {})


def cached(folder, seed):
    """Random weights of a colour DnCNN, where deepinv's downloads lie, under its file's name."""
    torch.manual_seed(seed)
    made = deepinv.models.DnCNN(3, 3, 20, nf=64, pretrained=None)
    (folder / "hub" / "checkpoints").mkdir(parents=True, exist_ok=True)
    torch.save(made.state_dict(), folder / "hub" / "checkpoints" / "dncnn_sigma2_color.pth")
    networks.weights_digest.cache_clear()


def test_weights_in_deepinv_s_cache(tmp_path):
    """They serve offline, only where they are asked for; the row says whose they are, the name which."""

    def run(model):
        return bench.run(
            "denoising", model, dataset="photos:size=16,train=8,test=2", epochs=1, results=tmp_path
        )

    cached(tmp_path, 3)
    first = run("deepinv.DnCNN:pretrained=true")
    assert "weights of deepinv DnCNN" in first.uses
    assert "weights of deepinv DnCNN" in bench.table(tmp_path).to_csv()
    cached(tmp_path, 4)
    assert run("deepinv.DnCNN:pretrained=true").fingerprint != first.fingerprint
    trained = run("deepinv.DnCNN:width=4,depth=3")
    assert not any("weights" in use for use in trained.uses)


def test_weights_are_part_of_what_a_run_is_named_by(weights, tmp_path):
    """Other weights, another fingerprint; no weights, nothing is loaded."""

    def source(path):
        text = f"deepinv.DPIR:pretrained={path},width=4"
        return Component.parse(text).checked(registry.models).weights(registry.models)

    first = source(weights)
    torch.manual_seed(5)
    other = networks.network("DRUNet", 3, False, {"width": 4})
    save_file({k: v.contiguous() for k, v in other.state_dict().items()}, tmp_path / "other.safetensors")
    assert source(tmp_path / "other.safetensors") != first
    assert Component("deepinv.DPIR").weights(registry.models) is None


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


@pytest.mark.parametrize("name", ["PGD", "FISTA", "GD", "ADMM", "DRS", "PDCP"])
def test_optimizers_reach_the_minimum(name):
    """All come to ``(A* A + lambda)^-1 A* y``, which is solved with a matrix."""
    parts = [part.checked(registry.operators) for part in parse_chain("deepinv.Blur:sigma=1")]
    operator = build_operator(parts, (1, 8, 8), 0)
    y = torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    matrix = operator.forward(torch.eye(64).reshape(-1, 1, 8, 8), torch.Generator()).flatten(1).T
    exact = torch.linalg.solve(matrix.T @ matrix + 0.1 * torch.eye(64), matrix.T @ y.flatten())
    text = f"deepinv.{name}:prior=Tikhonov,lambda_reg=0.1,max_iter=200"
    model = build_model(Component.parse(text).checked(registry.models), 0)
    model.chosen = torch.tensor(0.1)
    with torch.inference_mode():
        found = model.reconstruct(y, operator, torch.Generator())
    assert (found.flatten() - exact).norm() < 4e-3 * exact.norm()


def test_weights_that_are_not_given_are_chosen(tmp_path):
    """By validation, every value that was tried counted, whatever the scale of the operator."""
    record = bench.run(
        "ct:angles=9+noise:sigma=0.05", "deepinv.PGD:max_iter=10",
        dataset="ellipses:size=16,train=8,test=2", results=tmp_path,
    )  # fmt: skip
    assert record.budget.trials == 10
    given = bench.run(
        "ct:angles=9+noise:sigma=0.05", "deepinv.PGD:max_iter=10,lambda_reg=0",
        dataset="ellipses:size=16,train=8,test=2", results=tmp_path,
    )  # fmt: skip
    assert given.budget.trials == 1
    assert record.scores["psnr"] > given.scores["psnr"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("deepinv.PGD:prior=TVV", "prior=TVV: input should be 'TV', 'Tikhonov'"),
        ("deepinv.PGD:lambda=0.1", "did you mean lambda_reg"),
        ("deepinv.PGD:lambda_reg=-1", "lambda_reg must be at least 0, not -1"),
        ("deepinv.ADMM:fidelity=L1", "fidelity=L1 has no closed proximal step here; GD and PDCP take it"),
        ("deepinv.GD:stepsize=0", "stepsize must be positive, not 0"),
    ],
)
def test_bad_settings_of_optimizers(text, message):
    """One message that says what would be right."""
    with pytest.raises(UsageError, match=message):
        build_model(Component.parse(text).checked(registry.models), 0)
