"""Which references run along."""

import pytest
import torch

from bench import registry
from bench.component import Component, parse_chain
from bench.problem import build_operator
from bench.sweeps.plan import plan


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        ("xor_ctr", {"unet", "mean", "inverse"}),
        ("xor_ctr+noise:sigma=0.01", {"unet", "mean", "inverse", "posterior_mean"}),
        ("xor_ctr:iv=fresh", {"unet", "mean"}),
    ],
)
def test_every_known_reference_runs_along(operator, expected, tiny):
    """The posterior mean runs along where noise stops the exact inverse, and only where it is known."""
    assert {run.spec.model.name for run in plan([operator], ["unet"], tiny)} == expected


@pytest.mark.parametrize(
    "operator", ["mri", "mri:coils=3", "ct", "inpainting", "compressed_sensing", "super_resolution", "noise"]
)
def test_an_inverse_that_is_not_exact_is_no_ceiling(operator):
    """Zero-filling, filtered back-projection and pseudo-inverses are methods among others."""
    parts = [part.checked(registry.operators) for part in parse_chain(operator)]
    built = build_operator(parts, (1, 16, 16), 0)
    assert built.can("inverse")
    assert Component("inverse").build(registry.models).role_in(built) == "model"


@pytest.mark.parametrize("name", [n for n in registry.models.entries() if not registry.models.load(n).seeded])
def test_what_is_run_once_is_the_same_for_every_training_seed(name, make_problem):
    """A model that says ``seeded = False`` gives the same images whatever the training seed."""
    problem = make_problem("xor_ctr+noise:sigma=0.05")
    if Component(name).build(registry.models).fits(problem.operator):
        problem = make_problem("deblurring")
    y, _, operator = next(problem.test_batches())
    images = []
    for seed in (0, 1):
        model = Component(name).build(registry.models, seed=seed)
        model.fit(problem.training(seed))
        images.append(model.reconstruct(y, operator, torch.Generator().manual_seed(seed)))
    assert torch.equal(*images)
