"""Losses: one file each, the file's name is the loss's name; those of ``torch.nn`` by their own names.

A loss is a function ``loss(image, truth) -> scalar``, or an ``nn.Module`` class that is called so; both
are ``(B, C, H, W)`` float32, and the scalar is a mean over the batch.
"""

import difflib
import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

from torch import Tensor, nn

from bench import registry
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
    component = Component.parse(text)
    if _is_torchs(component.name):
        return _held(_built(_of_torch(component.name), component), component.label)
    if not registry.is_path(component.name) and component.name not in registry.losses.entries():
        raise _unknown(component.name)
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


def _of_torch(name: str) -> type[nn.Module]:
    """A class of ``torch.nn`` whose name ends in ``Loss``."""
    found: type[nn.Module] | None = getattr(nn, name, None)
    if found is None:
        raise _unknown(name)
    return found


def _unknown(name: str) -> UsageError:
    """The error for a name that neither this room nor torch has: what is near it, and what there is."""
    own, torchs = registry.losses.entries(), [n for n in dir(nn) if n.endswith("Loss")]
    near = difflib.get_close_matches(name.lower(), {n.lower(): n for n in (*own, *torchs)}, n=3, cutoff=0.5)
    hint = f" Did you mean {' or '.join(n for n in (*own, *torchs) if n.lower() in near)}?" if near else ""
    return UsageError(
        f"unknown loss {name!r}.{hint} There are: {', '.join(own)}; those of torch.nn: {', '.join(torchs)}; "
        "or give the path of a .py file."
    )


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
