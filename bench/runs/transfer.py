"""A trained run scored on another problem: nothing is trained, and its weights stay where they are."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from bench import registry
from bench.component import Component, parse_chain
from bench.errors import BenchError, MismatchError, UsageError, reason
from bench.models import Model
from bench.problem import Batch
from bench.recipe import Recipe
from bench.runs.evaluation import reconstructed
from bench.runs.fitting import Fitted, restore
from bench.runs.record import Record, runs_folder
from bench.runs.request import find_device
from bench.runs.trust import trusted
from bench.spec import RunSpec, TrainedOn
from bench.training import Progress, Trainer

if TYPE_CHECKING:
    from bench.runs.runner import Run

WEIGHTS = "model.safetensors"


def targets(
    record: Record,
    operators: Sequence[str] = (),
    datasets: Sequence[str] = (),
    problem_seeds: Sequence[int] = (),
    *,
    protocol: str | None = None,
    device: str = "auto",
    trust: Sequence[str] = (),
) -> list[RunSpec]:
    """Specs that score a trained run on every problem of those given, its own left out.

    What is not given is as it was trained. The protocol is the run's on its own dataset, else the dataset's.

    Args:
        record: the trained run, read from anywhere.
        operators: text forms of chains.
        datasets: text forms of datasets.
        problem_seeds: of key, masks and test noise.
        protocol: a way of scoring, for all of them.
        device: where models work.
        trust: what of the record's own may be used; see :func:`bench.runs.trust.trusted`.

    Raises:
        UsageError: unknown names or values, a run without weights, or one that is not trusted.
    """
    if record.spec.trained_on:
        raise UsageError(
            f"run {record.fingerprint} was not trained: it has the weights of run "
            f"{record.spec.trained_on.run}; transfer that one"
        )
    if record.status != "ok" or WEIGHTS not in record.files:
        why = f"it failed ({record.reason})" if record.status != "ok" else "its record has no weights"
        raise UsageError(f"run {record.fingerprint} cannot be transferred: {why}")
    own = trusted(record, trust, "transfer")
    learned = TrainedOn(
        record.fingerprint, record.files[WEIGHTS], own.operator, own.dataset, own.problem_seed, own.train_size
    )
    chains = [tuple(p.checked(registry.operators) for p in parse_chain(text)) for text in operators]
    sets = [Component.parse(text).checked(registry.datasets) for text in datasets]
    found = []
    for chain, dataset, seed in product(
        chains or [own.operator], sets or [own.dataset], problem_seeds or [own.problem_seed]
    ):
        if (chain, dataset, seed) == (own.operator, own.dataset, own.problem_seed):
            continue
        scoring = own.protocol if dataset == own.dataset else registry.datasets.load(dataset.name).protocol
        spec = replace(own, operator=chain, dataset=dataset, problem_seed=seed, protocol=protocol or scoring)
        found.append(replace(spec, train_size=None, device=find_device(device), trained_on=learned))
    return found


def trained(spec: RunSpec) -> RunSpec:
    """The spec of the run that a transferred one has its weights from, as far as the model is concerned."""
    learned = spec.trained_on
    assert learned is not None
    return replace(
        spec,
        operator=learned.operator,
        dataset=learned.dataset,
        problem_seed=learned.problem_seed,
        train_size=learned.train_size,
        metrics=(),
        trained_on=None,
    )


def source(spec: RunSpec, results: Path) -> Record:
    """The record of the run that a transferred one has its weights from.

    Raises:
        UsageError: it is not there, or has other weights; the message says what is needed.
    """
    learned = spec.trained_on
    assert learned is not None
    needed = f"run {learned.run} (weights of SHA-256 {learned.weights[:12]}...)"
    folder = runs_folder(results) / learned.run
    try:
        if folder.is_symlink():
            raise BenchError("it is a link, which is not followed")
        record = Record.read(folder)
    except BenchError as error:
        raise UsageError(
            f"{needed} is needed, and is not in {results} ({error}); bench merge brings records in"
        ) from error
    if record.fingerprint != learned.run or record.files.get(WEIGHTS) != learned.weights:
        raise UsageError(f"{needed} is needed; the one in {results} has other weights")
    if WEIGHTS in record.damaged():
        raise UsageError(
            f"the weights of {needed} are missing in {results}, or are not those that were written"
        )
    return record


def model(spec: RunSpec, results: Path) -> Model:
    """The model of a transferred run, as it was trained.

    Raises:
        UsageError: its source is not there, or the weights do not fit.
    """
    from bench.runs.runner import Run

    record = source(spec, results)
    assert record.folder is not None
    made = Run(trained(spec))
    try:
        restore(made, record.folder / WEIGHTS)
    except (OSError, ValueError, RuntimeError, KeyError, AttributeError) as error:
        raise UsageError(f"the weights of run {record.fingerprint} do not fit: {reason(error)}") from error
    return made.model


def fitted(run: "Run", results: Path, report: Callable[[Progress], None]) -> Fitted:
    """The model of a transferred run, ready to be scored, with what its training has cost."""
    report(Progress(stage="loading weights"))
    trainer = Trainer(run.spec.recipe or Recipe(), report)
    record = source(run.spec, results)
    made = model(run.spec, results)
    return Fitted(made, [], 0.0, trainer, {*made.uses, *record.uses}, record.budget)


def misfit(run: "Run", results: Path) -> str:
    """Why a trained model cannot reconstruct what the run measures; empty if it can.

    It is tried on one training image.

    Raises:
        UsageError: its source is not there, or operator or metrics cannot be had.
    """
    try:
        if not run.buildable():
            return ""  # the operator's own code fails: the run will say how
    except MismatchError as error:
        return str(error)
    made = model(run.spec, results)
    y, x, operator = next(run.problem.training(run.spec.seed).training_batches(1, shuffle=False))
    try:
        with torch.no_grad():
            reconstructed(made, Batch(y, x, operator), run.spec.seed)
    except (Exception, SystemExit) as error:
        learned = run.spec.trained_on
        return (
            f"{run.spec.model.label} trained on {learned.label() if learned else ''} cannot reconstruct "
            f"{run.spec.operator_label} on {run.spec.dataset.label}: {reason(error)}"
        )
    return ""
