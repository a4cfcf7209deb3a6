"""Our operators as deepinv's physics: deepinv's own tests hold on them, and their noise is ours."""

import deepinv
import pytest
import torch

import bench
from bench import registry
from bench.component import parse_chain
from bench.problem import build_operator

LINEAR = [
    "ct:angles=12",
    "ct:angles=12+noise:sigma=0.01",
    "ct:angles=12+noise:photons=4096",
    "deblurring:sigma=1.5",
    "inpainting",
    "mri",
    "super_resolution",
    "compressed_sensing",
    "permutation",
    "denoising",
    "deepinv.Blur:filter=motion,size=7",
    "deepinv.MRI+noise:sigma=0.02",
    "deepinv.Pansharpen",
    "deepinv.Inpainting+inpainting",
]


def made(text, shape=(1, 16, 16)):
    """The operator that a text names."""
    return build_operator([part.checked(registry.operators) for part in parse_chain(text)], shape, 0)


@pytest.mark.parametrize("text", LINEAR)
def test_deepinv_s_own_tests_pass(text):
    """Adjointness, and A+ of A of what the adjoint reaches, as deepinv's tests ask for."""
    physics = bench.to_deepinv(made(text))
    assert isinstance(physics, deepinv.physics.LinearPhysics)
    x = torch.rand(2, 1, 16, 16)
    y = physics.A(x)
    assert abs(physics.adjointness_test(x).item()) < 1e-3
    reached = physics.A_adjoint(y)
    error = (physics.A_dagger(physics.A(reached)) - reached).flatten().mean().abs()
    assert error < 0.01 * reached.abs().max()


@pytest.mark.parametrize("text", ["xor_ctr", "phase_retrieval", "phase_retrieval+noise:sigma=0.1"])
def test_nonlinear_operators(text):
    """They are physics without an adjoint; A is free of noise."""
    operator = made(text)
    physics = bench.to_deepinv(operator)
    assert not isinstance(physics, deepinv.physics.LinearPhysics)
    x = torch.rand(2, 1, 16, 16)
    assert torch.equal(physics.A(x), physics.A(x))
    assert physics(x).shape == (2, *operator.measurement_shape)


@pytest.mark.parametrize(
    ("text", "kind", "name", "value"),
    [
        ("ct:angles=9+noise:sigma=0.25", deepinv.physics.GaussianNoise, "sigma", 0.25),
        ("inpainting+noise:photons=50", deepinv.physics.PoissonNoise, "gain", 0.02),
        ("deepinv.Blur+deepinv.PoissonNoise:gain=0.5", deepinv.physics.PoissonNoise, "gain", 0.5),
        ("deepinv.Inpainting+noise:sigma=0.25", deepinv.physics.GaussianNoise, "sigma", 0.25),
    ],
)
def test_noise_is_told(text, kind, name, value):
    """Methods of deepinv find the noise level where they look for it."""
    model = bench.to_deepinv(made(text)).noise_model
    assert isinstance(model, kind)
    assert float(getattr(model, name)) == pytest.approx(value)


def test_measurements_are_the_harness_s():
    """Called, the physics draws what the operator draws, noise inside the chain too."""
    operator = made("noise:sigma=0.1+ct:angles=9+noise:photons=1000")
    physics = bench.to_deepinv(operator, torch.Generator().manual_seed(7))
    x = torch.rand(2, 1, 16, 16)
    assert torch.equal(physics(x), operator.forward(x, torch.Generator().manual_seed(7)))


def test_a_physics_comes_back_as_it_is():
    """What was deepinv's is deepinv's again."""
    physics = bench.to_deepinv(made("deepinv.BlurFFT+deepinv.GaussianNoise:sigma=0.2"))
    assert type(physics) is deepinv.physics.BlurFFT
    assert type(bench.to_deepinv(made("denoising"))) is deepinv.physics.Denoising


def test_deepinv_s_gradient_descent_solves_with_it():
    """PGD with our CT and no prior comes to the least-squares image."""
    operator = made("ct:angles=24")
    physics = bench.to_deepinv(operator)
    x = torch.zeros(1, 1, 16, 16)
    x[..., 5:11, 4:9] = 1
    y = physics.A(x)
    step = 1 / physics.compute_norm(x, verbose=False).item()
    model = deepinv.optim.PGD(
        deepinv.optim.L2(), deepinv.optim.ZeroPrior(), stepsize=step, max_iter=300, early_stop=False
    )
    assert (physics.A(model(y, physics)) - y).norm() / y.norm() < 0.02


def both_descents(prior, steps):
    """The truth, and what PGD makes of one noisy sinogram, an ellipse phantom's, with our CT and theirs."""
    size, angles, weight = 96, 30, 1e-3
    theirs = deepinv.physics.Tomography(angles, size, circle=False, normalize=False)
    x = registry.datasets.load("ellipses")(size=size, train=1, test=1).load().test.read([0]) / 255
    y = theirs.A(x)
    y = y + 0.01 * size * torch.randn(y.shape, generator=torch.Generator().manual_seed(0))
    text = f"ct:angles={angles},detectors={y.shape[-2]},detector_width=1,oversample=1,sigma=0"
    ours = bench.to_deepinv(made(text, (1, size, size)))
    square = float(ours.compute_norm(x, verbose=False))
    images = []
    # Theirs counts lengths in pixels, ours in image sides.
    for physics, data, norm in ((ours, y.mT / size, square), (theirs, y, square * size**2)):
        pgd = deepinv.optim.PGD(
            deepinv.optim.L2(), prior(), lambda_reg=weight * norm, stepsize=1 / norm, max_iter=steps,
            custom_init=lambda y, physics: {"est": (torch.zeros_like(x),) * 2},
        )  # fmt: skip
        images.append(pgd(data, physics))
    return x, *images


def test_our_ct_gives_the_images_of_deepinv_s():
    """After 10 steps of PGD with TV the images agree within 1 %."""
    x, ours, theirs = both_descents(lambda: deepinv.optim.TVPrior(n_it_max=20), 10)
    assert (ours - theirs).norm() < 0.01 * theirs.norm()
    assert (ours - x).norm() < 0.3 * x.norm()


def test_without_a_prior_our_ct_differs_by_its_pixels():
    """After 20 steps without a prior they differ by 1.6 %, more than the 1 % that was aimed at.

    Geometry is no cause: sinograms agree to 0.06 %, where half a pixel would be 2.6 %. A pixel is: ours is a
    square, theirs a bilinear interpolation on a turned grid, whose adjoint differs from pixel to pixel.
    Seen through a blur of one pixel they differ by 0.1 %, and both are equally far from the truth.
    """
    x, ours, theirs = both_descents(deepinv.optim.ZeroPrior, 20)
    blur = deepinv.physics.Blur(deepinv.physics.functional.gaussian_blur(sigma=(1.0, 1.0)), "replicate")
    assert (ours - theirs).norm() < 0.02 * theirs.norm()
    assert blur.A(ours - theirs).norm() < 0.003 * theirs.norm()
    assert float((ours - x).norm()) == pytest.approx(float((theirs - x).norm()), rel=0.02)
