"""Transferred runs as a person at the command line sees them: checked, carried out, and as a matrix."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.console.runs import carry_out, finish, foretell
from bench.console.screen import console
from bench.errors import UsageError
from bench.runs.request import check_names

if TYPE_CHECKING:
    from bench.runs.record import Record
    from bench.runs.runner import Run
    from bench.sweeps.means import Means


@dataclass(frozen=True)
class Wanted:
    """What trained runs are to be tested on; what is empty is as it was trained."""

    operators: Sequence[str]
    datasets: Sequence[str]
    problem_seeds: Sequence[int]
    protocol: str | None
    device: str
    trust: Sequence[str]


def transfer_runs(
    names: Sequence[str], wanted: Wanted, results: Path, force: bool, means: "Means", dry: bool
) -> None:
    """Score trained runs on other problems, and show the matrix of all that were; ``dry``: only say which.

    Raises:
        UsageError: a run that is not there, not trained or not trusted, or that fits a problem not.
        BenchError: a run failed; all the others are recorded.
        Interrupted: Ctrl-C.
    """
    check_names(wanted.operators, [], wanted.datasets, protocol=wanted.protocol)
    with console.status("loading"):
        from bench.leaderboard import find
        from bench.leaderboard.loading import load

        loaded = load(results)
        runs = _planned([find.run(loaded, name) for name in names], wanted, results)
    if dry:
        foretell(runs, results, force, means)
        return
    records = carry_out(runs, results, force, means)
    _show(records, results)
    finish(records)


def _planned(records: Sequence["Record"], wanted: Wanted, results: Path) -> list["Run"]:
    """The runs, each tried on one image.

    Raises:
        UsageError: there is nothing to run, or not all of them can work; all reasons in one message.
    """
    from bench.runs.runner import Run
    from bench.runs.transfer import misfit, targets

    specs = [spec for record in records for spec in targets(record, **asdict(wanted))]
    if not specs:
        raise UsageError(
            "that is what was trained; name another --operator, --dataset or --problem-seed to test on"
        )
    runs = [Run(spec) for spec in dict.fromkeys(specs)]
    if reasons := [reason for run in runs if (reason := misfit(run, results))]:
        raise UsageError("\n".join(dict.fromkeys(reasons)))
    return list({run.fingerprint: run for run in runs}.values())


def _show(records: Sequence["Record"], results: Path) -> None:
    """The matrices of the methods that were transferred."""
    from bench.leaderboard.table import board
    from bench.leaderboard.terminal import transfer_table
    from bench.leaderboard.transfer import matrices

    models = {record.spec.model.label for record in records}
    for matrix in matrices(r.group for r in board(results).rankings):
        if any(matrix.method.startswith(model) for model in models):
            console.print()
            console.print(transfer_table(matrix))
