"""Complex images through the operators that take them."""

import math

import numpy as np
import pytest
import torch

from bench import registry
from bench.component import parse_chain
from bench.datasets import Splits
from bench.errors import BenchError
from bench.metrics.psnr import psnr
from bench.operators.mri import sensitivities
from bench.problem import Problem, build_operator


def build(text, shape=(1, 12, 10), dtype=torch.complex64):
    """An operator of complex images from its text form."""
    return build_operator([part.checked(registry.operators) for part in parse_chain(text)], shape, 0, dtype)


def phantoms(count=4, shape=(1, 12, 10)):
    """Random complex images of magnitude at most 1."""
    drawn = torch.rand(2, count, *shape, generator=torch.Generator().manual_seed(1))
    return torch.polar(drawn[0], 2 * torch.pi * drawn[1])


def generator():
    """The same at every call."""
    return torch.Generator().manual_seed(0)


def test_mri_of_complex_images_is_the_transform():
    """All lines measured give NumPy's centred unitary transform; the inverse gives image and phase."""
    x, operator = phantoms(), build("mri:acceleration=1")
    y = operator.measure(x, generator())
    expected = np.fft.fftshift(np.fft.fft2(x.numpy(), norm="ortho"), axes=(-2, -1))
    np.testing.assert_allclose(torch.complex(*y.chunk(2, 1)).numpy(), expected, atol=1e-5)
    torch.testing.assert_close(operator.inverse(y), x, atol=1e-5, rtol=0)
    torch.testing.assert_close(operator.as_image(y), torch.cat([x.real, x.imag], 1), atol=1e-5, rtol=0)


def test_every_coil_sees_its_part():
    """All lines of every coil: NumPy's transform of map times image; the maps' squares sum to 1."""
    x, operator = phantoms(), build("mri:acceleration=1,coils=3")
    maps = sensitivities(3, 12, 10)
    np.testing.assert_allclose((maps.abs() ** 2).sum(0), 1, atol=1e-12)
    y = torch.complex(*operator.measure(x, generator()).chunk(2, 1)).numpy()
    for coil in range(3):
        seen = np.fft.fft2(maps[coil, 0].numpy() * x[:, 0].numpy(), norm="ortho")
        np.testing.assert_allclose(y[:, coil], np.fft.fftshift(seen, axes=(-2, -1)), atol=1e-5)
    torch.testing.assert_close(operator.inverse(y_of(operator, x)), x, atol=1e-5, rtol=0)


def y_of(operator, x):
    """Measurements without noise."""
    return operator.measure(x, generator())


def test_coils_have_complex_noise_of_their_own():
    """Real and imaginary part of every coil: independent, of the deviation that was given."""
    x, operator = torch.zeros(64, 1, 12, 10, dtype=torch.complex64), build("mri:coils=4+noise:sigma=0.5")
    y = operator.measure(x, generator()).transpose(0, 1).flatten(1)
    assert len(y) == 8
    np.testing.assert_allclose(np.cov(y.numpy()), 0.25 * np.eye(8), atol=0.03)


@pytest.mark.parametrize("coils", [1, 4])
def test_adjoint_of_complex_mri(coils):
    """Re <A x, y> = Re <x, A* y>, with half of the lines."""
    x, operator = phantoms(), build(f"mri:acceleration=2,coils={coils}")
    y = torch.randn(4, *operator.measurement_shape, generator=generator())
    left = (operator.measure(x, generator()) * y).sum()
    right = (x.conj() * operator.adjoint(y)).sum().real
    torch.testing.assert_close(left, right, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("channels", [1, 2])
def test_complex_bytes_are_encrypted_and_come_back(channels):
    """Eight bytes a number; decryption with the key is exact to the last bit, under chunks of any size."""
    shape = (channels, 12, 10)
    x, operator = phantoms(shape=shape), build("xor_ctr", shape)
    y = operator.measure(x, generator())
    assert y.shape == (4, 8 * channels, 12, 10)
    assert torch.equal(operator.inverse(y), x)
    plain = x.permute(0, 2, 3, 1).contiguous().numpy().view(np.uint8).reshape(4, 12, 10, -1)
    cipher = (255 * y).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    streams = plain ^ cipher
    assert (streams == streams[0]).all()


def test_noise_is_of_sigma_in_each_part():
    """Real and imaginary part are independent; other kinds of noise are refused."""
    x = torch.zeros(1, 1, 200, 200, dtype=torch.complex64)
    y = build("noise:sigma=0.2", (1, 200, 200)).measure(x, generator())
    assert y.dtype == torch.complex64
    assert float(y.real.std()) == pytest.approx(0.2, rel=0.02)
    assert float(y.imag.std()) == pytest.approx(0.2, rel=0.02)
    assert abs(float((y.real * y.imag).mean())) < 0.001
    with pytest.raises(BenchError, match="for real measurements"):
        build("noise:photons=10", (1, 8, 8)).measure(x[..., :8, :8], generator())


@pytest.mark.parametrize(
    ("chain", "expected"),
    [
        ("mri+noise:sigma=0.01", 10 * math.log10(3 / 0.8)),  # E |x|^2 = 1/3, 2 of 10 lines kept
        ("noise:sigma=0.01", 10 * math.log10(1 / 2e-4)),
        ("xor_ctr", math.inf),
    ],
)
def test_a_problem_of_complex_images(chain, expected):
    """From splits to measurements, in training and in the test; what a network sees is real."""
    images = phantoms(48)
    problem = Problem(build(chain), Splits(images[:8], images[8:]))
    for batch in (next(problem.training().training_batches(4, augment=True)), next(problem.test_batches())):
        assert batch.x.dtype == torch.complex64
        assert batch.operator.as_image(batch.y).dtype == torch.float32
    found = float(psnr(batch.operator.inverse(batch.y), batch.x).mean())
    assert found == pytest.approx(expected, abs=0.5)


def test_real_images_are_measured_as_before():
    """The type of the images settles it, not the operator."""
    x = torch.rand(2, 1, 12, 10)
    assert build("xor_ctr", dtype=torch.float32).measure(x, generator()).shape == (2, 4, 12, 10)
    operator = build("mri", dtype=torch.float32)
    assert operator.inverse(operator.measure(x, generator())).dtype == torch.float32
