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
#: Of colour images, as its measurement is one of colour and one of grey levels; the others are of grey ones.
COLOUR = ("Pansharpen",)
#: Of complex images.
COMPLEX = ("MRI", "MultiCoilMRI")


def made(text, shape):
    """The operator that a text names."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return build_operator([part.checked(registry.operators) for part in parse_chain(text)], shape, 0)


def in_turns(benchmark, ours, theirs, clock, seconds=3.0, least=5):
    """Time both by turns of some milliseconds; the benchmark holds ours, and the ratios of least and median.

    The C library gives memory back to the system after each call, to be cleared again in the next, until it
    has seen a block of almost 32 MiB go: up to half of the time, and whose it is hangs on the order of calls.
    """
    torch.empty(2**25 - 2**13, dtype=torch.uint8)
    times = [[], []]
    for call in (ours, theirs):
        call()
    start = clock()
    theirs()
    number = max(1, round(0.005 / max(clock() - start, 1e-6)))
    end = time.perf_counter() + seconds
    while len(times[0]) < least or time.perf_counter() < end:
        for call, found in zip((ours, theirs), times, strict=True):
            start = clock()
            for _ in range(number):
                call()
            found.append(clock() - start)
    for name, place in (("min", 0), ("median", 0.5)):
        mine, other = (sorted(found)[int(place * len(found))] for found in times)
        benchmark.extra_info[name] = round(mine / other, 3)
    print(f"  {len(times[0])} rounds, ours over theirs: {dict(benchmark.extra_info)}", end="")
    benchmark.pedantic(ours, rounds=1)


GROUP = "a physics of deepinv through the harness, 64 images of 96x96"


def in_the_harness(name, channels=1):
    """A physics of deepinv as an operator, without what follows it in a chain."""
    operator = made(f"deepinv.{name}", (channels, 96, 96))
    return operator.parts[0] if hasattr(operator, "parts") else operator


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.benchmark(group=GROUP)
def test_a_physics(benchmark, name):
    """At most 3 % slower through the harness, by processor time: the wrapper only lays out.

    Each gets the images that it is made for. Alone, a physics of complex images is given its two channels
    ready made, and Pansharpen leaves its two measurements a list: to lay them out as the one tensor that the
    harness needs is one more copy, which :func:`test_several_as_one` has on both sides. ``measure`` adds to
    ``forward`` what the harness asks of every operator, such as a sum that tells whether all is finite; that
    is not in here.
    """
    channels = 3 if name in COLOUR else 1
    operator, generator = in_the_harness(name, channels), torch.Generator()
    x = torch.rand(64, channels, 96, 96, dtype=torch.complex64 if name in COMPLEX else torch.float32)
    physics, native = operator.physics(x.device), operator.images.to_native(x).contiguous()
    with torch.no_grad():
        ours, theirs = lambda: operator.forward(x, generator), lambda: physics.A(native)
        in_turns(benchmark, ours, theirs, time.process_time)


@pytest.mark.benchmark(group=GROUP)
def test_mri_of_real_images(benchmark):
    """Whoever has real images makes the second channel, alone too, as deepinv's examples do."""
    operator, generator = in_the_harness("MRI"), torch.Generator()
    x = torch.rand(64, 1, 96, 96)
    physics = operator.physics(x.device)
    with torch.no_grad():
        ours = lambda: operator.forward(x, generator)  # noqa: E731
        theirs = lambda: physics.A(torch.cat([x, torch.zeros_like(x)], 1))  # noqa: E731
        in_turns(benchmark, ours, theirs, time.process_time)


@pytest.mark.benchmark(group=GROUP)
def test_several_as_one(benchmark):
    """Pansharpen, where alone too its two measurements have to become one tensor."""
    operator, generator = in_the_harness("Pansharpen", 3), torch.Generator()
    x = torch.rand(64, 3, 96, 96)
    physics = operator.physics(x.device)
    with torch.no_grad():
        ours = lambda: operator.forward(x, generator)  # noqa: E731
        theirs = lambda: torch.cat([part.flatten(1) for part in physics.A(x)], 1)  # noqa: E731
        in_turns(benchmark, ours, theirs, time.process_time)


@pytest.mark.benchmark(group="20 steps of PGD, 4 images of 96x96, 60 angles")
def test_ct_in_pgd(benchmark):
    """Ours as physics at least 15 times as fast in each iteration of deepinv's own descent, on a CPU.

    The geometry is the same, bins a pixel wide included; tests/deepinv/test_convert.py holds how far the
    images are the same too: within 1 % with a prior, 1.6 % without one, and why.
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
