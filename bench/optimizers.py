"""Optimisers and schedules from a recipe: those of ``torch.optim``, by name."""

import difflib
import inspect
from collections.abc import Callable, Iterable
from typing import Any, get_origin

from torch import Tensor, optim
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ConstantLR, CosineAnnealingLR, LRScheduler, OneCycleLR

from bench.component import Component
from bench.errors import UsageError
from bench.parameters import check_parameters
from bench.recipe import Recipe

#: What the harness fills in itself, from the network and from ``--lr``.
_FILLED_IN = ("self", "params", "lr")
#: They need the loss again and again within one step, or gradients that images do not have.
_UNFIT = ("LBFGS", "SparseAdam")


def make_optimizer(parameters: Iterable[Tensor], recipe: Recipe) -> Optimizer:
    """The recipe's optimiser: ``adam``, ``sgd:momentum=0.9,nesterov=true``, or any other of torch.optim.

    Raises:
        UsageError: torch.optim has none of that name, or it refuses the parameters.
    """
    kind, values = find_optimizer(recipe)
    try:
        return kind(parameters, lr=recipe.lr, **values)
    except (TypeError, ValueError) as error:
        raise UsageError(f"optimizer {recipe.optimizer}: {error}") from error


def find_optimizer(recipe: Recipe) -> tuple[Callable[..., Optimizer], dict[str, Any]]:
    """Class and parameters that a recipe means, with its weight decay.

    Raises:
        UsageError: as of :func:`make_optimizer`.
    """
    component = Component.parse(recipe.optimizer)
    kinds = {n.lower(): getattr(optim, n) for n in dir(optim) if _usable(n)}
    if component.name.lower() not in kinds:
        near = difflib.get_close_matches(component.name.lower(), kinds, n=3)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        raise UsageError(f"unknown optimizer {component.name!r}.{hint} There are: {', '.join(kinds)}.")
    kind = kinds[component.name.lower()]
    if "lr" in component.params:
        raise UsageError(f"optimizer {recipe.optimizer}: the learning rate is --lr")
    signature = inspect.signature(kind)
    taken = {k: p for k, p in signature.parameters.items() if k not in _FILLED_IN}
    given = {k: _pair(v, taken.get(k)) for k, v in component.params.items()}
    if recipe.weight_decay:
        given.setdefault("weight_decay", recipe.weight_decay)

    def options(**values: Any) -> None: ...

    options.__signature__ = signature.replace(parameters=list(taken.values()))  # type: ignore[attr-defined]
    return kind, check_parameters(options, f"optimizer {component.name}", given)


def make_schedule(optimizer: Optimizer, recipe: Recipe, steps: int) -> LRScheduler:
    """The learning rate over ``steps`` steps; it is also asked for once after the last of them."""
    if recipe.schedule == "onecycle":
        # A momentum that was given is kept; Adam's is moved against the rate, as Smith (2018) does.
        moved = "betas" in optimizer.defaults
        return OneCycleLR(optimizer, recipe.lr, total_steps=steps + 1, cycle_momentum=moved)
    if recipe.schedule == "cosine":
        return CosineAnnealingLR(optimizer, steps)
    return ConstantLR(optimizer, factor=1.0)


def _usable(name: str) -> bool:
    found = getattr(optim, name)
    is_one = inspect.isclass(found) and issubclass(found, Optimizer) and found is not Optimizer
    return is_one and name not in _UNFIT


def _pair(value: Any, parameter: inspect.Parameter | None) -> Any:
    """``betas=0.9,0.99`` as two numbers, where two are taken."""
    several = parameter is not None and get_origin(parameter.annotation) is tuple
    return tuple(value.split(",")) if several and isinstance(value, str) else value
