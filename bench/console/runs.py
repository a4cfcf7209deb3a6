"""Runs as a person at the command line sees them: announced, with progress, then tables and paths."""

import gc
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.console.progress import announce, training_bar
from bench.console.screen import console
from bench.console.tables import forecast_table, forecast_text, results_table
from bench.errors import BenchError, Interrupted
from bench.interrupts import heeded

if TYPE_CHECKING:  # a mistyped suite is told before pandas is imported
    from bench.runs.record import Record
    from bench.runs.runner import Run
    from bench.sweeps.grid import Asked
    from bench.sweeps.means import Means


def run_pairs(
    asked: "Asked",
    settings: dict[str, Any],
    results: Path,
    force: bool,
    means: "Means",
    dry: bool,
    trials: int,
) -> None:
    """Carry out what :func:`bench.sweeps.plan.plan` makes of what was asked for; ``dry``: only say what.

    Raises:
        BenchError: a run failed; all the others are recorded.
        Interrupted: Ctrl-C.
    """
    with console.status("loading"):
        with _importing():
            from bench.sweeps.plan import plan

        runs = plan(*asked, **settings)
    if dry:
        foretell(runs, results, force, means)
    else:
        finish(carry_out(_tuned(runs, trials, results, means), results, force, means))


@contextmanager
def _importing() -> Iterator[None]:
    """Imports without the search for garbage, now and later: all stays, and it takes a tenth of a second."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def run_suite(
    name: str, settings: dict[str, Any], results: Path, force: bool, means: "Means", dry: bool, trials: int
) -> None:
    """Carry out a suite, and write the table and figures that it asks for; ``dry``: only say what it runs.

    Raises:
        BenchError: a run failed; all the others are recorded.
        Interrupted: Ctrl-C.
    """
    from bench.sweeps.suite import expand, load

    suite = load(name)  # a mistyped one is told before torch is imported
    with console.status("loading"):
        from rich.markdown import Markdown

        from bench.leaderboard.suite import write
        from bench.runs.request import specified_dataset

        runs, left_out = expand(suite, **settings)
    console.print(suite.title, style="bold", markup=False)
    for message in left_out:
        console.print(message, style="yellow", markup=False)
    if dry:
        foretell(runs, results, force, means)
        return
    records = carry_out(_tuned(runs, trials, results, means), results, force, means)
    dataset = specified_dataset(settings["dataset"] or suite.dataset, settings["preset"] or suite.preset)
    for path in write(suite, dataset.label, records, results / "suites" / Path(name).stem):
        console.print(str(path), markup=False, highlight=False, soft_wrap=True)
        if path.suffix == ".md":
            console.print(Markdown(path.read_text(encoding="utf-8")))
    finish(records)


def _tuned(runs: list["Run"], trials: int, results: Path, means: "Means") -> list["Run"]:
    """The runs with recipes tuned by so many trials each, where there is anything to tune."""
    from bench.console.tuning import tuned

    return tuned(runs, trials, results, means) if trials else runs


def foretell(runs: list["Run"], results: Path, force: bool, means: "Means") -> None:
    """What would be run, what is recorded of it, and about how long the rest would take."""
    from bench.sweeps.forecast import forecasts

    with console.status("looking at what is recorded"):
        found = forecasts(runs, results, force)
    console.print(forecast_table(found))
    console.print()
    console.print(forecast_text(found, means.jobs), markup=False, highlight=False, soft_wrap=True)


def carry_out(runs: list["Run"], results: Path, force: bool, means: "Means") -> list["Record"]:
    """Announce runs, carry them out with progress, and show what came of them."""
    import torch

    from bench.runs.provenance import hardware
    from bench.sweeps.plan import sweep

    announce(runs, results, hardware(torch.device(runs[0].spec.device)))
    done = 0 if force else sum(run.recorded(results) is not None for run in runs)
    if done:
        console.print(f"{done} of {len(runs)} runs are already recorded (--force runs them again)")
    records: list[Record] = []
    try:
        with heeded(), training_bar(len(runs)) as bar:
            finished = sweep(runs, results, force=force, report=bar.step, means=means)
            # Closed here, so that nothing runs any more when the message appears.
            with closing(finished):
                for run, record in finished:
                    records.append(kept(run, record))
                    bar.done(run, record)
    except KeyboardInterrupt:
        raise Interrupted(_interrupted(runs, records, results, force)) from None
    _show(records)
    return records


def kept(run: "Run", record: "Record") -> "Record":
    """The record of a run with what tables, captions and messages need; the rest lies in its folder."""
    from bench.runs.parts import Provenance

    spec = run.spec if run.spec == record.spec else record.spec  # one object with the plan's
    data = replace(record.data, certificate={}, duplicates=None)
    return replace(
        record, spec=spec, data=data, provenance=Provenance(), metrics={}, settings={}, sources={}, files={}
    )


def _interrupted(runs: list["Run"], records: list["Record"], results: Path, force: bool) -> str:
    """How many runs are recorded, and how the others are gone on with."""
    done = {record.fingerprint for record in records}
    if force:
        rest = "the same command with --force runs all of them again."
    else:
        # A worker may have put a record in place in the moment when it was told to stop.
        done |= {run.fingerprint for run in runs if run.recorded(results)}
        rest = "the same command goes on from the last finished epoch."
    return f"interrupted. {len(done)} of {len(runs)} runs are recorded; {rest}"


def _show(records: list["Record"]) -> None:
    """A table for each operator and dataset, then where the records lie."""
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(record.problem, []).append(record)
    for title, group in groups.items():
        console.print()
        console.print(results_table(title, group))
    console.print()
    for record in records:
        if record.folder:
            console.print(f"{record.folder}", markup=False, highlight=False, soft_wrap=True)


def finish(records: list["Record"]) -> None:
    """Exit with code 1 if a run failed, saying which and why."""
    failed = [record for record in records if record.status == "failed"]
    if failed:
        lines = [f"{r.spec.operator_label}, {r.spec.model.label}: {r.reason_and_place}" for r in failed]
        raise BenchError(f"{len(failed)} of {len(records)} runs failed\n" + "\n".join(lines))
