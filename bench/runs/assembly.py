"""Images, problems and models from checked components, kept for the runs that share them."""

import time
from dataclasses import replace
from functools import lru_cache
from typing import Any

import torch

from bench import registry
from bench.component import Component, chain_label, parse_chain
from bench.datasets import Splits
from bench.describe.certificate import IMAGES, certify
from bench.errors import BenchError, UsageError, reason
from bench.losses import own_losses
from bench.models import FunctionModel, Model
from bench.operators import Operator
from bench.optimizers import own_optimizers
from bench.plugins import in_plugin
from bench.problem import Problem, build_operator, check_size
from bench.registry import Registry
from bench.runs.leakage import duplicates, duplicates_kept
from bench.runs.parts import Duplicates
from bench.spec import RunSpec, check_seed


def components(spec: RunSpec) -> list[tuple[Registry, Component]]:
    """All that a spec names, each with the room where it is found; what is torch's is left out."""
    losses = own_losses(spec.recipe.loss) if spec.recipe else ()
    optimizers = own_optimizers(spec.recipe.optimizer) if spec.recipe else ()
    learned = spec.trained_on
    rooms = {
        registry.operators: (*spec.operator, *(learned.operator if learned else ())),
        registry.models: (spec.model,),
        registry.datasets: (spec.dataset, *([learned.dataset] if learned else [])),
        registry.metrics: spec.metrics,
        registry.losses: losses,
        registry.optimizers: optimizers,
    }
    return [(room, part) for room, parts in rooms.items() for part in parts]


@lru_cache(maxsize=2)
def load_images(dataset: Component) -> tuple[Splits, str]:
    """The splits of a dataset, and the SHA-256 of their content; the last two datasets are kept."""
    source = dataset.build(registry.datasets)
    try:
        splits: Splits = source.load()
    except BenchError:
        raise
    except (Exception, SystemExit) as error:
        raise BenchError(f"{dataset.label} cannot be loaded: {reason(error)}{in_plugin(error)}") from error
    if not isinstance(splits, Splits):
        kind = type(splits).__name__
        raise BenchError(f"{dataset.label}: load must return bench.datasets.Splits, not a {kind}")
    if not len(splits.train) or not len(splits.test):
        raise UsageError(
            f"{dataset.label} has {len(splits.train)} training and {len(splits.test)} test images; "
            "at least one of each is needed"
        )
    check_size(splits.image_shape, 11, "SSIM's 11x11 window")
    splits = splits.with_validation()
    return splits, splits.digest()


@lru_cache(maxsize=2)
def sized(dataset: Component, train_size: int | None, problem_seed: int) -> Splits:
    """The splits of a dataset with so many training images.

    Raises:
        UsageError: there are fewer.
    """
    images, _ = load_images(dataset)
    try:
        return images.of_size(train_size, problem_seed) if train_size else images
    except UsageError as error:
        raise UsageError(f"{dataset.label}: {error}") from error


def settled(spec: RunSpec) -> RunSpec:
    """The same run; a train size that is the whole training set is none: there is one name for it."""
    whole = spec.train_size and spec.train_size == len(load_images(spec.dataset)[0].train)
    return replace(spec, train_size=None) if whole else spec


def learned_from(spec: RunSpec) -> Splits:
    """The splits that a run's model was trained on: of a transferred one those of its source."""
    return sized(spec.learned.dataset, spec.learned.train_size, spec.learned.problem_seed)


def duplicates_in(spec: RunSpec) -> Duplicates | None:
    """Test images of a run with a copy among those it learned from; None: their values differ in kind."""
    learned = spec.learned
    return _duplicates(learned.dataset, learned.train_size, learned.problem_seed, spec.dataset)


@lru_cache(maxsize=1)
def _duplicates(
    learned: Component, train_size: int | None, problem_seed: int, tested: Component
) -> Duplicates | None:
    """Once searched for, it is kept."""
    images, (others, digest) = sized(learned, train_size, problem_seed), load_images(tested)
    if images.values != others.values:
        return None
    content = [load_images(learned)[1], str(train_size), str(problem_seed)]
    content += [digest] if learned != tested else []
    return duplicates_kept("-".join(content), lambda: duplicates(images.train, others.test, images.values))


@lru_cache(maxsize=2)
def _operator(
    parts: tuple[Component, ...], image_shape: tuple[int, ...], seed: int, dtype: torch.dtype
) -> Operator:
    """Kept, because problems differ in what is learned from more often than in what is costly to make."""
    return build_operator(parts, image_shape, seed, dtype)


@lru_cache(maxsize=2)
def load_problem(
    operator: tuple[Component, ...],
    dataset: Component,
    problem_seed: int,
    device: str,
    train_size: int | None = None,
) -> Problem:
    """The problem of checked components; the last two are kept, so that models share one operator."""
    images = sized(dataset, train_size, problem_seed)

    def build(image_shape: tuple[int, ...]) -> Operator:
        return _operator(operator, image_shape, problem_seed, images.dtype)

    built = build(images.image_shape) if operator else None
    return Problem(built, images, problem_seed, torch.device(device), build)


def problem_of(operator: str, dataset: str, seed: int) -> tuple[Problem, str]:
    """A problem on the CPU from text forms, and the operator as tables show it.

    Raises:
        UsageError: unknown names or parameters, or images that cannot be used.
    """
    check_seed("seed", seed)
    chain = tuple(part.checked(registry.operators) for part in parse_chain(operator))
    images = Component.parse(dataset).checked(registry.datasets)
    return load_problem(chain, images, seed, "cpu"), chain_label(chain)


@lru_cache(maxsize=4)
def certificate(operator: tuple[Component, ...], dataset: Component, seed: int) -> dict[str, Any]:
    """What ``bench describe`` measures, once for all models; nothing where it would take many seconds."""
    problem = load_problem(operator, dataset, seed, "cpu")
    generator = torch.Generator().manual_seed(0)
    try:
        _, x, measuring = next(problem.test_batches())
        started = time.perf_counter()
        measuring.measure(x[:1], generator)
        if time.perf_counter() - started > 2:
            return {}
        started = time.perf_counter()  # what is made once does not count
        measuring.measure(x[:IMAGES], generator)
        if time.perf_counter() - started > 0.1:
            return {}
        return {"certificate": certify(problem).to_json()}
    except Exception as error:
        return {"certificate": {"error": reason(error)}}


def build_model(component: Component, seed: int) -> Model:
    """The model that a component names, not yet fitted; a function or an ``nn.Module`` class serves too."""
    thing = registry.models.load(component.name)
    if isinstance(thing, type) and issubclass(thing, Model):
        model: Model = component.build(registry.models, seed=seed)
        return model
    return FunctionModel(thing, **component.params)


def fitting_operators(model: Model, image_shape: tuple[int, ...]) -> str:
    """Which registered operators a model works with, in a sentence."""
    names = []
    for name in registry.operators.entries():
        try:
            operator = build_operator([Component(name)], image_shape, 0)
        except (BenchError, NotImplementedError):
            continue
        if not model.fits(operator):
            names.append(name)
    return f"It works with: {', '.join(names)}." if names else "No registered operator has it."
