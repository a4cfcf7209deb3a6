"""deepinv through the harness beside deepinv alone, and our CT beside its tomography in its own descent.

The two of a pair take turns, round after round, so that what disturbs the machine disturbs both; what counts
is the ratio of the least times: ``pytest tests/benchmarks/test_deepinv_speed.py --benchmark-only -s`` prints
it.
"""

import time
import warnings

import pytest
import torch

deepinv = pytest.importorskip("deepinv")

import bench  # noqa: E402
from bench import registry  # noqa: E402
from bench.component import parse_chain  # noqa: E402
from bench.problem import build_operator  # noqa: E402

#: Physics whose work for one image of 96x96 is no matrix of the whole image; without SinglePixelCamera, which
#: takes powers of two.
NAMES = [
    "Blur", "BlurFFT", "Downsampling", "MRI", "MultiCoilMRI", "Inpainting", "SpaceVaryingBlur", "Pansharpen",
    "StructuredRandom", "Tomography",
]  # fmt: skip


def made(text, shape):
    """The operator that a text names."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return build_operator([part.checked(registry.operators) for part in parse_chain(text)], shape, 0)


def in_turns(benchmark, ours, theirs, clock, seconds=3.0, least=5):
    """Time both by turns; the benchmark holds ours, and the ratios of least and median time."""
    times = [[], []]
    for call in (ours, theirs):
        call()
    end = time.perf_counter() + seconds
    while len(times[0]) < least or time.perf_counter() < end:
        for call, found in zip((ours, theirs), times, strict=True):
            start = clock()
            call()
            found.append(clock() - start)
    for name, place in (("min", 0), ("median", 0.5)):
        mine, other = (sorted(found)[int(place * len(found))] for found in times)
        benchmark.extra_info[name] = round(mine / other, 3)
    print(f"  {len(times[0])} rounds, ours over theirs: {dict(benchmark.extra_info)}", end="")
    benchmark.pedantic(ours, rounds=1)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.benchmark(group="a physics of deepinv through the harness, 64 images of 96x96")
def test_a_physics(benchmark, name):
    """At most 3 % slower through the harness, by processor time: the wrapper only lays out.

    Alone, a physics of complex images is given its two channels ready made.
    """
    operator = made(f"deepinv.{name}", (1, 96, 96))
    operator = operator.parts[0] if hasattr(operator, "parts") else operator
    x, generator = torch.rand(64, 1, 96, 96), torch.Generator()
    physics, native = operator.physics(x.device), operator.images.to_native(x).contiguous()
    with torch.no_grad():
        ours, theirs = lambda: operator.forward(x, generator), lambda: physics.A(native)
        in_turns(benchmark, ours, theirs, time.process_time)


@pytest.mark.benchmark(group="20 steps of PGD, 4 images of 96x96, 60 angles")
def test_ct_in_pgd(benchmark):
    """Ours as physics at least 15 times as fast in each iteration of deepinv's own descent, on a CPU.

    The geometry is the same, bins a pixel wide included; tests/deepinv/test_convert.py holds that the images
    are the same too.
    """
    size, angles = 96, 60
    theirs = deepinv.physics.Tomography(angles, size, circle=False, normalize=False)
    x = torch.rand(4, 1, size, size)
    with torch.no_grad():
        y = theirs.A(x)
        text = f"ct:angles={angles},detectors={y.shape[-2]},detector_width=1,oversample=1,sigma=0"
        ours = bench.to_deepinv(made(text, (1, size, size)))
        step = 1 / float(ours.compute_norm(x[:1], verbose=False))

        def descent(physics, y, scale):
            start = lambda y, physics: {"est": (torch.zeros_like(x),) * 2}  # noqa: E731
            pgd = deepinv.optim.PGD(
                deepinv.optim.L2(), deepinv.optim.ZeroPrior(), stepsize=step / scale**2, max_iter=20,
                custom_init=start,
            )  # fmt: skip
            return pgd(y, physics)

        measured = ours.A(x)
        in_turns(
            benchmark,
            lambda: descent(ours, measured, 1),
            lambda: descent(theirs, y, size),
            time.perf_counter,
            0.0,
            least=2,
        )
