"""The CT operator against the mathematics of the Radon transform and the Shepp-Logan phantom."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from skimage.data import shepp_logan_phantom
from skimage.transform import iradon, radon, resize

from bench import registry
from bench.component import Component, parse_chain
from bench.operators._fbp import redundancy
from bench.operators._projector import Projector
from bench.operators.ct import CT
from bench.operators.shared.chain import Chain
from bench.problem import build_operator

SETTINGS = [
    {},
    {"angles": 7, "detectors": 11, "oversample": 1},
    {"angles": 5, "arc": 60.0, "detector_width": 1.7},
    {"angles": 9, "geometry": "fan", "oversample": 1},
    {"angles": 9, "geometry": "fan", "source": 1.0, "detector": 0.0, "oversample": 2},
]


def phantom(size: int) -> torch.Tensor:
    """The Shepp-Logan phantom, (1, 1, size, size), float32."""
    image = resize(shepp_logan_phantom(), (size, size), anti_aliasing=True)
    return torch.from_numpy(image.astype(np.float32))[None, None]


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 13, 18)])
def test_dot_product(settings, shape):
    """<Ax, y> = <x, A*y>: iterative methods diverge or are biased with an adjoint that is not exact."""
    operator = CT(shape, **settings)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, *shape, dtype=torch.float64, generator=generator)
    y = torch.randn(2, *operator.measurement_shape, dtype=torch.float64, generator=generator)
    ax, aty = operator.forward(x, generator), operator.adjoint(y)
    assert abs((ax * y).sum() - (x * aty).sum()) < 1e-12 * ax.norm() * y.norm()


@pytest.mark.parametrize("settings", [{}, {"geometry": "fan"}])
def test_without_a_matrix(settings):
    """The matrix-free path has the very weights of the matrix: only speed may depend on the size."""
    geometry = CT((1, 17, 12), angles=8, **settings).geometry
    device, dtype = torch.device("cpu"), torch.float64
    kept = Projector(geometry, device, dtype, matrix=True)
    free = Projector(geometry, device, dtype, matrix=False)
    x, y = torch.rand(2, kept.pixels, dtype=dtype), torch.rand(2, kept.rows, dtype=dtype)
    torch.testing.assert_close(free.forward(x), kept.forward(x))
    torch.testing.assert_close(free.adjoint(y), kept.adjoint(y))
    torch.testing.assert_close(free.smear(y), kept.smear(y))


@pytest.mark.parametrize(
    ("shape", "settings", "elements", "share"),
    [
        ((12, 12), {"angles": 8, "start": 180 / 16 - 90}, 8, 1 / 8),
        ((12, 12), {"angles": 8, "detectors": 9}, 8, 1 / 5),
        ((12, 12), {"angles": 6, "arc": 60.0}, 2, 1 / 2),
        ((13, 10), {"angles": 8, "start": 180 / 16}, 4, 1 / 4),
        ((12, 12), {"angles": 16, "geometry": "fan", "start": 360 / 32}, 8, 1 / 8),
        ((12, 12), {"angles": 16, "geometry": "fan", "offset": 0.3}, 4, 1 / 4),
    ],
)
def test_one_ray_serves_all_that_turns_take_it_to(monkeypatch, shape, settings, elements, share):
    """Where the matrix is too large but its rows for an eighth of the rays are not: the same results."""
    geometry = CT((1, *shape), **settings).geometry
    device, dtype = torch.device("cpu"), torch.float64
    kept = Projector(geometry, device, dtype)
    assert kept.has_matrix
    assert kept.symmetry is None
    monkeypatch.setattr("bench.operators._projector.MATRIX_BYTES", kept.matrix_bytes - 1)
    folded = Projector(geometry, device, dtype)
    assert folded.has_matrix
    assert len(folded.symmetry.elements) == elements
    assert len(folded.symmetry.rows) / folded.rows == pytest.approx(share, rel=0.15)
    x, y = torch.rand(3, kept.pixels, dtype=dtype), torch.rand(3, kept.rows, dtype=dtype)
    torch.testing.assert_close(folded.forward(x), kept.forward(x))
    torch.testing.assert_close(folded.adjoint(y), kept.adjoint(y))
    torch.testing.assert_close(folded.smear(y), kept.smear(y))


@pytest.mark.parametrize(
    "settings",
    [{"angles": 7, "geometry": "fan", "arc": 200.0}, {"right": 1.0}, {"angles": 8, "arc": 360.0}],
)
def test_without_symmetry(monkeypatch, settings):
    """A limited fan, an image beside the axis, rays measured twice: computed without a matrix, and right."""
    geometry = CT((1, 9, 9), **settings).geometry
    kept = Projector(geometry, torch.device("cpu"), torch.float64)
    monkeypatch.setattr("bench.operators._projector.MATRIX_BYTES", kept.matrix_bytes - 1)
    free = Projector(geometry, torch.device("cpu"), torch.float64)
    assert free.symmetry is None
    assert not free.has_matrix
    x = torch.rand(1, 81, dtype=torch.float64)
    torch.testing.assert_close(free.forward(x), kept.forward(x))


@pytest.mark.parametrize("settings", [{"detectors": 5}, {"geometry": "fan", "detectors": 5}])
def test_beside_the_detector(settings):
    """What misses a narrow detector is lost on both ways, at its edges too, and reaches no other angle."""
    geometry = CT((1, 16, 16), angles=6, detector_width=1.0, **settings).geometry
    wide = replace(geometry, detectors=41)
    device, dtype = torch.device("cpu"), torch.float64
    x = torch.rand(1, 256, dtype=dtype)
    whole = Projector(wide, device, dtype, matrix=True).forward(x).view(6, 41)[:, 18:23]
    for matrix in (True, False):
        torch.testing.assert_close(Projector(geometry, device, dtype, matrix).forward(x).view(6, 5), whole)


def test_size_alone_decides_how_it_is_computed():
    """Matrix or not is settled before anything runs, by size, on every device: no clock in the numbers."""
    for device in map(torch.device, ("cpu", "cuda")):
        for angles, side, has_matrix in ((4, 9, True), (1000, 362, True), (1000, 512, False)):
            geometry = CT((1, side, side), angles=angles).geometry
            assert Projector(geometry, device, torch.float32).has_matrix is has_matrix


def test_projection_at_right_angles():
    """At 0 and 90 degrees a projection is the sum of columns and of rows, by definition."""
    x = torch.rand(1, 1, 9, 9)
    y = CT((1, 9, 9), angles=2, detectors=9, detector_width=1.0, oversample=1).forward(x)[0, 0] * 9
    torch.testing.assert_close(y[0], x[0, 0].sum(0))
    torch.testing.assert_close(y[1], x[0, 0].sum(1).flip(0))


@pytest.mark.parametrize("angle", [0.3, 1.1, 2.5])
def test_one_pixel_casts_a_trapezoid(angle):
    """A unit square's chord: 1 / max(|cos|, |sin|) up to its shoulder, then falling linearly."""
    fine = 0.001
    operator = CT((1, 1, 1), angles=2, arc=2 * math.degrees(angle), detectors=1501, detector_width=fine)
    y = operator.forward(torch.ones(1, 1, 1, 1, dtype=torch.float64))[0, 0, 1]
    s = ((torch.arange(1501) - 750) * fine).abs().double()
    cos, sin = abs(math.cos(angle)), abs(math.sin(angle))
    chord = ((cos + sin) / 2 - s).clamp(0, min(cos, sin)) / (cos * sin)
    torch.testing.assert_close(y, chord, atol=2e-3, rtol=0)


@pytest.mark.parametrize("geometry", ["parallel", "fan"])
def test_disc(geometry):
    """Rays through a disc of radius r are 2 sqrt(r^2 - s^2) long, whatever the angle."""
    n, r = 64, 0.3
    grid = (torch.arange(8 * n, dtype=torch.float64) + 0.5) / (8 * n) - 0.5
    disc = (grid[:, None] ** 2 + grid[None] ** 2 < r**2).double()
    x = torch.nn.functional.avg_pool2d(disc[None, None], 8)
    operator = CT((1, n, n), angles=12, geometry=geometry)
    g = operator.geometry
    u = (torch.arange(g.detectors, dtype=torch.float64) - (g.detectors - 1) / 2) * g.width / n
    s = u
    if geometry == "fan":
        s = u * (g.source / n) / torch.hypot(u, torch.full_like(u, (g.source + g.detector) / n))
    chord = 2 * (r**2 - s**2).clamp_min(0).sqrt()
    y = operator.forward(x)[0, 0]
    assert (y - chord).norm() < 0.02 * chord.norm() * math.sqrt(len(y))


@pytest.mark.parametrize(
    "settings",
    [
        {"angles": 180},
        {"angles": 360, "geometry": "fan"},
        {"angles": 216, "arc": 216.0, "geometry": "fan"},
    ],
)
def test_filtered_back_projection(settings):
    """FBP of the Shepp-Logan phantom is as near to it as scikit-image's, and keeps its mean."""
    x = phantom(64)
    operator = CT((1, 64, 64), **settings)
    error = (operator.inverse(operator.forward(x)) - x).square().mean().sqrt()
    theta = np.arange(180.0)
    theirs = iradon(radon(x[0, 0].numpy(), theta, circle=False), theta, circle=False)
    assert error < 1.1 * np.sqrt(np.mean((theirs - x[0, 0].numpy()) ** 2))
    assert operator.inverse(operator.forward(x)).mean() == pytest.approx(float(x.mean()), rel=0.01)


@pytest.mark.parametrize("half_fan", [0.0, 0.31])
@pytest.mark.parametrize("arc", [3.77, 4.2, 5.5, 2 * math.pi])
def test_measurements_of_a_line_count_one(half_fan, arc):
    """Parker's condition: a source on a circle meets each line twice in a turn; what it measures counts 1."""
    generator = torch.Generator().manual_seed(0)
    theta, position = torch.rand(2, 2000, generator=generator, dtype=torch.float64)
    theta, position = theta * math.pi, (2 * position - 1) * math.sin(half_fan)
    total = torch.zeros_like(theta)
    # The source is at (sin t, -cos t), on the line where its product with (cos theta, sin theta) is position.
    for t in (theta + torch.asin(position), theta + math.pi - torch.asin(position)):
        for turn in (-2 * math.pi, 0.0, 2 * math.pi):
            seen = (t + turn >= 0) & (t + turn <= arc)
            across = -torch.sin(theta) * torch.cos(t) + torch.cos(theta) * torch.sin(t)
            along = torch.sin(theta) * torch.sin(t) + torch.cos(theta) * torch.cos(t)
            weights = redundancy(t + turn, torch.atan(across / along), arc, half_fan)
            assert ((weights >= 0) & (weights <= 1)).all()
            total += torch.where(seen, weights, 0)
    torch.testing.assert_close(total, torch.ones_like(total))


def test_parker_weights_by_hand():
    """On the central ray of a half turn and 40 degrees: 0 at the ends, 1/2 after 20, 1 from 40 to 180."""
    t = torch.tensor([0.0, 20.0, 40.0, 110.0, 180.0, 200.0, 220.0]).deg2rad()
    weights = redundancy(t, torch.tensor(0.0), math.radians(220), math.radians(15))
    torch.testing.assert_close(weights, torch.tensor([0, 0.5, 1, 1, 1, 0.5, 0]), atol=1e-6, rtol=0)


@pytest.mark.parametrize(("arc", "half_fan", "weight"), [(2.0, 0.0, 1.0), (3.5, 0.31, math.pi / 3.5)])
def test_limited_angle_is_left_alone(arc, half_fan, weight):
    """Where lines are missing nothing is made up: all rays count the same."""
    t = torch.linspace(0, arc, 5)[:, None]
    torch.testing.assert_close(redundancy(t, torch.zeros(3), arc, half_fan), torch.full((5, 3), weight))


@pytest.mark.parametrize(
    ("arc", "settings"),
    [
        (216, {"geometry": "fan"}),
        (270, {"geometry": "fan"}),
        (270, {"geometry": "fan", "source": 1.0, "detector": 0.5}),
        (330, {"geometry": "fan"}),
        (230, {}),
    ],
)
def test_short_scan(arc, settings):
    """From the short scan on, FBP of a smooth object is within 5 % as good as over a whole turn.

    Unweighted, they have 33 to 69 times the error of the whole turn.
    """
    u = (torch.arange(64) + 0.5) / 64 - 0.5
    x = torch.exp(-((u - 0.1) ** 2 + (u[:, None] + 0.15) ** 2) / 0.02)[None, None]
    errors = []
    for degrees in (arc, 360):
        operator = CT((1, 64, 64), angles=degrees, arc=float(degrees), **settings)
        errors.append((operator.inverse(operator.forward(x)) - x).norm() / x.norm())
    assert errors[0] < 1.05 * errors[1]
    assert errors[1] < 0.01


def test_filters_order_noise():
    """Softer windows let less noise through: ramp, Shepp-Logan, Hann, Hann cut at 0.641 (LoDoPaB)."""
    noise = torch.randn(1, 1, 60, 47, generator=torch.Generator().manual_seed(0))
    windows = [("ramp", 1.0), ("shepp-logan", 1.0), ("hann", 1.0), ("hann", 0.641)]
    spread = [
        float(CT((1, 32, 32), angles=60, filter=name, cutoff=cutoff).inverse(noise).std())
        for name, cutoff in windows
    ]
    assert spread == sorted(spread, reverse=True)
    assert len(set(spread)) == 4


def test_gradient_is_the_adjoint():
    """Unrolled networks train through the operator: its gradient is the adjoint."""
    operator = CT((1, 8, 8), angles=5)
    x = torch.rand(2, 1, 8, 8, requires_grad=True)
    y = torch.rand(2, *operator.measurement_shape)
    (operator.forward(x) * y).sum().backward()
    torch.testing.assert_close(x.grad, operator.adjoint(y))


def test_lodopab_geometry():
    """1000 angles of a 362x362 image have the 513 bins of LoDoPaB-CT; an eighth of them is a matrix."""
    operator = CT((1, 362, 362), angles=1000)
    assert operator.measurement_shape == (1, 1000, 513)
    projector = operator._projector(torch.zeros(1), 1)
    assert projector.has_matrix
    assert 7.9 < projector.rows / len(projector.symmetry.rows) <= 8
    assert 2 * projector.matrix_bytes < 1.6e9


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"angles": 0}, "angles must be positive, not 0"),
        ({"detectors": 0}, "detectors must be positive, not 0"),
        ({"arc": 0.0}, "arc must be positive, not 0"),
        ({"oversample": -1}, "oversample must be positive"),
        ({"sigma": -1.0}, "sigma must be at least 0, not -1"),
        ({"angles": 10**9}, r"1x1000000000x23 would have 23,000,000,000 values \(85.7 GiB an image\)"),
        ({"detectors": 10**9}, r"1x30x1000000000 would have 30,000,000,000 values"),
        ({"oversample": 1000}, r"a grid of 1x16000x16000 to simulate it on would have 256,000,000 values"),
        ({"geometry": "fan", "source": 0.5}, "the source must be outside the image"),
    ],
)
def test_bad_values(params, message):
    """Values that make no scanner are refused with the value and the rule."""
    with pytest.raises(ValueError, match=message):
        CT((1, 16, 16), **params)


def test_axes_of_a_sinogram_say_degrees_and_detectors():
    """What a picture of it shows, top to bottom and left to right."""
    assert CT((1, 8, 8), angles=6, detectors=11).picture_axes == ("angle 0 to 180°", "detector 1 to 11")
    limited = CT((1, 8, 8), angles=6, detectors=11, start=-60, arc=120)
    assert limited.picture_axes[0] == "angle -60 to 60°"


def test_system_has_no_finer_grid():
    """A reconstruction gets the coarse operator: with the fine one it would know the simulation."""
    fine, coarse = CT((1, 16, 16)), CT((1, 16, 16), oversample=1)
    x = torch.rand(1, 1, 16, 16)
    torch.testing.assert_close(fine.system.forward(x, None), coarse.forward(x))
    assert (fine.forward(x) - coarse.forward(x)).norm() > 0.001 * coarse.forward(x).norm()


@pytest.mark.parametrize(
    ("text", "sigmas"),
    [
        ("ct", [0.01]),
        ("ct:sigma=0.2", [0.2]),
        ("ct:sigma=0", []),
        ("ct+noise:sigma=0.3", [0.3]),
        ("ct+permutation+noise:sigma=0.3", [0.3]),
        ("ct:sigma=0.2+noise:sigma=0.3", [0.2, 0.3]),
    ],
)
def test_noise_by_default(text, sigmas):
    """A sinogram is noisy unless the chain says otherwise; what is given is always kept."""
    operator = build_operator([p.checked(registry.operators) for p in parse_chain(text)], (1, 16, 16), 0)
    parts = operator.parts if isinstance(operator, Chain) else [operator]
    assert [part.gaussian for part in parts if part.noise] == sigmas


def test_noise_has_the_deviation_that_is_said():
    """What the harness measures differs from the projection by Gaussian noise of 0.01."""
    operator = build_operator([Component("ct")], (1, 32, 32), 0)
    x = torch.rand(4, 1, 32, 32)
    noise = operator.forward(x, torch.Generator().manual_seed(0)) - CT((1, 32, 32)).forward(x)
    assert float(noise.std()) == pytest.approx(0.01, rel=0.05)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("ct", ("finer grid", "noise 0.01")),
        ("ct:sigma=0.01", ("finer grid",)),
        ("ct:oversample=3", ("noise 0.01",)),
        ("ct+noise:photons=4096", ("finer grid",)),
        ("ct:oversample=1,sigma=0", ()),
        ("permutation", ()),
    ],
)
def test_what_its_name_does_not_say_is_told(text, told):
    """A table of plain ``ct`` says that there was noise, and a finer grid; what the name says it need not."""
    operator = build_operator([p.checked(registry.operators) for p in parse_chain(text)], (1, 16, 16), 0)
    assert operator.implied() == told
