"""The rules of the metric contract, one function each; what runs them is :mod:`bench.testing`."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from bench.metrics import Metric
from bench.operators.noise import Noise
from bench.seeding import stream
from bench.testing.operators import Broken, Figure, same

#: Images that a metric is tried on, and the noise of their measurements.
COUNT, SHAPE, SIGMA = 3, (3, 32, 32), 0.1


@dataclass(frozen=True)
class Comparison:
    """A metric, with images to compare."""

    metric: Metric
    seed: int = 0

    @property
    def truth(self) -> Tensor:
        """Random images."""
        return torch.rand(COUNT, *SHAPE, generator=stream("cpu", self.seed, "images"))

    def worse(self, sigma: float) -> Tensor:
        """The images with noise."""
        return self.truth + sigma * torch.randn(COUNT, *SHAPE, generator=stream("cpu", self.seed, "worse"))

    def of(self, image: Tensor, truth: Tensor, part: slice = slice(None)) -> Tensor | None:
        """The metric of some of the images, as the harness asks for it."""
        operator = Noise(SHAPE, sigma=SIGMA)
        y = operator.measure(self.truth, stream("cpu", self.seed, "noise"))[part]
        one = torch.ones(len(truth))
        return self.metric(image, truth, y=y, operator=operator, noise=operator, data_range=one)


def _one_number(case: Comparison) -> Figure:
    values = case.of(case.worse(0.1), case.truth)
    if values is None:
        return "it has no meaning for noise on images"
    if not isinstance(values, Tensor) or tuple(values.shape) != (COUNT,):
        got = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
        raise Broken(f"{COUNT} images give {got}, not ({COUNT},)")
    if not values.isfinite().all():
        raise Broken(f"noisy images give {values.tolist()}")
    return None


def _ordered(case: Comparison) -> Figure:
    less, more = case.of(case.worse(0.05), case.truth), case.of(case.worse(0.5), case.truth)
    if less is None or more is None:
        return None
    better = less > more if case.metric.higher_is_better else less < more
    if not better.all():
        name = "higher" if case.metric.higher_is_better else "lower"
        raise Broken(f"{name} is better, but little noise gives {less[0]:.3g} and much noise {more[0]:.3g}")
    return f"{float(less[0]):.3g} before {float(more[0]):.3g}"


def _one_by_one(case: Comparison) -> Figure:
    image, truth = case.worse(0.1), case.truth
    parts = [slice(i, i + 1) for i in range(COUNT)]
    single = [case.of(image[part], truth[part], part) for part in parts]
    whole = case.of(image, truth)
    if whole is None:
        return None
    apart = torch.cat([one for one in single if one is not None])
    gap = float((apart - whole).abs().max())
    if not gap <= 1e-4 * float(whole.abs().max()):
        raise Broken(f"a batch and its images one by one differ by {gap:.1e}")
    return gap


def _input_kept(case: Comparison) -> Figure:
    image, truth = case.worse(0.1), case.truth
    case.of(image, truth)
    if not same(image, case.worse(0.1)) or not same(truth, case.truth):
        raise Broken("the metric modifies its input")
    return None


METRIC_RULES: dict[str, Callable[[Comparison], Figure]] = {
    "gives one finite number per image, or None": _one_number,
    "little noise is better than much": _ordered,
    "a batch is scored as its images one by one": _one_by_one,
    "images are not modified": _input_kept,
}
