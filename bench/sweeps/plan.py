"""Many runs: which ones belong together, and carrying them out one by one or on an executor."""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch

from bench.errors import MismatchError
from bench.runs.record import Record
from bench.runs.request import specify
from bench.runs.runner import Run
from bench.spec import RunSpec
from bench.training import Progress

#: Run along with whatever was asked for: the floor, and the references that the operator knows.
BASELINES = ("mean", "inverse", "posterior_mean")


def plan(
    operators: Sequence[str],
    models: Sequence[str],
    dataset: str,
    *,
    seeds: Sequence[int] = (0,),
    baselines: bool = True,
    **settings: Any,
) -> list[Run]:
    """Every operator with every model and seed, and with each operator's floor and known ceilings.

    Args:
        operators: text forms of operators, chains included.
        models: text forms of models.
        dataset: text form of the dataset.
        seeds: seeds of everything random.
        baselines: whether floor and ceilings are added.
        **settings: ``preset``, ``device`` and ``changes`` of :func:`bench.runs.request.specify`.

    Raises:
        UsageError: something that was asked for cannot work; found before anything is trained.
    """
    # Everything asked for is checked first: a mistyped model must not cost loading the data.
    asked = {
        (operator, seed, model): specify(operator, model, dataset, seed=seed, **settings)
        for operator in operators
        for seed in seeds
        for model in models
    }
    runs = []
    for operator in operators:
        for seed in seeds:
            runs += [_checked(asked[operator, seed, model]) for model in models]
            added = [name for name in BASELINES if baselines and name not in models]
            runs += list(_known(operator, added, dataset, seed, settings))
    # Two spellings of one run are run once.
    return list({run.fingerprint: run for run in runs}.values())


def sweep(
    runs: Sequence[Run],
    results: Path,
    *,
    force: bool = False,
    report: Callable[[Run, Progress], None] = lambda run, progress: None,
    executor: Executor | None = None,
) -> Iterator[tuple[Run, Record]]:
    """Carry out runs, each recorded as soon as it is done; those that fail give a record that says so.

    Args:
        runs: what to run.
        results: folder of the records.
        force: run again what has a record.
        report: called after every training step; not from an executor.
        executor: any ``concurrent.futures`` executor (processes, or a cluster's); None runs them here.

    Yields:
        Each run with its record: in order here, as they finish on an executor.
    """
    if executor is None:
        for run in runs:
            yield run, run.execute(results, force, partial(report, run))
        return
    futures = {executor.submit(_execute, run.spec, results, force): run for run in runs}
    for future in as_completed(futures):
        yield futures[future], future.result()


def _execute(spec: RunSpec, results: Path, force: bool) -> Record:
    return Run(spec).execute(results, force)


def _checked(spec: RunSpec) -> Run:
    run = Run(spec)
    run.buildable()
    return run


def _known(
    operator: str, names: Sequence[str], dataset: str, seed: int, settings: dict[str, Any]
) -> Iterator[Run]:
    """The baselines that exist for an operator: none if its own code fails."""
    for name in names:
        # What was changed for the models that train does not concern the baselines.
        run = Run(specify(operator, name, dataset, seed=seed, **settings))
        try:
            if not run.buildable():
                continue
        except MismatchError:
            continue
        # Where the inverse is exact, the posterior mean is the same image again.
        if name != "posterior_mean" or not run.problem.operator.exact_inverse:
            yield run


@contextmanager
def workers(jobs: int) -> Iterator[Executor | None]:
    """An executor of ``jobs`` processes that share the cores; None for one job."""
    if jobs == 1:
        yield None
        return
    threads = max(1, torch.get_num_threads() // jobs)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, context, torch.set_num_threads, (threads,)) as executor:
        yield executor
