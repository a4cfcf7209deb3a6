"""Specs from what a person typed: names found, parameters checked, preset and device settled."""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bench import registry, torch_names
from bench.component import Component, parse_chain
from bench.errors import UsageError
from bench.recipe import PRESETS, Preset, Recipe, override
from bench.spec import RunSpec, check_seed

if TYPE_CHECKING:
    from bench.found import Found


def check_names(
    operators: Sequence[str],
    models: Sequence[str],
    datasets: Sequence[str],
    metrics: Sequence[str] = (),
    preset: str = "quick",
    protocol: str | None = None,
) -> None:
    """Refuse what is mistyped before anything is imported that takes seconds.

    Raises:
        UsageError: an unknown name or parameter.
    """
    find_preset(preset)
    _check_protocol(protocol)
    chains = [parse_chain(operator) for operator in operators if operator]
    parts = [(part, registry.operators) for chain in chains for part in chain]
    parts += [(Component.parse(model), registry.models) for model in models]
    parts += [(Component.parse(dataset), registry.datasets) for dataset in datasets]
    parts += [(Component.parse(metric), registry.metrics) for metric in metrics]
    for part, room in parts:
        part.named(room)


def check_recipe(changes: Mapping[str, Any]) -> None:
    """Refuse a loss or an optimiser that there is not, before torch is imported.

    Raises:
        UsageError: an unknown name.
    """
    if loss := changes.get("loss"):
        torch_names.check_loss(loss)
    if optimizer := changes.get("optimizer"):
        torch_names.check_optimizer(optimizer)


def check_known(names: Sequence[str]) -> None:
    """Refuse names that nothing of any kind has, before anything is imported that takes seconds.

    Raises:
        UsageError: an unknown name.
    """
    rooms = (registry.operators, registry.models, registry.datasets, registry.metrics)
    for part in (part for name in names for part in parse_chain(name)):
        if not registry.is_path(part.name) and not any(room.holds(part.name) for room in rooms):
            raise registry.unknown(part.name, *rooms)


def specify(
    operator: str,
    model: str,
    dataset: str,
    *,
    preset: str = "quick",
    seed: int = 0,
    problem_seed: int = 0,
    protocol: str | None = None,
    metrics: Sequence[str] = (),
    device: str = "auto",
    changes: Mapping[str, Any] | None = None,
    trials: int = 0,
    train_size: int | None = None,
    tuned: "Sequence[Found]" = (),
) -> RunSpec:
    """The spec of a run from its text forms, checked against signatures before anything is loaded.

    Without an operator, ``""``, the dataset brings its own; so it does without a protocol.
    Recipe values come from the preset, then (``quick`` only) from the model itself, then from ``changes``.
    A model that no training seed changes (``seeded = False``) has 0 in its spec, whatever was asked for.

    Raises:
        UsageError: an unknown name, preset, parameter, protocol or device, a seed out of range, or a value
            of the wrong type.
    """
    check_seed("seed", seed)
    for found in tuned:
        model, changes, trials = found.applied(model, changes or {}, trials)
    given = find_preset(preset)
    _check_protocol(protocol)
    component = Component.parse(model).checked(registry.models, given.parameters)
    images = specified_dataset(dataset, preset)
    source = registry.datasets.load(images.name)
    if not operator and not source.brings_operator:
        raise UsageError(
            f"{images.label} brings no operator of its own; give --operator (bench list operators shows them)"
        )
    return RunSpec(
        operator=tuple(
            part.checked(registry.operators) for part in (parse_chain(operator) if operator else ())
        ),
        model=component,
        dataset=images,
        seed=seed if getattr(registry.models.load(component.name), "seeded", True) else 0,
        problem_seed=problem_seed,
        protocol=protocol or source.protocol,
        metrics=tuple(Component.parse(metric).checked(registry.metrics) for metric in metrics),
        device=find_device(device),
        recipe=_recipe(component, given, changes or {}),
        trials=trials,
        train_size=train_size,
    )


def _check_protocol(name: str | None) -> None:
    if name:
        from bench import protocols

        protocols.find(name)


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
        # Checked all the same: a suite's recipe with a misspelt key is wrong, whoever trains.
        override(preset.recipe, changes)
        return None
    own = getattr(thing, "recipe", {}) if preset.own_recipes else {}
    recipe = override(override(preset.recipe, own), changes)
    from bench.losses import find_loss
    from bench.optimizers import find_optimizer

    find_loss(recipe.loss)
    find_optimizer(recipe)
    return recipe


def find_device(name: str) -> str:
    """``auto`` as ``cuda`` where there is a GPU, else ``cpu``; other names are checked.

    Raises:
        UsageError: no such device here.
    """
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        return "cuda" if count else "cpu"
    if not re.fullmatch(r"cpu|cuda(:[0-9]{1,4})?", name):
        raise UsageError(f"unknown device {name!r}; choose auto, cpu, cuda or cuda:1")
    if name != "cpu" and int(name.partition(":")[2] or 0) >= count:
        there = f"{count} GPUs" if count else "no GPU that torch can use"
        raise UsageError(f"device {name} was asked for, but there is {there} here; choose --device cpu")
    return name
