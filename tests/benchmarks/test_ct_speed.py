"""Tomography beside its peers: ``tox -e benchmarks``. The ratio stands in brackets behind each time.

Every peer does the same work on the same images with the threads it chooses itself; peers that are not
installed are skipped, and what needs a GPU where there is none.
"""

from functools import cache

import numpy as np
import pytest
import torch
from skimage.transform import iradon, radon

from bench.operators._projector import Projector
from bench.operators.ct import CT
from bench.runs.timing import synchronise

SIZE, ANGLES, BATCH = 96, 60, 32
GENERATOR = torch.Generator().manual_seed(0)
DEGREES = np.arange(ANGLES) * 180 / ANGLES

X = torch.rand(BATCH, 1, SIZE, SIZE, generator=GENERATOR)


class Astra:
    """ASTRA's projector, image by image, everything that can be made once made once.

    On the CPU ``linear``; ``cuda`` is its projector on the GPU, which takes arrays of the host.
    """

    def __init__(self, kind="linear", size=SIZE, angles=ANGLES):
        self.astra = pytest.importorskip("astra")
        self.suffix = "_CUDA" if kind == "cuda" else ""
        geometry = CT((1, size, size), angles=angles).geometry
        volume = self.astra.create_vol_geom(size, size)
        views = np.array(geometry.angles)
        rays = self.astra.create_proj_geom("parallel", 1.0, geometry.detectors, views)
        self.projector = self.astra.create_projector(kind, rays, volume)
        self.image = self.astra.data2d.create("-vol", volume)
        self.sinogram = self.astra.data2d.create("-sino", rays)

    def runner(self, name, source, target):
        """A function that takes a batch through one of ASTRA's algorithms."""
        config = self.astra.astra_dict(name + self.suffix)
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


def deepinv_physics(size=SIZE, angles=ANGLES, device="cpu"):
    """Parallel-beam tomography of deepinv with the same angles."""
    views = torch.arange(angles, device=device) * (180 / angles)
    physics = pytest.importorskip("deepinv").physics
    return physics.Tomography(views, size, circle=False, normalize=False, device=device)


def ours():
    """Our operator, matrix made."""
    operator = CT((1, SIZE, SIZE), angles=ANGLES, oversample=1)
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


@pytest.mark.benchmark(group="LoDoPaB: 362x362, 1000 angles, one image")
@pytest.mark.parametrize("way", ["forward", "adjoint", "inverse"])
def test_lodopab(benchmark, way):
    """The size where one ray in eight has its row in the matrix, which is made in the first round."""
    operator = CT((1, 362, 362), angles=1000, oversample=1)
    x = torch.rand(1, 1, 362, 362, generator=GENERATOR)
    y = torch.rand(1, 1, 1000, 513, generator=GENERATOR)
    benchmark.pedantic(getattr(operator, way), (x if way == "forward" else y,), rounds=5, warmup_rounds=1)


@cache
def on_device(who, size, angles, device):
    """Forward and adjoint of a batch on a device by one of the peers: two functions."""
    if who == "astra":
        # Results stay on the host, where ASTRA leaves them.
        peer = Astra("cuda" if device == "cuda" else "linear", size, angles)
        forward, adjoint = peer.forward, peer.adjoint
        return lambda x: forward(x[:, 0].cpu().numpy()), adjoint
    if who == "deepinv":
        physics = deepinv_physics(size, angles, device)
        return physics.A, physics.A_adjoint
    geometry = CT((1, size, size), angles=angles).geometry
    projector = Projector(geometry, torch.device(device), torch.float32, None if who == "matrix" else False)
    return lambda x: projector.forward(x.flatten(1)), projector.adjoint


def same_on_device(who, size, angles, device):
    """Assert that a peer projects a smooth image as the matrix-free way does, within 2 %.

    deepinv's detector has other bins, so of its sinogram only each angle's sum is compared.
    """
    at = torch.linspace(-1, 1, size, device=device)
    smooth = torch.exp(-4 * ((at[:, None] - 0.2) ** 2 + 2 * (at + 0.1) ** 2))[None, None]
    theirs = torch.as_tensor(on_device(who, size, angles, device)[0](smooth)).cpu().flatten()
    ours = on_device("without a matrix", size, angles, device)[0](smooth).cpu().flatten()
    if who == "deepinv":
        theirs, ours = theirs.view(-1, angles).sum(0), ours.view(angles, -1).sum(1)
    assert (theirs - ours).norm() < 0.02 * ours.norm()


def fits(size, angles):
    """Whether the matrix is kept, or that of one ray in eight."""
    geometry = CT((1, size, size), angles=angles).geometry
    return Projector(geometry, torch.device("cpu"), torch.float32).has_matrix


gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@pytest.mark.parametrize("way", ["forward", "adjoint"])
@pytest.mark.parametrize(
    ("device", "size", "angles", "batch"),
    [
        ("cpu", 128, 30, 8),
        ("cpu", 256, 90, 1),
        pytest.param("cuda", 96, 60, 32, marks=gpu),
        pytest.param("cuda", 256, 90, 8, marks=gpu),
        pytest.param("cuda", 362, 1000, 1, marks=gpu),
    ],
)
@pytest.mark.parametrize("who", ["matrix", "without a matrix", "astra", "deepinv"])
def test_with_and_without_a_matrix(benchmark, who, device, size, angles, batch, way):
    """The two ways that ``Projector`` chooses between, by size."""
    if who == "matrix" and not fits(size, angles):
        pytest.skip("the matrix would be larger than is kept")
    same_on_device(who, size, angles, device)
    forward, adjoint = on_device(who, size, angles, device)
    x = torch.rand(batch, 1, size, size, device=device)
    run, values = (forward, x) if way == "forward" else (adjoint, forward(x))

    def synchronised():
        run(values)
        synchronise(torch.device(device))

    benchmark.group = f"{device}: parallel-beam {way}, {size}x{size}, {angles} angles, batch {batch}"
    benchmark(synchronised)
