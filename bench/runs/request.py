"""Specs from what a person typed: names found, parameters checked, preset and device settled."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from bench import registry
from bench.errors import UsageError
from bench.losses import find_loss
from bench.optimizers import find_optimizer
from bench.recipe import PRESETS, Preset, Recipe, override
from bench.spec import Component, RunSpec, parse_chain


def specify(
    operator: str,
    model: str,
    dataset: str,
    *,
    preset: str = "quick",
    seed: int = 0,
    problem_seed: int = 0,
    protocol: str = "unit",
    metrics: Sequence[str] = (),
    device: str = "auto",
    changes: Mapping[str, Any] | None = None,
) -> RunSpec:
    """The spec of a run from its text forms, checked against signatures before anything is loaded.

    Recipe values come from the preset, then (``quick`` only) from the model itself, then from ``changes``.

    Raises:
        UsageError: an unknown name, preset, parameter or device, or a value of the wrong type.
    """
    given = find_preset(preset)
    component = Component.parse(model).checked(registry.models, given.parameters)
    chain = parse_chain(operator)
    return RunSpec(
        operator=tuple(part.checked(registry.operators) for part in chain),
        model=component,
        dataset=specified_dataset(dataset, preset),
        seed=seed,
        problem_seed=problem_seed,
        protocol=protocol,
        metrics=tuple(Component.parse(metric).checked(registry.metrics) for metric in metrics),
        device=find_device(device),
        recipe=_recipe(component, given, changes or {}),
    )


def find_preset(name: str) -> Preset:
    """A preset by name.

    Raises:
        UsageError: there is none of that name.
    """
    if name not in PRESETS:
        raise UsageError(f"unknown preset {name!r}. There are: {', '.join(PRESETS)}.")
    return PRESETS[name]


def specified_dataset(dataset: str, preset: str) -> Component:
    """A dataset from its text form, with the preset's sizes where it takes them and none were given."""
    return Component.parse(dataset).checked(registry.datasets, find_preset(preset).parameters)


def _recipe(model: Component, preset: Preset, changes: Mapping[str, Any]) -> Recipe | None:
    """The preset's recipe, changed by the model's own values if the preset lets them, and the user's."""
    thing = registry.models.load(model.name)
    if not getattr(thing, "trained", True):
        return None
    own = getattr(thing, "recipe", {}) if preset.own_recipes else {}
    recipe = override(override(preset.recipe, own), changes)
    find_loss(recipe.loss)
    find_optimizer(recipe)
    return recipe


def find_device(name: str) -> str:
    """``auto`` as ``cuda`` where there is a GPU, else ``cpu``; other names are checked.

    Raises:
        UsageError: no such device here.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, index = name.partition(":")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if kind not in ("cpu", "cuda") or (index and not index.isdigit()):
        raise UsageError(f"unknown device {name!r}; choose auto, cpu, cuda or cuda:1")
    if kind == "cuda" and int(index or 0) >= count:
        there = f"{count} GPUs" if count else "no GPU that torch can use"
        raise UsageError(f"device {name} was asked for, but there is {there} here; choose --device cpu")
    return name
