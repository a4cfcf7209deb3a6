"""Unrolled networks: with weights set by hand they are the iterations they come from."""

import pytest
import torch

from bench import registry
from bench.component import parse_chain
from bench.datasets import Splits
from bench.metrics.psnr import psnr
from bench.models._unrolled import OnPlane, Update
from bench.models.learned_primal_dual import LearnedPrimalDual, PrimalDual
from bench.models.unet import UNet
from bench.models.unrolled_gradient import GradientDescent, UnrolledGradient
from bench.operators import Operator
from bench.operators.ct import CT
from bench.problem import Problem, build_operator
from bench.recipe import Recipe
from bench.runs.evaluation import reconstructed
from bench.training import Trainer

MODELS = [LearnedPrimalDual, UnrolledGradient]


def problem_on(operator: Operator, count: int = 4) -> Problem:
    """Random smooth images seen through an operator."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(count, *(operator.image_shape[0], 4, 4), generator=generator)
    images = torch.nn.functional.interpolate(coarse, operator.image_shape[1:], mode="bilinear")
    images = (images * 255).to(torch.uint8)
    return Problem(operator, Splits(images, images, images))


def build(text: str, shape: tuple[int, ...]) -> Operator:
    """An operator by its text form."""
    return build_operator([part.checked(registry.operators) for part in parse_chain(text)], shape, 0)


def matrix_of(system: OnPlane) -> torch.Tensor:
    """The scaled operator as a matrix."""
    shape = system.whole.image_shape
    units = torch.eye(shape[1] * shape[2]).view(-1, *shape)
    return system.project(units).flatten(1).T


def make_linear(update: Update, matrix: list[list[float]]) -> None:
    """Turn an update into a matrix over its channels: centre taps only, PReLU of slope 1."""
    with torch.no_grad():
        for layer in (update[0], update[2], update[4]):
            layer.weight.zero_()
            layer.weight[:, :, 1, 1] = torch.eye(*layer.weight.shape[:2])
        update[4].weight[:, : len(matrix[0]), 1, 1] = torch.tensor(matrix)
        for activation in (update[1], update[3]):
            activation.weight.fill_(1)


@pytest.mark.parametrize("text", ["ct:angles=5", "super_resolution:scale=2"])
def test_gradient_descent(text):
    """Steps of minus the gradient give gradient descent, as the matrix of the operator says."""
    problem = problem_on(build(text, (1, 8, 8)))
    module = GradientDescent(1, iterations=3, memory=1, width=3)
    for step in module.steps:
        make_linear(step, [[0, 0, -1], [0, 0, 0]])  # sees x, s, gradient
    y, _, operator = next(problem.test_batches())
    system = OnPlane(operator, y)
    a, g = matrix_of(system), y.flatten(1).T / system.norm
    x = system.start(y).flatten(1).T
    for _ in range(3):
        x = x - a.T @ (a @ x - g)
    torch.testing.assert_close(module(y, operator).flatten(1).T, x, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("text", ["ct:angles=5", "super_resolution:scale=2"])
def test_primal_dual(text):
    """With the proximal map of |. - y|^2 / 2 in the dual step it is the primal-dual method."""
    problem = problem_on(build(text, (1, 8, 8)))
    module = PrimalDual(1, 1, iterations=3, memory=1, width=3)
    sigma, tau = 0.7, 0.9
    for dual, primal in zip(module.dual, module.primal, strict=True):
        # h + d = (h + sigma (A f - g)) / (1 + sigma); it sees h, A f, g
        make_linear(dual, [[-sigma / (1 + sigma), sigma / (1 + sigma), -sigma / (1 + sigma)]])
        make_linear(primal, [[0, -tau]])  # sees f, A* h
    y, _, operator = next(problem.test_batches())
    system = OnPlane(operator, y)
    a, g = matrix_of(system), y.flatten(1).T / system.norm
    f, h = system.start(y).flatten(1).T, torch.zeros_like(g)
    for _ in range(3):
        h = (h + sigma * (a @ f - g)) / (1 + sigma)
        f = f - tau * (a.T @ h)
    torch.testing.assert_close(module(y, operator).flatten(1).T, f, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    "text",
    ["denoising", "mri", "compressed_sensing", "super_resolution:scale=2", "ct:sigma=0.1"],
)
def test_every_kind_of_measurement(model, text):
    """Images, spectra, lists of numbers and sinograms go through, and a gradient reaches every weight."""
    problem = problem_on(build(text, (3, 16, 12)))
    module = model(iterations=2, memory=2, width=4).build(problem.training())
    y, x, operator = next(problem.test_batches())
    image = module(y, operator)
    assert image.shape == x.shape
    image.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in module.parameters())
    reached = [bool(p.grad.any()) for p in module.parameters()]
    assert sum(reached) > 0.8 * len(reached)


@pytest.mark.parametrize("model", MODELS)
def test_learns_what_the_inverse_lacks(model):
    """A minute's share of training on sparse views brings it 2 dB above filtered back-projection."""
    problem = problem_on(CT((1, 16, 16), angles=6), count=48)
    network = model(iterations=3, memory=2, width=8)
    network.trainer = Trainer(Recipe(epochs=30, batch_size=8, **model.recipe))
    history = network.fit(problem.training())
    batch = next(problem.test_batches())
    y, x, _ = batch
    inverse = psnr(problem.operator.inverse(y), x).mean()
    assert psnr(reconstructed(network, batch), x).mean() > inverse + 2
    assert len(history) == 30


@pytest.mark.parametrize("model", MODELS)
def test_bfloat16(model):
    """Under bfloat16 the operator stays in float32: its sparse products have no other precision."""
    problem = problem_on(CT((1, 16, 16), angles=6))
    module = model(iterations=2, memory=2, width=8).build(problem.training())
    y, _, operator = next(problem.test_batches())
    with torch.autocast("cpu", torch.bfloat16):
        rounded = module(y, operator)
    assert rounded.dtype == torch.float32
    torch.testing.assert_close(rounded, module(y, operator), atol=0.1, rtol=0.1)


def test_bfloat16_behind_as_image():
    """A network that sees the back-projection can be trained in bfloat16 too."""
    problem = problem_on(CT((1, 16, 16), angles=6))
    network = UNet(width=4)
    network.trainer = Trainer(Recipe(epochs=1, precision="bfloat16"))
    assert network.fit(problem.training())[0].validation_psnr > 0


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", ["iterations", "memory", "width"])
def test_bad_values(model, name):
    """Sizes that make no network are refused, naming them."""
    with pytest.raises(ValueError, match=f"{name} must be at least 1, not 0"):
        model(**{name: 0})


def test_refused():
    """A cipher is refused with the reason, before training."""
    assert "XorCtr is not linear" in LearnedPrimalDual().fits(build("xor_ctr", (3, 16, 16)))
