"""Losses: one file each, the file's name is the loss's name; those of ``torch.nn`` by their own names.

A loss is a function ``loss(image, truth) -> scalar``, or an ``nn.Module`` class that is called so; both
are ``(B, C, H, W)`` float32, and the scalar is a mean over the batch.
"""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

from torch import Tensor, nn

from bench import registry, torch_names
from bench.component import Component
from bench.errors import BenchError, UsageError
from bench.parameters import check_parameters

Loss = Callable[[Tensor, Tensor], Tensor]


def find_loss(text: str, data_range: float = 1.0) -> Loss:
    """The loss that a text names: ``mse``, ``SmoothL1Loss:beta=0.1``, ``./my_loss.py:weight=2``.

    Args:
        text: name and parameters.
        data_range: highest less lowest value of an image, for losses that take it.

    Raises:
        UsageError: nothing has that name, or it refuses the parameters.
    """
    torch_names.check_loss(text)
    component = Component.parse(text)
    if _is_torchs(component.name):
        return _held(_built(getattr(nn, component.name), component), component.label)
    component = component.checked(registry.losses)
    thing = registry.losses.load(component.name)
    if inspect.isfunction(thing):
        return _held(partial(thing, **component.params), component.label)
    return _held(component.build(registry.losses, data_range=data_range), component.label)


def own_losses(text: str) -> tuple[Component, ...]:
    """The loss that a text names, if its code is not torch's: what a run's name covers of it."""
    component = Component.parse(text)
    return () if _is_torchs(component.name) else (component,)


def _is_torchs(name: str) -> bool:
    return name.endswith("Loss") and not registry.is_path(name)


def _built(kind: type[nn.Module], component: Component) -> nn.Module:
    values = check_parameters(kind, component.name, component.params)
    try:
        return kind(**values)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{component.label}: {error}") from error


def _held(loss: Any, name: str) -> Loss:
    """The loss, held to giving one number."""

    def held(image: Tensor, truth: Tensor) -> Tensor:
        if isinstance(loss, nn.Module):
            loss.to(truth.device)
        value = loss(image, truth)
        if not isinstance(value, Tensor) or value.numel() != 1:
            got = f"{tuple(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
            raise BenchError(f"the loss {name} must return one number, a mean over the batch, not {got}")
        return value.reshape(())

    return held
