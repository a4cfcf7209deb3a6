"""Many runs: which ones belong together, and carrying them out: one by one, or several at a time."""

import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from bench.component import Component
from bench.errors import MismatchError
from bench.interrupts import look
from bench.runs.assembly import settled
from bench.runs.lease import LOOK, BusyError
from bench.runs.record import Record
from bench.runs.request import specify
from bench.runs.runner import Run
from bench.runs.timing import threads
from bench.spec import RunSpec
from bench.sweeps import cluster, local
from bench.sweeps.means import ALONE, Means
from bench.training import Progress

#: Run along with whatever was asked for: the floor, and the references that the operator knows.
BASELINES = ("mean", "inverse", "posterior_mean")


def plan(
    operators: Sequence[str],
    models: Sequence[str],
    dataset: str | Sequence[str],
    *,
    seeds: Sequence[int] = (0,),
    train_sizes: Sequence[int | None] = (None,),
    baselines: bool = True,
    **settings: Any,
) -> list[Run]:
    """Every operator with every model, train size and seed, and with its floor and known ceilings.

    Args:
        operators: text forms of operators, chains included.
        models: text forms of models.
        dataset: text form of the dataset, or several.
        seeds: training seeds.
        train_sizes: numbers of training images; None: all.
        baselines: whether floor and ceilings are added.
        **settings: ``preset``, ``device`` and ``changes`` of :func:`bench.runs.request.specify`.

    Raises:
        UsageError: something that was asked for cannot work; found before anything is trained.
    """
    datasets = [dataset] if isinstance(dataset, str) else dataset
    problems = list(product(datasets, operators, train_sizes, seeds))
    # Everything asked for is checked first: a mistyped model must not cost loading the data.
    asked = {
        problem: [_specify(*problem, model, settings) for model in models]
        for problem in dict.fromkeys(problems)
    }
    # What no training seed changes is one run, however many were asked for.
    checked: dict[RunSpec, Run] = {}
    runs = []
    for problem, specs in asked.items():
        for spec in map(settled, specs):
            if spec not in checked:
                checked[spec] = _checked(spec)
            runs.append(checked[spec])
        added = [name for name in BASELINES if baselines and name not in models]
        runs += _known([_specify(*problem, name, settings) for name in added])
    # Two spellings of one run are run once.
    return list({run.fingerprint: run for run in runs}.values())


def _specify(
    dataset: str, operator: str, train_size: int | None, seed: int, model: str, settings: dict[str, Any]
) -> RunSpec:
    return specify(operator, model, dataset, seed=seed, train_size=train_size, **settings)


def sweep(
    runs: Sequence[Run],
    results: Path,
    *,
    force: bool = False,
    report: Callable[[Run, Progress], None] = lambda run, progress: None,
    means: Means = ALONE,
) -> Generator[tuple[Run, Record], None, None]:
    """Carry out runs, each recorded as soon as it is done; those that fail give a record that says so.

    A run that somebody else works on is left for later; what he records is not done again.

    Args:
        runs: what to run.
        results: folder of the records.
        force: run again what has a record.
        report: called after training steps.
        means: how many at a time, with how many cores each, for how long.

    Yields:
        Each run with its record: in order where this process does them, else as they finish.
    """
    if means.in_process:
        with threads(means.share()):
            yield from _one_by_one(runs, results, force, report, means.log)
    elif means.elsewhere:
        yield from cluster.carry_out(runs, results, force, report, means)
    else:
        yield from local.carry_out(runs, results, force, report, means)


def _one_by_one(
    runs: Sequence[Run],
    results: Path,
    force: bool,
    report: Callable[[Run, Progress], None],
    log: Sequence[Component],
) -> Iterator[tuple[Run, Record]]:
    pending, busy = deque(runs), 0
    while pending:
        run = pending.popleft()

        def told(step: Progress, run: Run = run) -> None:
            look()
            report(run, step)

        try:
            record = run.execute(results, force, told, wait=False, log=log)
        except BusyError as error:
            report(run, Progress(stage=str(error)))
            pending.append(run)
            busy += 1
            if busy >= len(pending):
                time.sleep(LOOK)
            continue
        busy = 0
        yield run, record


def _checked(spec: RunSpec) -> Run:
    run = Run(spec)
    run.buildable()
    return run


def _known(specs: Sequence[RunSpec]) -> Iterator[Run]:
    """The baselines that exist for an operator: none if its own code fails."""
    for spec in map(settled, specs):
        run = Run(spec)
        try:
            if not run.buildable():
                continue
        except MismatchError:
            continue
        # Where the inverse is exact, the posterior mean is the same image again.
        if spec.model.name != "posterior_mean" or not run.problem.operator.exact_inverse:
            yield run
