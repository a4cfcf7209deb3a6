"""Operators beside their peers: ``tox -e benchmarks``. The ratio stands in brackets behind each time.

Every peer does the same work on the same images with the threads it chooses itself; peers that are not
installed are skipped.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from skimage.transform import iradon, radon

from bench.operators.ct import CT
from bench.operators.xor_cbc import XorCbc
from bench.operators.xor_ctr import XorCtr

SIZE, ANGLES, BATCH = 96, 60, 32
GENERATOR = torch.Generator().manual_seed(0)
KEY, IV = bytes(range(16)), bytes(16)
DEGREES = np.arange(ANGLES) * 180 / ANGLES

X = torch.rand(BATCH, 1, SIZE, SIZE, generator=GENERATOR)
COLOUR = torch.rand(BATCH, 3, SIZE, SIZE, generator=GENERATOR)


class Astra:
    """ASTRA's CPU projector, image by image, everything that can be made once made once."""

    def __init__(self):
        self.astra = pytest.importorskip("astra")
        detectors = CT((1, SIZE, SIZE), angles=ANGLES).geometry.detectors
        volume = self.astra.create_vol_geom(SIZE, SIZE)
        rays = self.astra.create_proj_geom("parallel", 1.0, detectors, np.deg2rad(DEGREES))
        self.projector = self.astra.create_projector("linear", rays, volume)
        self.image = self.astra.data2d.create("-vol", volume)
        self.sinogram = self.astra.data2d.create("-sino", rays)

    def runner(self, name, source, target):
        """A function that takes a batch through one of ASTRA's algorithms."""
        config = self.astra.astra_dict(name)
        config["ProjectorId"] = self.projector
        config["ProjectionDataId"] = self.sinogram
        config["VolumeDataId" if name == "FP" else "ReconstructionDataId"] = self.image
        algorithm = self.astra.algorithm.create(config)

        def run(batch):
            results = []
            for values in batch:
                self.astra.data2d.store(source, values)
                self.astra.algorithm.run(algorithm)
                results.append(self.astra.data2d.get(target))
            return np.stack(results)

        return run

    @property
    def forward(self):
        return self.runner("FP", self.image, self.sinogram)

    @property
    def adjoint(self):
        return self.runner("BP", self.sinogram, self.image)

    @property
    def inverse(self):
        return self.runner("FBP", self.sinogram, self.image)


def deepinv_physics():
    """Parallel-beam tomography of deepinv with the same angles."""
    physics = pytest.importorskip("deepinv").physics
    return physics.Tomography(angles=torch.from_numpy(DEGREES), img_width=SIZE, circle=False, normalize=False)


def ours():
    """Our operator, matrix made."""
    operator = CT((1, SIZE, SIZE), angles=ANGLES)
    operator.inverse(operator.forward(X))
    operator.adjoint(operator.forward(X))
    return operator


@pytest.mark.benchmark(group="parallel-beam forward, 96x96, 60 angles, batch 32")
@pytest.mark.parametrize("who", ["invbench", "astra", "deepinv", "skimage"])
def test_forward(benchmark, who):
    """Asked for: 15 times ASTRA's and deepinv's speed, 40 times scikit-image's."""
    images = X[:, 0].numpy()
    if who == "invbench":
        benchmark(ours().forward, X)
    elif who == "astra":
        benchmark(Astra().forward, images)
    elif who == "deepinv":
        benchmark(deepinv_physics().A, X)
    else:
        benchmark(lambda: [radon(image, DEGREES, circle=False) for image in images])


@pytest.mark.benchmark(group="parallel-beam adjoint, 96x96, 60 angles, batch 32")
@pytest.mark.parametrize("who", ["invbench", "astra", "deepinv"])
def test_adjoint(benchmark, who):
    """Asked for: 15 times ASTRA's and deepinv's speed."""
    sinograms = ours().forward(X)
    if who == "invbench":
        benchmark(ours().adjoint, sinograms)
    elif who == "astra":
        benchmark(Astra().adjoint, sinograms[:, 0].numpy())
    else:
        physics = deepinv_physics()
        benchmark(physics.A_adjoint, physics.A(X))


@pytest.mark.benchmark(group="filtered back-projection, 96x96, 60 angles, batch 32")
@pytest.mark.parametrize("who", ["invbench", "astra", "deepinv", "skimage"])
def test_filtered_back_projection(benchmark, who):
    """Asked for: 20 times the speed of scikit-image's iradon."""
    sinograms = ours().forward(X)
    if who == "invbench":
        benchmark(ours().inverse, sinograms)
    elif who == "astra":
        benchmark(Astra().inverse, sinograms[:, 0].numpy())
    elif who == "deepinv":
        physics = deepinv_physics()
        benchmark(physics.fbp, physics.A(X))
    else:
        columns = [radon(image, DEGREES, circle=False) for image in X[:, 0].numpy()]
        benchmark(lambda: [iradon(column, DEGREES, circle=False) for column in columns])


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


@pytest.mark.benchmark(group="LoDoPaB: 362x362, 1000 angles, one image, without a matrix")
@pytest.mark.parametrize("way", ["forward", "adjoint", "inverse"])
def test_lodopab(benchmark, way):
    """The size where the matrix (with its transpose, 7.8 GiB at most) is no longer kept."""
    operator = CT((1, 362, 362), angles=1000)
    x = torch.rand(1, 1, 362, 362, generator=GENERATOR)
    y = torch.rand(1, 1, 1000, 513, generator=GENERATOR)
    benchmark.pedantic(getattr(operator, way), (x if way == "forward" else y,), rounds=1)
