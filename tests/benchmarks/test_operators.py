"""Operators beside their peers: ``tox -e benchmarks``. The ratio stands in brackets behind each time.

Every peer does the same work on the same images with the threads it chooses itself, and first has to
give the same result; peers that are not installed are skipped.
"""

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import scipy.fft
import scipy.linalg
import scipy.signal
import torch
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from torch.nn import functional as F

from bench.operators.compressed_sensing import CompressedSensing
from bench.operators.deblurring import Deblurring
from bench.operators.inpainting import Inpainting
from bench.operators.mri import MRI
from bench.operators.noise import Noise
from bench.operators.permutation import Permutation
from bench.operators.phase_retrieval import PhaseRetrieval
from bench.operators.super_resolution import SuperResolution
from bench.operators.xor_cbc import XorCbc
from bench.operators.xor_ctr import XorCtr

SIZE, BATCH = 96, 32
GENERATOR = torch.Generator().manual_seed(0)
KEY, IV = bytes(range(16)), bytes(16)

# Given back at once: from here on the C library keeps freed memory, as it does in a long run. Otherwise
# whoever comes first fetches every result's memory from the system anew, at up to three times the cost.
torch.empty(31 * 2**20, dtype=torch.uint8)
COLOUR = torch.rand(BATCH, 3, SIZE, SIZE, generator=GENERATOR)
LARGE = torch.rand(4, 3, 256, 256, generator=GENERATOR)


def deepinv():
    """The operators of deepinv."""
    return pytest.importorskip("deepinv").physics


def deblurring(x, who):
    """The FFT, deepinv's FFT, and SciPy's convolution of images wrapped at their edges."""
    operator = Deblurring(tuple(x.shape[1:]), kernel="motion")
    if who == "invbench":
        return lambda: operator.forward(x, GENERATOR)
    kernel, images = operator.kernel.float()[None, None], x.numpy()
    if who == "deepinv":
        physics = deepinv().BlurFFT(tuple(x.shape[1:]), filter=kernel)
        return lambda: physics.A(x)
    margin = ((0, 0), (0, 0), *[(kernel.shape[-1] // 2,) * 2] * 2)
    return lambda: scipy.signal.fftconvolve(np.pad(images, margin, "wrap"), kernel.numpy(), "valid")


def reduction(x, who):
    """Two matrices, and the interpolation they are made from."""
    operator = SuperResolution(tuple(x.shape[1:]), scale=4)
    if who == "invbench":
        return lambda: operator.forward(x, GENERATOR)
    return lambda: F.interpolate(x, scale_factor=0.25, mode="bicubic", antialias=True)


def reduction_adjoint(x, who):
    """Two matrices transposed, and the interpolation's gradient."""
    operator = SuperResolution(tuple(x.shape[1:]), scale=4)
    y = operator.forward(x, GENERATOR)
    if who == "invbench":
        return lambda: operator.adjoint(y)
    _, gradient = torch.func.vjp(
        lambda x: F.interpolate(x, scale_factor=0.25, mode="bicubic", antialias=True), x
    )
    return lambda: gradient(y)[0]


def mri(x, who):
    """Transform of the rows, then of the chosen columns; the whole transform by SciPy."""
    operator = MRI(tuple(x.shape[1:]))
    if who == "invbench":
        return lambda: operator.forward(x, GENERATOR)

    def whole():
        spectrum = scipy.fft.fft2(x.numpy(), norm="ortho", workers=torch.get_num_threads())
        measured = scipy.fft.fftshift(spectrum, (-2, -1))[..., operator.lines.numpy()]
        return np.concatenate([measured.real, measured.imag], 1)

    return whole


def mri_adjoint(x, who):
    """Zero filling; deepinv's takes complex images and has the origin in the middle of the image."""
    operator = MRI(tuple(x.shape[1:]))
    y = operator.forward(x, GENERATOR)
    if who == "invbench":
        return lambda: operator.adjoint(y)
    lines = y.unflatten(1, (2, -1)).transpose(1, 2).flatten(0, 1)
    filled = torch.zeros(len(lines), 2, *x.shape[2:]).index_copy(-1, operator.lines, lines)
    physics = deepinv().MRI(mask=(filled[0, 0].abs() > 0).float(), img_size=tuple(x.shape[2:]))
    return lambda: torch.fft.fftshift(physics.A_adjoint(filled)[:, 0].view_as(x), (-2, -1))


def gaussian_rows_of_a_quarter(x, who):
    """One matrix product in both; of few pixels, because deepinv makes the pseudo-inverse too."""
    if x.shape[-1] > SIZE:
        pytest.skip("the pseudo-inverse takes minutes")
    x = x[..., : x.shape[-1] // 2, : x.shape[-1] // 2].contiguous()
    operator = CompressedSensing(tuple(x.shape[1:]))
    matrix = operator.adjoint(torch.eye(operator.count).expand(3, -1, -1).movedim(1, 0))[:, 0].flatten(1)
    if who == "invbench":
        return lambda: operator.forward(x, GENERATOR)
    physics = deepinv().CompressedSensing(operator.count, tuple(x.shape[1:]), channelwise=True)
    physics._A.copy_(matrix)
    return lambda: physics.A(x)


def hadamard_rows(x, who):
    """The fast transform, and a product with two small Hadamard matrices of SciPy."""
    operator = CompressedSensing(tuple(x.shape[1:]), matrix="hadamard")
    if who == "invbench":
        return lambda: operator.forward(x, GENERATOR)
    bits = operator.padded.bit_length() - 1
    sides = 2 ** (bits // 2), 2 ** (bits - bits // 2)
    left, right = (torch.from_numpy(scipy.linalg.hadamard(n)).float() / math.sqrt(n) for n in sides)
    padding = operator.padded - operator.pixels

    def product():
        scrambled = F.pad(x.flatten(-2) * operator.signs, (0, padding))
        spectrum = left @ scrambled.unflatten(-1, sides) @ right
        return spectrum.flatten(-2)[..., operator.rows]

    return product


def phase_retrieval(x, who):
    """Half the transform mirrored, and the whole one by PyTorch and by SciPy."""
    operator = PhaseRetrieval(tuple(x.shape[1:]))
    size = [2 * n for n in x.shape[2:]]
    if who == "invbench":
        return lambda: operator.forward(x, GENERATOR)
    if who == "torch":
        return lambda: torch.fft.fft2(x, s=size, norm="ortho").abs()
    workers = torch.get_num_threads()
    return lambda: np.abs(scipy.fft.fft2(x.numpy(), s=size, norm="ortho", workers=workers))


def autocorrelation(x, who):
    """What a network sees of phase retrieval, of half a transform and of a whole one."""
    operator = PhaseRetrieval(tuple(x.shape[1:]))
    y = torch.rand(len(x), *operator.measurement_shape, generator=GENERATOR.manual_seed(0))
    if who == "invbench":
        return lambda: operator.as_image(y)
    height, width = x.shape[2:]

    def whole():
        lags = torch.fft.ifft2(y**2, norm="ortho").real[..., :height, :]
        return torch.cat([lags[..., :width], lags[..., -width:]], 1)

    return whole


def inpainting(x, who):
    """A product with the mask in both."""
    operator = Inpainting(tuple(x.shape[1:]))
    if who == "invbench":
        return lambda: operator.forward(x, GENERATOR)
    physics = deepinv().Inpainting(tuple(x.shape[1:]), mask=operator.mask.expand(3, -1, -1).float())
    return lambda: physics.A(x)


def permutation(x, who):
    """Pixels gathered, by NumPy, and by PyTorch's indexing."""
    operator = Permutation(tuple(x.shape[1:]))
    if who == "invbench":
        return lambda: operator.forward(x, GENERATOR)
    if who == "numpy":
        return lambda: np.take(x.flatten(-2).numpy(), operator.order.numpy(), -1).reshape(x.shape)
    return lambda: x.flatten(-2)[..., operator.order].view_as(x)


def gaussian_noise(x, who):
    """The same draw added."""
    operator, random = Noise(tuple(x.shape[1:]), sigma=0.1), torch.Generator()
    if who == "invbench":
        return lambda: operator.forward(x, random.manual_seed(0))
    noise = deepinv().GaussianNoise(0.1, rng=random)
    return lambda: noise(x, seed=0)


def poisson_noise(x, who):
    """The same counts drawn."""
    operator, random = Noise(tuple(x.shape[1:]), photons=64.0), torch.Generator()
    if who == "invbench":
        return lambda: operator.forward(x, random.manual_seed(0))
    noise = deepinv().PoissonNoise(1 / 64, rng=random)
    return lambda: noise(x, seed=0)


PEERS = {
    deblurring: ["deepinv", "scipy"],
    reduction: ["torch"],
    reduction_adjoint: ["torch"],
    mri: ["scipy"],
    mri_adjoint: ["deepinv"],
    gaussian_rows_of_a_quarter: ["deepinv"],
    hadamard_rows: ["scipy"],
    phase_retrieval: ["torch", "scipy"],
    autocorrelation: ["torch"],
    inpainting: ["deepinv"],
    permutation: ["numpy", "torch"],
    gaussian_noise: ["deepinv"],
    poisson_noise: ["deepinv"],
}


@pytest.mark.parametrize("images", [COLOUR, LARGE], ids=["96", "256"])
@pytest.mark.parametrize(
    ("work", "who"), [(work, who) for work, peers in PEERS.items() for who in ["invbench", *peers]]
)
def test_operator(benchmark, work, who, images):
    """Each operator's own code is as fast as the libraries that compute the same, or nearly so."""
    run = work(images, who)
    torch.testing.assert_close(torch.as_tensor(run()), work(images, "invbench")(), rtol=1e-4, atol=1e-5)
    benchmark.group = f"{work.__name__}, {images.shape[-1]}x{images.shape[-1]}x3, batch {len(images)}"
    benchmark(run)


def encrypt_one_by_one(images):
    """xor_ctr as one would write it: each image through ``cryptography``, arrays by NumPy."""
    out = np.empty((len(images), 12, SIZE, SIZE), np.float32)
    for image, result in zip(images, out, strict=True):
        encryptor = Cipher(algorithms.AES(KEY), modes.CTR(IV)).encryptor()
        text = encryptor.update(image.transpose(1, 2, 0).tobytes())
        channels = np.frombuffer(text, np.uint8).reshape(SIZE, SIZE, 12).transpose(2, 0, 1)
        result[:] = channels.astype(np.float32) / 255
    return out


@pytest.mark.benchmark(group="xor_ctr, 96x96x3, batch 32")
@pytest.mark.parametrize("who", ["invbench", "cryptography and NumPy"])
def test_xor_ctr(benchmark, who):
    """Asked for: 5 times the speed of encrypting image by image."""
    operator = XorCtr((3, SIZE, SIZE), key=KEY.hex(), iv=IV.hex())
    images = COLOUR.numpy()
    np.testing.assert_array_equal(operator.forward(COLOUR, GENERATOR).numpy(), encrypt_one_by_one(images))
    if who == "invbench":
        benchmark(operator.forward, COLOUR, GENERATOR)
    else:
        benchmark(encrypt_one_by_one, images)


@pytest.mark.benchmark(group="xor_cbc, 96x96x3, batch 32")
@pytest.mark.parametrize("who", ["invbench", "OpenSSL"])
def test_xor_cbc(benchmark, who):
    """Asked for: at most twice what OpenSSL needs for these bytes on the same cores."""
    operator = XorCbc((3, SIZE, SIZE), key=KEY.hex(), iv=IV.hex())
    messages = COLOUR.permute(0, 2, 3, 1).contiguous().view(torch.uint8).flatten(1).numpy()
    texts = np.empty((BATCH, messages.shape[1] + 16), np.uint8)

    def encrypt(message, text):
        Cipher(algorithms.AES(KEY), modes.CBC(IV)).encryptor().update_into(message.data, text.data)

    if who == "invbench":
        benchmark(operator.forward, COLOUR, GENERATOR)
        return
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        benchmark(lambda: list(pool.map(encrypt, messages, texts)))
