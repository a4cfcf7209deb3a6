"""The U-Net on timm's backbones."""

import math

import pytest
import requests
import timm
import torch
from huggingface_hub import constants
from safetensors.torch import load_file, save_file

from bench import registry
from bench.component import Component
from bench.errors import BenchError, UsageError
from bench.models import timm_unet
from bench.models._features import FeatureUNet, feature_shapes, ladder
from bench.models.shared.padding import Padded
from bench.models.timm_unet import TimmUNet
from bench.operators.denoising import Denoising
from bench.recipe import Recipe
from bench.runs.request import specify
from bench.runs.runner import Run
from bench.runs.verify import verify
from bench.training import Trainer

#: One small model of each kind of feature extractor in timm.
SAMPLE = [
    "cait_xxs24_224",
    "crossvit_tiny_240",
    "hrnet_w18_small",
    "inception_v3",
    "pit_ti_224",
    "test_byobnet",
]
#: Convolutional; one size only, windows of tokens; tokens at one scale; channels last; five scales.
ENCODERS = ["resnet10t", "swin_tiny_patch4_window7_224", "vit_tiny_patch16_224", "test_convnext", "lcnet_035"]


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize(("in_channels", "out_channels", "size"), [(12, 3, (32, 32)), (1, 1, (17, 19))])
def test_any_channels_and_odd_sizes(encoder, in_channels, out_channels, size):
    """Encoders of every kind take any number of channels and odd sizes, one image alone too."""
    network = TimmUNet(encoder, width=4).network(in_channels, out_channels, size).eval()
    with torch.no_grad():
        out = network(torch.rand(1, in_channels, *size))
    assert out.shape == (1, out_channels, *size)
    assert out.isfinite().all()


def test_kinds_of_extractors():
    """Each way that timm takes features makes a U-Net on images of the encoder's own size.

    On the meta device: shapes and layers are real, memory and time are not spent.
    """
    failed = {}
    for name in SAMPLE:
        model = TimmUNet(name)
        side = model._own_size()
        with torch.device("meta"):
            network = model.network(5, 2, (side, side))
            out = network(torch.rand(2, 5, side, side))
            out.sum().backward()
        if out.shape != (2, 2, side, side):
            failed[name] = out.shape
    assert failed == {}


def test_feature_maps_are_the_encoder_s():
    """The decoder reads the maps that timm documents: channels and reductions of feature_info."""
    encoder = timm.create_model("resnet10t", features_only=True, pretrained=False, in_chans=5)
    info = encoder.feature_info
    expected = [(c, 64 // r, 96 // r) for c, r in zip(info.channels(), info.reduction(), strict=True)]
    assert feature_shapes(encoder, 5, (64, 96)) == expected


def test_trying_shapes_leaves_no_trace():
    """Statistics of batch normalisation and the training mode are untouched by looking at shapes."""
    encoder = timm.create_model("resnet10t", features_only=True, pretrained=False).train()
    before = {k: v.clone() for k, v in encoder.state_dict().items()}
    state = torch.get_rng_state()
    feature_shapes(encoder, 3, (32, 32))
    assert encoder.training
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(v, before[k]) for k, v in encoder.state_dict().items())


def test_checking_leaves_the_seed_alone():
    """The constructor looks at the backbone without drawing from torch's generator."""
    operator = Denoising((3, 32, 32))
    state = torch.get_rng_state()
    assert TimmUNet("resnet10t").fits(operator) == ""
    assert torch.equal(torch.get_rng_state(), state)


def test_colour_only():
    """A backbone that only takes three channels gets them mixed from any other number."""
    network = TimmUNet("csatv2", width=4).network(5, 2, (33, 40)).eval()
    with torch.no_grad():
        assert network(torch.rand(1, 5, 33, 40)).shape == (1, 2, 33, 40)


def test_three_dimensional_convolutions(make_problem):
    """Lambda layers hold 3D weights, which have no channels-last layout; such a backbone trains too."""
    model = TimmUNet("lambda_resnet26t", width=4)
    problem = make_problem("denoising", train=4, size=32, validation=2)
    assert model.fits(problem.operator) == ""
    model.trainer = Trainer(Recipe(epochs=1, batch_size=2))
    (epoch,) = model.fit(problem.training())
    assert math.isfinite(epoch.loss)


def test_ladder_doubles_at_most():
    """From a size to the next there is at most a factor of 2, and all given sizes are steps."""
    assert ladder([(2, 2), (32, 32)]) == [(2, 2), (4, 4), (8, 8), (16, 16), (32, 32)]
    assert ladder([(14, 14), (20, 20), (240, 240)])[:4] == [(14, 14), (20, 20), (40, 40), (80, 80)]
    assert ladder([(1, 2), (2, 4), (4, 8)]) == [(1, 2), (2, 4), (4, 8)]


def test_image_reaches_the_last_block():
    """Every pixel of the input is seen at full resolution: encoders start at half of it at best."""
    network = TimmUNet("resnet10t", width=4).network(3, 1, (32, 32))
    assert isinstance(network, Padded)
    assert isinstance(network.network, FeatureUNet)
    assert network.network.blocks[-1][0].in_channels == 8 + 3


def test_no_weights_unless_asked(monkeypatch):
    """Nothing is downloaded by default; asked for, timm is asked for its weights."""
    asked = []
    create = timm.create_model

    def record(name, pretrained, **settings):
        asked.append(pretrained)
        return create(name, pretrained=False, **settings)

    monkeypatch.setattr(timm, "create_model", record)
    monkeypatch.setattr(requests, "head", lambda *_, **__: None)
    TimmUNet("resnet10t").network(3, 1, (32, 32))
    assert not any(asked)
    TimmUNet("resnet10t", pretrained=True).network(3, 1, (32, 32))
    assert asked[-1] is True


def test_unknown_encoder():
    """A name that timm does not have is refused at once, with the names near it."""
    with pytest.raises(UsageError, match=r"timm has no model 'resnet81'; near it: .*resnet18"):
        Component.parse("timm_unet:encoder=resnet81").checked(registry.models).build(registry.models)


def test_encoder_without_features(monkeypatch):
    """A model that timm cannot take features of is refused at once."""

    def refuse(*args, **settings):
        raise RuntimeError("features_only not implemented for this model")

    monkeypatch.setattr(timm, "create_model", refuse)
    with pytest.raises(ValueError, match="resnet10t cannot be an encoder: features_only not impl"):
        TimmUNet("resnet10t")


def test_too_small_for_the_encoder():
    """Images smaller than the encoder can take are refused before training, with the size it needs."""
    spec = specify("denoising", "timm_unet:encoder=inception_v3", "photos:size=32,train=10,test=2")
    with pytest.raises(UsageError, match="at least 48x48 pixels; these are 32x32"):
        Run(spec).model  # noqa: B018


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """What timm would download: random weights of resnet10t from a seed; until then, no network."""
    monkeypatch.setattr(timm.models._builder, "check_cached_file", lambda *_, **__: False)

    def fetched(*args, **kwargs):
        if not path.exists():
            raise OSError("no\nconnection")
        return load_file(path)

    def put(seed):
        digest.cache_clear()
        torch.manual_seed(seed)
        save_file(timm.create_model("resnet10t", pretrained=False).state_dict(), path)

    path, digest = tmp_path / "model.safetensors", timm_unet._weights_digest
    monkeypatch.setattr(timm.models._builder, "load_state_dict_from_hf", fetched)
    monkeypatch.setattr(timm.models._builder, "load_state_dict_from_url", fetched)
    monkeypatch.setattr(requests, "head", lambda *_, **__: None)
    yield put
    digest.cache_clear()


PRETRAINED = "timm_unet:encoder=resnet10t,width=4,pretrained=true"


def test_downloaded_weights_are_part_of_a_run_s_name(hub, tmp_path, tiny):
    """Weights that timm gives out anew make another run; the row says that there are some."""

    def run():
        return Run(specify("denoising", PRETRAINED, tiny, changes={"epochs": 1, "batch_size": 16}))

    hub(0)
    first = run()
    hub(0)
    assert run().fingerprint == first.fingerprint
    record = first.execute(tmp_path)
    assert record.status == "ok", record.reason
    assert "weights of resnet10t" in record.uses
    hub(1)
    assert run().fingerprint != first.fingerprint
    plain = Component.parse("timm_unet:encoder=resnet10t").checked(registry.models)
    assert plain.weights(registry.models) is None


def test_a_run_with_downloaded_weights_is_verified_without_them(hub, tmp_path, tiny, monkeypatch):
    """What was trained is stored whole: nothing is fetched because a record says so."""
    hub(0)
    changes = {"epochs": 1, "batch_size": 16}
    record = Run(specify("denoising", PRETRAINED, tiny, changes=changes)).execute(tmp_path)
    monkeypatch.setattr(timm_unet, "_weights_digest", lambda encoder: pytest.fail("fetched"))
    assert verify(record).faults == ()


def test_weights_that_cannot_be_had(hub):
    """Offline, before anything is trained: what is missing, and where it belongs."""
    part = Component.parse(PRETRAINED).checked(registry.models)
    with pytest.raises(
        BenchError, match=r"weights for resnet10t .* \(OSError: no connection\).*offline, copy"
    ):
        part.weights(registry.models)


def test_offline_it_is_asked_for_once(tmp_path, monkeypatch, capfd):
    """Without a connection the hub's client does not try for a minute: one request, one message."""
    asked = []

    def head(address, timeout):
        asked.append(address)
        raise requests.ConnectionError("no such host")

    monkeypatch.setattr(requests, "head", head)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    timm_unet._weights_digest.cache_clear()
    with pytest.raises(
        BenchError, match=r"resnet10t could not be had \(no connection to https://huggingface"
    ):
        Component.parse(PRETRAINED).checked(registry.models).weights(registry.models)
    assert asked == [constants.ENDPOINT]
    assert "Retrying" not in "".join(capfd.readouterr())
    assert not constants.HF_HUB_OFFLINE
