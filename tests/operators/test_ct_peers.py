"""CT beside ASTRA, deepinv and scikit-image on the same geometry; those not installed are skipped."""

import numpy as np
import pytest
import torch
from skimage.data import shepp_logan_phantom
from skimage.transform import iradon, radon, resize

from bench.datasets.lodopab import scanner
from bench.operators.ct import CT

SIZE, ANGLES = 96, 60
DEGREES = np.arange(ANGLES) * 180 / ANGLES
PHANTOM = resize(shepp_logan_phantom(), (SIZE, SIZE), anti_aliasing=True).astype(np.float32)


def error(image) -> float:
    """Root mean squared error to the phantom."""
    return float(np.sqrt(np.mean((np.asarray(image) - PHANTOM) ** 2)))


def astra_sinogram(astra, geometry, image, kind):
    """ASTRA's projection of an image along our rays."""
    volume = astra.create_vol_geom(*geometry.shape)
    if geometry.fan:
        distances = geometry.source, geometry.detector
        rays = astra.create_proj_geom(
            "fanflat", geometry.width, geometry.detectors, np.array(geometry.angles), *distances
        )
    else:
        rays = astra.create_proj_geom(
            "parallel", geometry.width, geometry.detectors, np.array(geometry.angles)
        )
    return astra.create_sino(image, astra.create_projector(kind, rays, volume))[1]


@pytest.mark.parametrize(
    ("settings", "kind", "difference"),
    [
        ({}, "strip", 1e-4),
        ({}, "linear", 0.02),
        ({"geometry": "fan"}, "strip_fanflat", 2e-3),
        ({"geometry": "fan"}, "line_fanflat", 0.02),
        ({"geometry": "fan", "source": 1.0, "detector": 0.5}, "strip_fanflat", 5e-3),
    ],
)
def test_projection_agrees_with_astra(settings, kind, difference):
    """A smooth phantom: within 2 % of ASTRA's rays, and equal to its strips of the same model."""
    astra = pytest.importorskip("astra")
    at = np.linspace(-1, 1, SIZE, dtype=np.float32)
    smooth = np.exp(-4 * ((at[:, None] - 0.2) ** 2 + 2 * (at + 0.1) ** 2))
    operator = CT((1, SIZE, SIZE), angles=ANGLES, oversample=1, **settings)
    theirs = astra_sinogram(astra, operator.geometry, smooth, kind)
    y = operator.forward(torch.from_numpy(smooth)[None, None])[0, 0].numpy() * SIZE
    assert np.linalg.norm(y - theirs) < difference * np.linalg.norm(theirs)


def our_error() -> float:
    """Of our filtered back-projection of our own projections."""
    operator = CT((1, SIZE, SIZE), angles=ANGLES, oversample=1)
    return error(operator.inverse(operator.forward(torch.from_numpy(PHANTOM)[None, None]))[0, 0])


def test_reconstruction_as_good_as_scikit_image():
    """FBP of the Shepp-Logan phantom is no worse than iradon's."""
    assert our_error() <= error(iradon(radon(PHANTOM, DEGREES, circle=False), DEGREES, circle=False))


def test_reconstruction_as_good_as_deepinv():
    """FBP of the Shepp-Logan phantom is no worse than deepinv's."""
    physics = pytest.importorskip("deepinv").physics
    theirs = physics.Tomography(
        angles=torch.from_numpy(DEGREES), img_width=SIZE, circle=False, normalize=False
    )
    image = theirs.fbp(theirs.A(torch.from_numpy(PHANTOM)[None, None]))[0, 0]
    assert our_error() <= error(image)


@pytest.mark.parametrize("kind", ["linear", "strip"])
def test_reconstruction_as_good_as_astra(kind):
    """FBP of the Shepp-Logan phantom is no worse than ASTRA's of either model."""
    astra = pytest.importorskip("astra")
    geometry = CT((1, SIZE, SIZE), angles=ANGLES).geometry
    volume = astra.create_vol_geom(SIZE, SIZE)
    rays = astra.create_proj_geom("parallel", 1.0, geometry.detectors, np.deg2rad(DEGREES))
    projector = astra.create_projector(kind, rays, volume)
    config = astra.astra_dict("FBP")
    config["ProjectorId"] = projector
    config["ProjectionDataId"] = astra.create_sino(PHANTOM, projector)[0]
    config["ReconstructionDataId"] = result = astra.data2d.create("-vol", volume)
    astra.algorithm.run(astra.algorithm.create(config))
    assert our_error() <= error(astra.data2d.get(result))


def test_projection_in_lodopabs_geometry():
    """362x362, 1000 views, 513 bins, ODL's first view: a smooth phantom is within 1 % of ASTRA's rays."""
    astra = pytest.importorskip("astra")
    at = np.linspace(-1, 1, 362, dtype=np.float32)
    smooth = np.exp(-6 * ((at[:, None] - 0.2) ** 2 + 2 * (at + 0.1) ** 2))
    operator = scanner().system
    theirs = astra_sinogram(astra, operator.geometry, smooth, "linear")
    y = operator.forward(torch.from_numpy(smooth)[None, None])[0, 0].numpy() * 362
    assert np.linalg.norm(y - theirs) < 0.01 * np.linalg.norm(theirs)
