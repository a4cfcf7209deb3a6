"""deepinv through the harness beside deepinv alone, and our CT beside its tomography, in one run each."""

import pytest
import torch

deepinv = pytest.importorskip("deepinv")

import bench  # noqa: E402
from bench import registry  # noqa: E402
from bench.problem import build_operator  # noqa: E402
from bench.spec import parse_chain  # noqa: E402


def made(text, shape):
    """The operator that a text names."""
    return build_operator([part.checked(registry.operators) for part in parse_chain(text)], shape, 0)


@pytest.mark.parametrize("through", [False, True], ids=["deepinv", "harness"])
@pytest.mark.parametrize("text", ["deepinv.Blur", "deepinv.Downsampling", "deepinv.MRI"])
@pytest.mark.benchmark(group="64 images of 96x96")
def test_a_physics(benchmark, text, through):
    """At most 3 % slower through the harness: the wrapper only lays out."""
    operator = made(text, (1, 96, 96))
    x = torch.rand(64, 1, 96, 96)
    physics, native = operator.physics(x.device), operator.images.to_native(x)
    generator = torch.Generator()
    if through:
        benchmark(lambda: operator.forward(x, generator))
    else:
        benchmark(lambda: physics.A(native))


@pytest.mark.parametrize("ours", [False, True], ids=["Tomography", "ct"])
@pytest.mark.benchmark(group="20 steps of PGD, 8 images of 96x96, 60 angles")
def test_ct_in_pgd(benchmark, ours):
    """Ours as physics at least 15 times as fast in each iteration, on a CPU."""
    if ours:
        physics = bench.to_deepinv(made("ct:angles=60", (1, 96, 96)))
    else:
        physics = deepinv.physics.Tomography(60, 96, normalize=True)
    x = torch.rand(8, 1, 96, 96)
    with torch.no_grad():
        y = physics.A(x)
        step = 1 / float(physics.compute_norm(x[:1], verbose=False))
    prior = deepinv.optim.ZeroPrior()
    pgd = deepinv.optim.PGD(deepinv.optim.L2(), prior, stepsize=step, max_iter=20)
    benchmark.pedantic(lambda: pgd(y, physics), rounds=2, warmup_rounds=1)
