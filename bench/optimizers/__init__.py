"""Optimisers and schedules from a recipe: those of ``torch.optim`` by name, others by file or from plug-ins.

A file holds one class derived from ``torch.optim.Optimizer``, which takes ``params`` and ``lr`` and whatever
parameters it has besides.
"""

import difflib
import inspect
from collections.abc import Callable, Iterable
from typing import Any, get_origin

from torch import Tensor, optim
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ConstantLR, CosineAnnealingLR, LRScheduler, OneCycleLR

from bench import registry
from bench.component import Component
from bench.errors import UsageError
from bench.parameters import check_parameters
from bench.plugins import in_plugin
from bench.recipe import Recipe

#: What the harness fills in itself, from the network and from ``--lr``.
_FILLED_IN = ("self", "params", "lr")
#: They need the loss again and again within one step, or gradients that images do not have.
_UNFIT = ("LBFGS", "SparseAdam")


def make_optimizer(parameters: Iterable[Tensor], recipe: Recipe) -> Optimizer:
    """The recipe's optimiser: ``adam``, ``sgd:momentum=0.9,nesterov=true``, ``./lion.py:betas=0.9,0.99``.

    Raises:
        UsageError: nothing has that name, or it refuses the parameters.
    """
    kind, values = find_optimizer(recipe)
    try:
        return kind(parameters, lr=recipe.lr, **values)
    except (TypeError, ValueError) as error:
        raise UsageError(f"optimizer {recipe.optimizer}: {error}{in_plugin(error)}") from error


def find_optimizer(recipe: Recipe) -> tuple[Callable[..., Optimizer], dict[str, Any]]:
    """Class and parameters that a recipe means, with its weight decay.

    Raises:
        UsageError: as of :func:`make_optimizer`.
    """
    component = Component.parse(recipe.optimizer)
    own = own_optimizers(recipe.optimizer)
    kind = registry.optimizers.load(own[0].name) if own else _of_torch(component.name)
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


def own_optimizers(text: str) -> tuple[Component, ...]:
    """The optimiser that a text names, if its code is not torch's: what a run's name covers of it."""
    component = Component.parse(text)
    name = component.name
    if not registry.is_path(name):
        named = {n.lower(): n for n in registry.optimizers.entries() if n.lower() not in _torchs()}
        name = named.get(name.lower(), "")
    return (Component(name, component.params),) if name else ()


def make_schedule(optimizer: Optimizer, recipe: Recipe, steps: int) -> LRScheduler:
    """The learning rate over ``steps`` steps; it is also asked for once after the last of them."""
    if recipe.schedule == "onecycle":
        # A momentum that was given is kept; Adam's is moved against the rate, as Smith (2018) does.
        moved = "betas" in optimizer.defaults
        return OneCycleLR(optimizer, recipe.lr, total_steps=steps + 1, cycle_momentum=moved)
    if recipe.schedule == "cosine":
        return CosineAnnealingLR(optimizer, steps)
    return ConstantLR(optimizer, factor=1.0)


def _torchs() -> dict[str, Any]:
    """The classes of torch.optim by their names in small letters."""
    return {n.lower(): getattr(optim, n) for n in dir(optim) if _usable(n)}


def _of_torch(name: str) -> Any:
    kinds = _torchs()
    if name.lower() not in kinds:
        near = difflib.get_close_matches(name.lower(), kinds, n=3)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        there = ", ".join([*kinds, *registry.optimizers.entries()])
        raise UsageError(
            f"unknown optimizer {name!r}.{hint} There are: {there}; or give the path of a .py file."
        )
    return kinds[name.lower()]


def _usable(name: str) -> bool:
    found = getattr(optim, name)
    is_one = inspect.isclass(found) and issubclass(found, Optimizer) and found is not Optimizer
    return is_one and name not in _UNFIT


def _pair(value: Any, parameter: inspect.Parameter | None) -> Any:
    """``betas=0.9,0.99`` as two numbers, where two are taken."""
    several = parameter is not None and get_origin(parameter.annotation) is tuple
    return tuple(value.split(",")) if several and isinstance(value, str) else value
