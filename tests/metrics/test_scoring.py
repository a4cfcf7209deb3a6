"""Metrics against scikit-image, and where they are infinite."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from bench.metrics import counted, mean_score
from bench.metrics.psnr import psnr
from bench.metrics.ssim import similarity, ssim, terms

shapes = st.tuples(st.integers(1, 3), st.sampled_from([1, 3]), st.integers(11, 24), st.integers(11, 24))


@st.composite
def pairs(draw):
    """Truth in [0, 1] and a reconstruction of it, raw: it may leave that range."""
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    truth = torch.rand(draw(shapes), generator=generator)
    noise = torch.randn(truth.shape, generator=generator)
    return truth + draw(st.floats(0.001, 2)) * noise + draw(st.floats(-1, 1)), truth


@settings(deadline=None, max_examples=25)
@given(pairs())
def test_psnr_is_that_of_scikit_image(pair):
    """Data range 1, one value per image; nothing is clipped or pooled over the batch. A difference that is
    rounded to float32 moves a value by 20 log10(1 + 2^-24) at most: 5.2e-7 dB.
    """
    image, truth = pair
    expected = [
        peak_signal_noise_ratio(t, i, data_range=1)
        for t, i in zip(truth.double().numpy(), image.double().numpy(), strict=True)
    ]
    np.testing.assert_allclose(psnr(image, truth).numpy(), expected, rtol=0, atol=1e-6)


@settings(deadline=None, max_examples=25)
@given(pairs())
def test_ssim_is_that_of_scikit_image(pair):
    """With the settings that scikit-image names for Wang et al. 2004."""
    image, truth = pair
    expected = [
        structural_similarity(
            t, i, data_range=1, channel_axis=0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        for t, i in zip(truth.double().numpy(), image.double().numpy(), strict=True)
    ]
    np.testing.assert_allclose(ssim(image, truth).numpy(), expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("shape", [(2, 1, 11, 4000), (1, 2, 330, 210), (2, 1, 3000, 12)])
def test_ssim_of_large_images(shape):
    """They are taken in strips, whose windows meet without a gap or an overlap."""
    truth = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    image = truth + torch.linspace(-0.5, 0.5, truth.numel()).view(shape)
    luminance, contrast = terms(image.double(), truth.double(), 1.0)
    expected = (luminance * contrast).mean((1, 2, 3))
    torch.testing.assert_close(ssim(image, truth), expected, rtol=0, atol=1e-12)


@st.composite
def patches(draw):
    """Flat, dark and bright areas with sharp edges, and a reconstruction that is flat in other places."""
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    levels = torch.tensor([0.0, 1 / 255, 0.02, 0.5, 254 / 255, 1.0])
    coarse = levels[torch.randint(len(levels), (2, 1, 3, 3, 4), generator=generator)]
    image, truth = coarse.repeat_interleave(15, -2).repeat_interleave(13, -1)
    noise = draw(st.sampled_from([0.0, 1e-4, 0.05])) * torch.randn(image.shape, generator=generator)
    return (image + noise)[..., : draw(st.integers(11, 52))], truth


@settings(deadline=None, max_examples=25)
@given(patches(), st.sampled_from([1.0, 0.1, 1000.0]))
def test_ssim_of_flat_and_dark_patches(pair, scale):
    """Variances that are nothing beside the means squared keep their digits: 1e-9, where 1e-6 is wanted."""
    image, truth = pair[0] * scale, pair[1][..., : pair[0].shape[-1]] * scale
    expected = [
        structural_similarity(
            t,
            i,
            data_range=scale,
            channel_axis=0,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        for t, i in zip(truth.double().numpy(), image.double().numpy(), strict=True)
    ]
    np.testing.assert_allclose(ssim(image, truth, scale).numpy(), expected, rtol=0, atol=1e-9)


@settings(deadline=None, max_examples=10)
@given(pairs())
def test_uniform_window_is_the_default_of_scikit_image(pair):
    """7x7, sample covariances: what DIVal and fastMRI report."""
    image, truth = pair
    expected = [
        structural_similarity(t, i, data_range=0.7, channel_axis=0)
        for t, i in zip(truth.double().numpy(), image.double().numpy(), strict=True)
    ]
    np.testing.assert_allclose(ssim(image, truth, 0.7, "uniform").numpy(), expected, rtol=1e-6, atol=1e-9)


def test_ssim_as_a_loss():
    """Its gradient is that of finite differences, and a float32 image is compared in float32."""
    generator = torch.Generator().manual_seed(0)
    image, truth = torch.rand(2, 1, 1, 13, 40, generator=generator, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda i: similarity(i, truth), image.requires_grad_())
    assert similarity(image.float(), truth.float()).dtype == torch.float32


def test_psnr_of_complex_images():
    """The error is a complex difference: 0.06 + 0.08i has modulus 0.1, 20 dB."""
    truth = torch.full((1, 1, 2, 2), 0.5 + 0.5j, dtype=torch.complex64)
    assert psnr(truth + (0.06 + 0.08j), truth).item() == pytest.approx(20, abs=1e-5)


def test_psnr_by_hand():
    """An error of 0.1 in every pixel is a mean squared error of 0.01: 20 dB."""
    truth = torch.full((1, 1, 11, 11), 0.5, dtype=torch.float64)
    assert psnr(truth + 0.1, truth).item() == pytest.approx(20)


def test_an_exact_reconstruction():
    """It scores +inf and 1; also where the image is of one colour."""
    truth = torch.stack([torch.rand(3, 16, 16), torch.zeros(3, 16, 16), torch.ones(3, 16, 16)])
    assert psnr(truth, truth).tolist() == [torch.inf] * 3
    assert ssim(truth, truth).tolist() == pytest.approx([1] * 3)


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_one_pixel_that_is_not_finite(value):
    """That image scores -inf and 0; the others of the batch are what they would be without it."""
    truth, image = torch.rand(2, 3, 3, 12, 12)
    alone = psnr(image[1:], truth[1:]), ssim(image[1:], truth[1:])
    image[0, 1, 2, 3] = value
    assert psnr(image, truth)[0] == -torch.inf
    assert ssim(image, truth)[0] == 0
    torch.testing.assert_close(psnr(image, truth)[1:], alone[0])
    torch.testing.assert_close(ssim(image, truth)[1:], alone[1])


def test_huge_but_finite_values():
    """The largest float32 numbers give finite scores, not NaN."""
    truth = torch.rand(1, 1, 12, 12)
    image = torch.full_like(truth, torch.finfo(torch.float32).max)
    assert psnr(image, truth).isfinite().all()
    assert ssim(image, truth).isfinite().all()


def test_results_are_double_precision():
    """float32 would leave about three digits of an SSIM near 1."""
    truth = torch.rand(1, 3, 16, 16)
    assert psnr(truth / 2, truth).dtype == torch.float64
    assert ssim(truth / 2, truth).dtype == torch.float64


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([20.0, 30.0], 25),
        ([20.0, torch.inf], 60),
        ([140.0, torch.inf], 100),
        ([140.0, 140.0], 100),
        ([torch.inf, torch.inf], torch.inf),
        ([20.0, -torch.inf], -torch.inf),
        ([torch.inf, -torch.inf], -torch.inf),
    ],
)
def test_mean_in_decibels(values, expected):
    """An exact image counts 100 dB unless all are exact; one lost image costs the mean."""
    assert mean_score(torch.tensor(values)) == expected
    assert mean_score(values) == expected


def test_mean_of_other_units():
    """A loss of 250 is 250, and infinite where one reconstruction is lost."""
    assert mean_score([250.0, 350.0], "") == 300
    assert mean_score([1.0, torch.inf], "") == torch.inf


@given(st.lists(st.floats(-50, 200) | st.just(float("inf")), min_size=1), st.data())
def test_no_image_costs_by_being_better(values, data):
    """Whatever was exact, raising the PSNR of one image never lowers the mean."""
    which = data.draw(st.integers(0, len(values) - 1))
    better = [v + (i == which) * data.draw(st.floats(0, 100)) for i, v in enumerate(values)]
    assert mean_score(better) >= mean_score(values) - 1e-9
    assert max(counted(np.array(better))) <= 100


def test_psnr_of_another_range():
    """The same error is 20 dB less of a range of 0.1, each image with its own."""
    truth = torch.full((2, 1, 11, 11), 0.5, dtype=torch.float64)
    assert psnr(truth + 0.1, truth, torch.tensor([1.0, 0.1])).tolist() == pytest.approx([20, 0], abs=1e-6)
