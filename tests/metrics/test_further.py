"""The other metrics against other people's implementations, and by hand."""

import math
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import registry
from bench.component import Component
from bench.errors import UsageError
from bench.metrics._perceptual import _weights_digest
from bench.metrics.mae import MAE
from bench.metrics.ms_ssim import MSSSIM
from bench.metrics.nmse import NMSE
from bench.metrics.residual import Residual
from bench.operators.ct import CT
from bench.operators.denoising import Denoising
from bench.operators.noise import Noise
from bench.operators.shared.chain import Chain, last_noise
from bench.operators.super_resolution import SuperResolution
from bench.operators.xor_ctr import XorCtr

CONTEXT = {"y": torch.zeros(0), "operator": Denoising((1, 2, 2)), "noise": None}


def _pair(count=2, channels=3, size=40, seed=0):
    generator = torch.Generator().manual_seed(seed)
    truth = torch.rand(count, channels, size, size, generator=generator)
    return truth + 0.2 * torch.randn(truth.shape, generator=generator), truth


def _of(metric, image, truth, data_range=1.0):
    peak = torch.full((len(image),), data_range, dtype=torch.float64)
    return metric(image, truth, data_range=peak, **CONTEXT)


def test_every_metric_can_be_had_by_its_name():
    """The file's name is the registry name; each says its unit, and which of two values is better."""
    assert list(registry.metrics.entries()) == sorted(
        ["psnr", "ssim", "nmse", "mae", "ms_ssim", "haarpsi", "lpips", "dists", "residual"]
    )
    lower = {n for n in registry.metrics.entries() if not registry.metrics.load(n).higher_is_better}
    assert lower == {"nmse", "mae", "lpips", "dists", "residual"}


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 100))
def test_nmse_and_mae_are_those_of_numpy(seed):
    """|x - r|^2 / |x|^2 as fastMRI's evaluate.py has it, and the mean of the moduli."""
    image, truth = _pair(seed=seed)
    i, t = image.double().numpy(), truth.double().numpy()
    expected = [np.linalg.norm(a - b) ** 2 / np.linalg.norm(a) ** 2 for a, b in zip(t, i, strict=True)]
    np.testing.assert_allclose(_of(NMSE(), image, truth), expected, rtol=1e-12)
    np.testing.assert_allclose(_of(MAE(), image, truth), np.abs(i - t).mean((1, 2, 3)), rtol=1e-12)


def test_nmse_of_a_black_image_by_hand():
    """0.01 off a black image of range 1 is 100 times the scale of 0.001 squared: no division by nothing."""
    black = torch.zeros(1, 1, 12, 12, dtype=torch.float64)
    assert _of(NMSE(), black + 0.01, black).item() == pytest.approx(100)
    assert _of(NMSE(), black, black).item() == 0


@pytest.mark.parametrize("size", [176, 208])
def test_ms_ssim_is_that_of_piq(size):
    """Channel by channel, of any range; torchmetrics differs, as it mirrors the border at the last scale."""
    piq = pytest.importorskip("piq")
    image, truth = (t.double() for t in _pair(2, 3, size))
    image = image.clamp(0, 1)
    each = [
        piq.multi_scale_ssim(image[:, [c]], truth[:, [c]], reduction="none", data_range=1.0) for c in range(3)
    ]
    expected = sum(each) / 3
    torch.testing.assert_close(_of(MSSSIM(), image, truth), expected, rtol=0, atol=1e-9)
    torch.testing.assert_close(_of(MSSSIM(), 5 * image, 5 * truth, 5.0), expected, rtol=0, atol=1e-9)


def test_ms_ssim_has_no_meaning_for_small_images():
    """Five scales of an 11x11 window need 176 pixels: no number is made up below."""
    assert _of(MSSSIM(), *_pair(1, 1, 175)) is None


def test_haarpsi_is_that_of_piq_on_grey_and_colour():
    """Values over the range, cut to [0, 1]; the slices of a volume are compared one by one."""
    piq = pytest.importorskip("piq")
    metric = registry.metrics.load("haarpsi")()
    for channels in (1, 3):
        image, truth = _pair(2, channels, 48)
        shown = image.clamp(0, 1)
        expected = piq.haarpsi(shown, truth, reduction="none").double()
        tolerance = {"rtol": 0, "atol": 1e-5}
        torch.testing.assert_close(_of(metric, image, truth), expected, **tolerance)
        torch.testing.assert_close(_of(metric, 3 * image, 3 * truth, 3.0), expected, **tolerance)
    image, truth = _pair(1, 5, 48)
    each = [piq.haarpsi(image[:, [c]].clamp(0, 1), truth[:, [c]], reduction="none") for c in range(5)]
    torch.testing.assert_close(_of(metric, image, truth), (sum(each) / 5).double(), rtol=0, atol=1e-5)
    assert _of(metric, *_pair(1, 1, 31)) is None


@pytest.fixture
def random_weights(monkeypatch):
    """Networks of torchvision without a download: weights from one seed."""
    import torchvision

    def make(build):
        def made(*args, **kwargs):
            torch.manual_seed(0)
            return build(weights=None)

        return made

    for name in ("alexnet", "vgg16"):
        monkeypatch.setattr(torchvision.models, name, make(getattr(torchvision.models, name)))


def test_lpips_by_its_formula(random_weights):
    """Unit-length features, squared differences, weighted over channels, averaged over places, summed."""
    pytest.importorskip("torchmetrics")
    from torchvision.models import alexnet

    metric = registry.metrics.load("lpips")()
    image, truth = _pair(2, 3, 64)
    layers = alexnet().features.eval()
    shift, scale = torch.tensor([-0.030, -0.088, -0.188]), torch.tensor([0.458, 0.448, 0.450])
    total = torch.zeros(2)
    a, b = ((2 * t.clamp(0, 1) - 1 - shift.view(3, 1, 1)) / scale.view(3, 1, 1) for t in (image, truth))
    lins = iter(metric.network.lins)
    with torch.no_grad():
        for place, layer in enumerate(layers):
            a, b = layer(a), layer(b)
            if place in (1, 4, 7, 9, 11):
                unit = [t / (t.square().sum(1, keepdim=True).sqrt() + 1e-8) for t in (a, b)]
                weights = next(lins).model[-1].weight
                total += ((unit[0] - unit[1]).square() * weights.view(1, -1, 1, 1)).sum(1).mean((1, 2))
        values = _of(metric, image, truth)
    torch.testing.assert_close(values.float(), total, rtol=1e-4, atol=1e-6)
    grey = _pair(1, 1, 64)
    with torch.no_grad():
        torch.testing.assert_close(_of(metric, *grey), _of(metric, *(t.expand(-1, 3, -1, -1) for t in grey)))


@pytest.mark.parametrize("name", ["lpips", "dists"])
def test_weights_that_cannot_be_had(name, monkeypatch, tmp_path):
    """Without a network the message says what is missing and where to put it."""
    pytest.importorskip("piq")

    def offline(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setattr("torch.hub.download_url_to_file", offline)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(UsageError, match=f"{name} needs .*{tmp_path}"):
        registry.metrics.load(name)()


@pytest.mark.parametrize(("text", "changed"), [("lpips:net=vgg", "vgg16"), ("dists", "dists_weights.pt")])
def test_the_weights_are_part_of_a_run_s_name(text, changed, monkeypatch):
    """Other weights behind the same code give another name; the same ones the same."""
    pytest.importorskip("piq")
    seed = {"vgg16": 0, "dists_weights.pt": 0}

    def network(*args, **kwargs):
        torch.manual_seed(seed["vgg16"])
        return vgg16(weights=None)

    def fetched(*args, **kwargs):
        torch.manual_seed(seed["dists_weights.pt"])
        return {name: torch.rand(1, 1475, 1, 1) for name in ("alpha", "beta")}

    def weights():
        _weights_digest.cache_clear()
        return Component.parse(text).checked(registry.metrics).weights(registry.metrics)

    from torchvision.models import vgg16

    for home in ("torchvision.models.vgg16", "piq.perceptual.vgg16"):
        monkeypatch.setattr(home, network)
    monkeypatch.setattr("torch.hub.load_state_dict_from_url", fetched)
    first = weights()
    assert weights() == first
    seed[changed] = 1
    assert weights() not in (first, None)
    _weights_digest.cache_clear()


def test_a_library_that_is_not_installed(monkeypatch):
    """The message says what to install."""
    monkeypatch.setitem(sys.modules, "piq", None)
    with pytest.raises(UsageError, match=r"haarpsi needs piq: pip install 'invbench\[metrics\]'"):
        registry.metrics.load("haarpsi")()


def _residual(operator, image, y):
    whole = torch.ones(len(image), dtype=torch.float64)
    return Residual()(image, image, y=y, operator=operator, noise=last_noise(operator), data_range=whole)


def _chained(operator, **noise):
    return Chain([operator, Noise(operator.measurement_shape, previous=operator, **noise)])


CT_SMALL = CT((1, 32, 32), angles=40)


@pytest.mark.parametrize(
    "operator",
    [
        Denoising((1, 64, 64)),
        Noise((1, 64, 64), photons=1000),
        Noise((1, 64, 64), photons=50, sigma=0.05),
        _chained(SuperResolution((3, 64, 64)), sigma=0.05),
        _chained(CT_SMALL, sigma=0.02),
        _chained(CT_SMALL, photons=4096),
    ],
    ids=["sigma", "counts", "counts and sigma", "super-resolution", "ct", "low-dose ct"],
)
def test_the_truth_is_one_deviation_from_its_measurement(operator):
    """Root mean square over n values of unit variance: 1, to about 3 / sqrt(2 n)."""
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(2, *operator.image_shape, generator=generator)
    # Behind a dense object a few photons are left, and no deviation describes their logarithm.
    x = 0.1 * x if operator.image_shape[-1] == 32 else 0.2 + 0.6 * x
    y = operator.measure(x, generator)
    residual = _residual(operator, x, y)
    assert residual.shape == (2,)
    assert residual.tolist() == pytest.approx([1, 1], abs=5 / math.sqrt(2 * y[0].numel()))


def test_an_invented_image_is_far_from_the_measurement_by_hand():
    """0.3 off everywhere at sigma 0.1, on top of the noise: sqrt(1 + 9)."""
    operator = Denoising((1, 200, 200), sigma=0.1)
    x = torch.full((1, 1, 200, 200), 0.5)
    y = operator.measure(x, torch.Generator().manual_seed(0))
    assert _residual(operator, x + 0.3, y).item() == pytest.approx(math.sqrt(10), rel=0.01)
    assert _residual(operator, y, y).item() == 0


@pytest.mark.parametrize(
    "operator",
    [
        XorCtr((1, 16, 16)),
        _chained(XorCtr((1, 16, 16)), sigma=0.01),
        SuperResolution((1, 16, 16)),
        Noise((1, 16, 16), salt_pepper=0.1),
        Noise((1, 16, 16), sigma=0.1, bits=8),
        Noise((1, 16, 16), sigma=0.0),
        Chain([Noise((1, 16, 16), sigma=0.1), SuperResolution((1, 16, 16))]),
    ],
    ids=["cipher", "noisy cipher", "no noise", "salt", "rounding", "zero noise", "noise first"],
)
def test_no_residual_where_it_means_nothing(operator):
    """Ciphers, no noise, noise without a deviation, noise that is measured again: no number."""
    x = torch.rand(1, *operator.image_shape)
    assert _residual(operator, x, operator.measure(x, torch.Generator().manual_seed(0))) is None
