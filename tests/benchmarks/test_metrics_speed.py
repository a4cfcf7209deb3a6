"""PSNR and SSIM beside their peers, same window, same images: ``tox -e benchmarks``; of SSIM wanted:
2.5 times scikit-image, 5 times torchmetrics on two cores. The ratio stands in brackets behind each time.
"""

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


@pytest.mark.benchmark(group="SSIM, 32 images 96x96x3")
@pytest.mark.parametrize("compute", [ssim, by_scikit_image, by_torchmetrics])
def test_ssim_speed(benchmark, compute):
    """What is compared is the same number, to what float32 leaves of it."""
    values = benchmark(compute, IMAGE, TRUTH)
    torch.testing.assert_close(values.double(), ssim(IMAGE, TRUTH), rtol=0, atol=5e-3)


def psnr_by_scikit_image(image, truth):
    """Image by image, in float64."""
    pairs = zip(truth.numpy(), image.numpy(), strict=True)
    return torch.tensor([peak_signal_noise_ratio(t, i, data_range=1.0) for t, i in pairs])


def psnr_by_torchmetrics(image, truth):
    """A value for each image, in float32."""
    peer = pytest.importorskip("torchmetrics.functional.image").peak_signal_noise_ratio
    return peer(image, truth, data_range=1.0, reduction="none", dim=(1, 2, 3))


@pytest.mark.benchmark(group="PSNR, 32 images 96x96x3")
@pytest.mark.parametrize("compute", [psnr, psnr_by_scikit_image, psnr_by_torchmetrics])
def test_psnr_speed(benchmark, compute):
    """What is compared is the same number."""
    values = benchmark(compute, IMAGE, TRUTH)
    torch.testing.assert_close(values.double(), psnr(IMAGE, TRUTH).double(), rtol=0, atol=1e-4)


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
