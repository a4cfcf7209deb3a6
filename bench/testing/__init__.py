"""The contracts of operators and models as checks: for ``bench check``, and for anybody's own tests.

    def test_my_operator():
        bench.testing.require(bench.testing.check_operator("./my_operator.py:strength=3"))

The global random states are left as they were.
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench import registry
from bench.component import Component, parse_chain
from bench.datasets import Dataset
from bench.errors import BenchError, UsageError
from bench.metrics import Metric
from bench.models import Model
from bench.operators import Operator
from bench.problem import build_operator
from bench.testing.datasets import DATASET_RULES, Loaded
from bench.testing.metrics import METRIC_RULES, Comparison
from bench.testing.models import MODEL_RULES, Trial
from bench.testing.operators import OPERATOR_RULES, Broken, Case, Figure, NotApplicable

#: Grey, colour, odd sizes, and a larger one that is not square.
SHAPES = ((1, 16, 16), (3, 16, 16), (1, 15, 13), (3, 24, 20))
#: Operators that a model is tried on, in this order, until it fits one.
OPERATORS = ("denoising", "xor_ctr", "xor_ctr+noise:sigma=0.01", "ct:angles=12")


@dataclass(frozen=True)
class Check:
    """One rule of a contract and what came of it.

    Attributes:
        subject: what was checked, as it was named.
        rule: what must hold.
        passed: whether it holds; true where it does not apply.
        figure: the failing figure; else the worst one that was measured, or why it does not apply.
        applies: whether there was anything to hold.
    """

    subject: str
    rule: str
    passed: bool
    figure: str = ""
    applies: bool = True


def require(checks: Sequence[Check]) -> None:
    """Raise an AssertionError that lists the failed checks, if there are any."""
    failed = [f"{check.subject}: {check.rule}: {check.figure}" for check in checks if not check.passed]
    if failed:
        raise AssertionError("\n".join(failed))


def check(name: str) -> list[Check]:
    """Check an operator (chains too), model, dataset or metric by name or path, with ``name:key=value``.

    Raises:
        UsageError: nothing has that name, or a parameter is wrong.
    """
    parts = parse_chain(name)
    if len(parts) > 1:
        return check_operator(name)
    room = _room(parts[0].name)
    if room is registry.operators:
        return check_operator(name)
    if room is registry.models:
        return check_model(name)
    return check_dataset(name) if room is registry.datasets else check_metric(name)


def check_operator(
    operator: str | Callable[[tuple[int, ...]], Operator],
    shapes: Sequence[tuple[int, ...]] = SHAPES,
    seed: int = 0,
) -> list[Check]:
    """Hold an operator to its contract, for grey and colour images and odd sizes.

    It may refuse a shape with a ValueError (a factor that does not divide the size), but not all.

    Args:
        operator: as on the command line (``"ct:angles=9"``, ``"./my_operator.py"``, ``"a+b"``), or
            what returns an operator for an image shape: its class.
        shapes: image shapes ``(C, H, W)`` to try.
        seed: of images and measurements.

    Returns:
        One row per rule; its figure is the worst over all shapes.

    Raises:
        UsageError: nothing has that name, or it has no such parameter.
    """
    name = operator if isinstance(operator, str) else getattr(operator, "__name__", repr(operator))
    make = _maker(operator, seed) if isinstance(operator, str) else operator
    cases, refused = [], []
    with _random_states_kept():
        for shape in shapes:
            try:
                cases.append(Case(make(shape), seed))
            except (ValueError, BenchError) as error:
                refused.append(f"{shape}: {error}")
        if not cases:
            return [Check(name, "takes images of some shape", False, "; ".join(refused))]
        return [
            _over(name, text, rule, {str(c.operator.image_shape): c for c in cases})
            for text, rule in OPERATOR_RULES.items()
        ]


def check_model(
    model: str | Callable[[], Model], operator: str | None = None, size: int = 32, seed: int = 0
) -> list[Check]:
    """Hold a model to its contract, on a few small colour images.

    Args:
        model: as on the command line (``"unet:width=8"``, ``"./my_model.py"``), or what returns a
            model without arguments: its class.
        operator: to try it on; default: the first of ``OPERATORS`` that it fits.
        size: side of the images in pixels.
        seed: of images and training.

    Returns:
        One row per rule.

    Raises:
        UsageError: nothing has that name, or it has no such parameter.
    """
    from bench.runs.assembly import build_model

    name = model if isinstance(model, str) else getattr(model, "__name__", repr(model))
    if isinstance(model, str):
        component = Component.parse(model).checked(registry.models)
        make: Callable[[], Model] = lambda: build_model(component, seed)  # noqa: E731
    else:
        make = model
    with _random_states_kept():
        reasons = []
        for chain in [operator] if operator else OPERATORS:
            trial = Trial(make, _maker(chain, seed)((3, size, size)), seed)
            if not (reason := _misfit(make(), trial.problem.operator)):
                return [_over(name, text, rule, {chain: trial}) for text, rule in MODEL_RULES.items()]
            reasons.append(f"{chain}: {reason}")
        return [Check(name, "fits an operator", False, "; ".join(reasons))]


def check_metric(metric: str | Callable[[], Metric], seed: int = 0) -> list[Check]:
    """Hold a metric to its contract, on random colour images with noise.

    Args:
        metric: as on the command line (``"ssim"``, ``"./my_metric.py:window=7"``), or what returns a
            metric without arguments: its class.
        seed: of the images.

    Returns:
        One row per rule.

    Raises:
        UsageError: nothing has that name, or it has no such parameter.
    """
    name = metric if isinstance(metric, str) else getattr(metric, "__name__", repr(metric))
    if isinstance(metric, str):
        made: Metric = Component.parse(metric).checked(registry.metrics).build(registry.metrics)
    else:
        made = metric()
    with _random_states_kept():
        case = Comparison(made, seed)
        return [_over(name, text, rule, {"noise": case}) for text, rule in METRIC_RULES.items()]


def check_dataset(dataset: str | Callable[[], Dataset]) -> list[Check]:
    """Hold a dataset to its contract.

    Args:
        dataset: as on the command line (``"./my_data.py:path=scans.h5"``), or what returns a dataset
            without arguments.

    Returns:
        One row per rule.

    Raises:
        UsageError: nothing has that name, or it has no such parameter.
    """
    name = dataset if isinstance(dataset, str) else getattr(dataset, "__name__", repr(dataset))
    if isinstance(dataset, str):
        component = Component.parse(dataset).checked(registry.datasets)
        loaded = Loaded(lambda: component.build(registry.datasets))
    else:
        loaded = Loaded(dataset)
    with _random_states_kept():
        return [_over(name, text, rule, {"its images": loaded}) for text, rule in DATASET_RULES.items()]


def _misfit(model: Model, operator: Operator) -> str:
    try:
        return model.fits(operator)
    except BenchError:
        raise
    except Exception as error:
        return f"fits raised {type(error).__name__}: {error}"


def _maker(operator: str, seed: int) -> Callable[[tuple[int, ...]], Operator]:
    parts = [part.checked(registry.operators) for part in parse_chain(operator)]
    return lambda shape: build_operator(parts, shape, seed)


def _room(name: str) -> registry.Registry:
    """Whether a name or file is an operator's, a model's or a dataset's.

    Raises:
        UsageError: neither; what is near, and why a file holds neither.
    """
    rooms, reasons = (registry.operators, registry.models, registry.datasets, registry.metrics), []
    for room in rooms:
        there = Path(name).expanduser().is_file() if registry.is_path(name) else room.holds(name)
        try:
            if there and room.load(name):
                return room
        except UsageError as error:
            reasons.append(str(error))
    raise UsageError(" ".join(dict.fromkeys(reasons))) if reasons else registry.unknown(name, *rooms)


def _over(subject: str, text: str, rule: Callable[[Any], Figure], cases: Mapping[str, Any]) -> Check:
    """A rule on every case: the first failure, else the worst figure."""
    figures: list[Figure] = []
    for name, case in cases.items():
        try:
            figures.append(rule(case))
        except Exception as error:
            reason = str(error) if isinstance(error, Broken) else f"{type(error).__name__}: {error}"
            return Check(subject, text, False, f"{name}: {reason}")
    idle = [figure.why for figure in figures if isinstance(figure, NotApplicable)]
    if len(idle) == len(figures):
        return Check(subject, text, True, idle[0], applies=False)
    numbers = [figure for figure in figures if isinstance(figure, float)]
    words = [figure for figure in figures if isinstance(figure, str)]
    shown = f"{max(numbers):.1e}" if any(numbers) else "0" if numbers else words[0] if words else ""
    return Check(subject, text, True, shown)


@contextmanager
def _random_states_kept() -> Iterator[None]:
    states = torch.get_rng_state(), np.random.get_state(), random.getstate()
    try:
        yield
    finally:
        torch.set_rng_state(states[0])
        np.random.set_state(states[1])
        random.setstate(states[2])
