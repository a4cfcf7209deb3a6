"""PSNR and SSIM beside their peers, same window, same images, in turns. Wanted of SSIM: 2.5 times
scikit-image, 5 times torchmetrics on two cores.

    pytest tests/benchmarks/test_metrics_speed.py --benchmark-only -s
"""

from functools import partial

import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from bench.metrics.psnr import psnr
from bench.metrics.ssim import similarity, ssim
from bench.runs.timing import synchronise

GENERATOR = torch.Generator().manual_seed(0)
TRUTH = torch.rand(32, 3, 96, 96, generator=GENERATOR)
IMAGE = TRUTH + 0.1 * torch.randn(TRUTH.shape, generator=GENERATOR)


def by_scikit_image(image, truth):
    """Image by image in float32, with the settings it names for Wang et al. 2004."""
    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "channel_axis": 0}
    pairs = zip(image.numpy(), truth.numpy(), strict=True)
    return torch.tensor([structural_similarity(t, i, data_range=1.0, **settings) for i, t in pairs])


def by_torchmetrics(image, truth):
    """Its default: the same window in float32."""
    peer = pytest.importorskip("torchmetrics.functional.image").structural_similarity_index_measure
    return peer(image, truth, data_range=1.0, reduction="none")


@pytest.mark.parametrize("threads", [1, 2])
def test_ssim_speed(beside, threads):
    """What is compared is the same number, to what float32 leaves of it."""
    peers = {"scikit-image": by_scikit_image, "torchmetrics": by_torchmetrics}
    on_the_images(beside, ssim, peers, threads, 5e-3)


def psnr_by_scikit_image(image, truth):
    """Image by image, in float64."""
    pairs = zip(truth.numpy(), image.numpy(), strict=True)
    return torch.tensor([peak_signal_noise_ratio(t, i, data_range=1.0) for t, i in pairs])


def psnr_by_torchmetrics(image, truth):
    """A value for each image, in float32."""
    peer = pytest.importorskip("torchmetrics.functional.image").peak_signal_noise_ratio
    return peer(image, truth, data_range=1.0, reduction="none", dim=(1, 2, 3))


@pytest.mark.parametrize("threads", [1, 2])
def test_psnr_speed(beside, threads):
    """What is compared is the same number."""
    peers = {"scikit-image": psnr_by_scikit_image, "torchmetrics": psnr_by_torchmetrics}
    on_the_images(beside, psnr, peers, threads, 1e-4)


def on_the_images(beside, own, peers, threads, tolerance):
    """Ours and theirs in turns, once they have given the same values."""
    expected = own(IMAGE, TRUTH)
    for peer in peers.values():
        torch.testing.assert_close(peer(IMAGE, TRUTH).double(), expected, rtol=0, atol=tolerance)
    theirs = {name: partial(peer, IMAGE, TRUTH) for name, peer in peers.items()}
    beside(partial(own, IMAGE, TRUTH), theirs, threads)


@pytest.mark.benchmark(group="SSIM on the GPU, 32 images 96x96x3")
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("compute", [ssim, by_torchmetrics])
def test_ssim_speed_on_a_gpu(benchmark, compute):
    """Convolutions there, in float64; torchmetrics in float32."""
    image, truth = IMAGE.cuda(), TRUTH.cuda()

    def run():
        values = compute(image, truth)
        synchronise(values.device)
        return values

    torch.testing.assert_close(benchmark(run).double().cpu(), ssim(IMAGE, TRUTH), rtol=0, atol=5e-3)


@pytest.mark.benchmark(group="SSIM as a loss with its gradient, 32 images 96x96x3")
def test_loss_speed(benchmark):
    """Forward and backward, in float32."""

    def step():
        image = IMAGE.clone().requires_grad_()
        similarity(image, TRUTH).mean().backward()
        return image.grad

    assert benchmark(step).isfinite().all()
