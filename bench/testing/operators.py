"""The rules of the operator contract, one function each; what runs them is :mod:`bench.testing`."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.operators import Operator
from bench.operators.noise import Noise
from bench.operators.shared.chain import Chain, without_noise
from bench.seeding import stream

#: Linearity and the dot test hold to this, relative to the norms.
TOLERANCE = 1e-5


@dataclass(frozen=True)
class NotApplicable:
    """A rule that has nothing to hold here; why."""

    why: str


#: What a rule that holds has measured.
Figure = float | str | None | NotApplicable


class Broken(Exception):
    """A rule that does not hold; its text is the figure."""


@dataclass(frozen=True)
class Case:
    """An operator for one image shape, with images to try it on."""

    operator: Operator
    seed: int = 0

    @cached_property
    def x(self) -> Tensor:
        """Three 8-bit images as intensities."""
        shape = 3, *self.operator.image_shape
        levels = torch.randint(256, shape, generator=stream("cpu", self.seed, "images"))
        return levels.float() / 255

    def measure(self, x: Tensor | None = None, seed: int = 1) -> Tensor:
        """A measurement of ``x`` with the generator's seed given."""
        x = self.x.clone() if x is None else x
        return self.operator.forward(x, torch.Generator(x.device).manual_seed(seed))

    @cached_property
    def random(self) -> bool:
        """Whether measurements differ with the generator's seed."""
        return not same(self.measure(seed=1), self.measure(seed=2))

    @cached_property
    def quiet(self) -> "Case":
        """The same without the parts of a chain that only add noise: what linearity is asked of."""
        return Case(without_noise(self.operator), self.seed)

    def normal(self, shape: Sequence[int], dtype: torch.dtype, name: str) -> Tensor:
        """Standard normal numbers."""
        return torch.randn(3, *shape, generator=stream("cpu", self.seed, name), dtype=dtype)

    def backward(self) -> Iterator[tuple[str, Callable[[Tensor], Tensor], tuple[int, ...]]]:
        """The maps from measurements that the operator defines, and the shapes they must give."""
        yield "as_image", self.operator.as_image, ()
        for method in ("inverse", "adjoint"):
            if self.operator.can(method):
                yield method, getattr(self.operator, method), self.operator.image_shape

    @property
    def types(self) -> list[torch.dtype]:
        """float32, and float64 where the operator keeps it."""
        try:
            double = self.measure(self.x.double()).dtype == torch.float64
        except RuntimeError:
            double = False
        return [torch.float64, torch.float32] if double else [torch.float32]


def _measures(case: Case) -> None:
    """One float32 measurement per image, of the shape that the operator says."""
    _hold_shape("forward", case.measure(), (3, *case.operator.measurement_shape))


def _shows(case: Case) -> None:
    """as_image gives images of the image's size; inverse and adjoint give images."""
    y = case.measure()
    for name, method, shape in case.backward():
        result = method(y.clone())
        _hold_shape(name, result, (3, *(shape or (result.shape[1], *case.operator.image_shape[-2:]))))


def _one_by_one(case: Case) -> Figure:
    y = case.measure()
    maps = [(name, method, y) for name, method, _ in case.backward()]
    if not case.random:
        maps.append(("forward", case.measure, case.x))
    worst = 0.0
    for name, method, values in maps:
        whole = method(values.clone())
        single = torch.cat([method(values[i : i + 1].clone()) for i in range(len(values))])
        worst = max(worst, _hold(f"{name} of a batch and one by one", _distance(single, whole), 1e-5))
    return worst


def _same_seed(case: Case) -> Figure:
    if not same(case.measure(), case.measure()):
        raise Broken("two measurements with generators of one seed differ")
    return "random" if case.random else "deterministic"


def _own_randomness(case: Case) -> None:
    results = []
    for seed in (1, 2):
        seed_everything(seed)
        before = random_states()
        results.append(case.measure())
        if changed := [name for name, state in random_states().items() if state != before[name]]:
            raise Broken(f"forward draws from the global generator of {' and '.join(changed)}")
    if not same(*results):
        raise Broken("forward depends on a global random state")


def _input_kept(case: Case) -> None:
    x = case.x.clone()
    y = case.measure(x)
    if not torch.equal(x, case.x):
        raise Broken("forward modifies its input")
    for name, method, _ in case.backward():
        given = y.clone()
        method(given)
        if not same(given, y):
            raise Broken(f"{name} modifies its input")


def _devices(case: Case) -> Figure:
    devices = [torch.device("cuda")] if torch.cuda.is_available() else []
    for device in devices:
        y = case.measure(case.x.to(device))
        hold_device("a measurement", y, device, None if case.random else case.measure())
        here = y.cpu()
        for name, method, _ in case.backward():
            hold_device(name, method(y.clone()), device, method(here.clone()))
    return ", ".join(["cpu", *map(str, devices)])


def _linear(case: Case) -> Figure:
    case = case.quiet
    if not case.operator.linear:
        return NotApplicable("it is not linear")
    worst = 0.0
    for dtype in case.types:
        x, z = (case.normal(case.operator.image_shape, dtype, name) for name in "xz")
        together, apart = case.measure(2 * x - 3 * z), 2 * case.measure(x) - 3 * case.measure(z)
        worst = max(worst, _hold(f"error in {dtype}", _distance(together, apart), TOLERANCE))
    return worst


def _adjoint(case: Case) -> Figure:
    case = case.quiet
    if not case.operator.linear:
        return NotApplicable("it is not linear")
    if not case.operator.can("adjoint"):
        raise Broken("a linear operator defines adjoint")
    worst = 0.0
    for dtype in case.types:
        x = case.normal(case.operator.image_shape, dtype, "x")
        y = case.normal(case.operator.measurement_shape, dtype, "y")
        ax, aty = case.measure(x), case.operator.adjoint(y.clone())
        gap = abs(float((ax.double() * y).sum() - (x * aty.double()).sum()))
        scale = float(ax.double().norm() * y.double().norm())
        worst = max(worst, _hold(f"<Ax, y> - <x, A*y> in {dtype}", gap / max(scale, 1e-30), TOLERANCE))
    return worst


def _exact(case: Case) -> Figure:
    if not case.operator.exact_inverse:
        return NotApplicable("not claimed")
    wrong = case.operator.inverse(case.measure()) != case.x
    if wrong.any():
        raise Broken(f"{float(wrong.double().mean()):.1%} of the values come back wrong")
    return "exact"


def _chains(case: Case) -> None:
    """Noise may follow any measurement and come before."""
    first, image_shape = case.operator, case.operator.image_shape
    after = Case(Chain([first, Noise(first.measurement_shape, sigma=0.01)]), case.seed)
    before = Case(Chain([Noise(image_shape, sigma=0.01), first]), case.seed)
    for chained in (after, before):
        _measures(chained)
        _shows(chained)


def _finite(case: Case) -> None:
    for level in (0.0, 1.0):
        y = case.measure(torch.full_like(case.x, level))
        if not torch.isfinite(y).all():
            raise Broken(f"the measurement of x = {level:g} has {int((~torch.isfinite(y)).sum())} values "
                         "that are not finite")  # fmt: skip
        image = case.operator.as_image(y)
        if not torch.isfinite(image).all():
            raise Broken(f"as_image of the measurement of x = {level:g} is not finite")


OPERATOR_RULES: dict[str, Callable[[Case], Figure]] = {
    "forward gives float32 measurements (B, *measurement_shape)": _measures,
    "as_image, inverse and adjoint give float32 images": _shows,
    "a batch is measured as its images one by one": _one_by_one,
    "one seed of the generator gives one measurement": _same_seed,
    "no randomness outside the generator": _own_randomness,
    "inputs are not modified": _input_kept,
    "runs on every device present": _devices,
    "linear": _linear,
    "adjoint passes the dot test": _adjoint,
    "inverse is exact": _exact,
    "chains with noise before and after": _chains,
    "finite for x = 0 and x = 1": _finite,
}


def _hold_shape(name: str, result: Any, shape: tuple[int, ...]) -> None:
    if not isinstance(result, Tensor):
        raise Broken(f"{name} returns a {type(result).__name__}, not a tensor")
    if tuple(result.shape) != shape or result.dtype != torch.float32:
        raise Broken(f"{name} returns {tuple(result.shape)} {result.dtype}, not {shape} torch.float32")


def hold_device(name: str, there: Tensor, device: torch.device, here: Tensor | None) -> None:
    """Hold a result on ``device`` to where it lies and, unless it is random, to the CPU's."""
    if there.device.type != device.type:
        raise Broken(f"{name} of what is on {device} lies on {there.device}")
    if here is not None:
        _hold(f"{name}, difference between cpu and {device}", _distance(there.cpu(), here), 1e-4)


def _hold(name: str, value: float, most: float) -> float:
    """``value``, unless it is more than ``most``."""
    if not value <= most:
        raise Broken(f"{name}: {value:.2e}, more than {most:g}")
    return value


def _distance(a: Tensor, b: Tensor) -> float:
    """``|a - b| / |b|``; equal values count as equal even where they are not finite."""
    if a.shape != b.shape:
        return float("inf")
    gap = torch.where(a == b, 0, (a - b).double())
    return 0.0 if same(a, b) else float(gap.norm() / b.double().norm().clamp_min(1e-30))


def same(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors are equal, NaN counting as equal to NaN."""
    return a.shape == b.shape and bool(((a == b) | (a.isnan() & b.isnan())).all())


def random_states() -> dict[str, bytes | object]:
    """The global random states of torch, NumPy and Python."""
    states: dict[str, bytes | object] = {"torch": torch.get_rng_state().numpy().tobytes()}
    states["numpy"] = str(np.random.get_state())
    states["random"] = random.getstate()
    return states


def seed_everything(seed: int) -> None:
    """Set the global random states of torch, NumPy and Python."""
    torch.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)
