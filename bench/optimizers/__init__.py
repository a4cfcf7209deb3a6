"""Optimisers and schedules from a recipe: those of ``torch.optim`` by name, others by file or from plug-ins.

A file holds one class derived from ``torch.optim.Optimizer``, which takes ``params`` and ``lr`` and whatever
parameters it has besides.
"""

import inspect
from collections.abc import Callable, Iterable
from typing import Any, get_origin

from torch import Tensor, optim
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ConstantLR, CosineAnnealingLR, LRScheduler, OneCycleLR

from bench import registry, torch_names
from bench.component import Component
from bench.errors import UsageError
from bench.parameters import check_parameters
from bench.plugins import in_plugin
from bench.recipe import Recipe

#: What the harness fills in itself, from the network and from ``--lr``.
_FILLED_IN = ("self", "params", "lr")


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
    torch_names.check_optimizer(recipe.optimizer)
    component = Component.parse(recipe.optimizer)
    own = own_optimizers(recipe.optimizer)
    names = torch_names.optimizers()
    kind = registry.optimizers.load(own[0].name) if own else getattr(optim, names[component.name.lower()])
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
        named = {
            n.lower(): n for n in registry.optimizers.entries() if n.lower() not in torch_names.optimizers()
        }
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


def _pair(value: Any, parameter: inspect.Parameter | None) -> Any:
    """``betas=0.9,0.99`` as two numbers, where two are taken."""
    several = parameter is not None and get_origin(parameter.annotation) is tuple
    return tuple(value.split(",")) if several and isinstance(value, str) else value
