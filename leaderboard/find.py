"""Runs and methods by what people call them."""

from collections.abc import Sequence
from pathlib import Path

from bench.errors import UsageError
from bench.leaderboard.groups import Group, Method
from bench.leaderboard.loading import Loaded
from bench.leaderboard.ranking import Ranking
from bench.leaderboard.table import Board
from bench.runs.record import Record


def run(loaded: Loaded, name: str) -> Record:
    """The run whose name begins with ``name``; a path to its folder serves too.

    Raises:
        UsageError: there is none, or there are several; the message lists them.
    """
    wanted = Path(name).name if "/" in name else name
    found = [r for r in loaded.records if r.fingerprint.startswith(wanted)] if wanted else []
    exact = [r for r in found if r.fingerprint == wanted]
    if len(exact or found) == 1:
        return (exact or found)[0]
    if found:
        raise UsageError(f"{name!r} fits {len(found)} runs; give more of the name:\n{_listed(found)}")
    left_out = [line for line in loaded.skipped if wanted and line.startswith(wanted)]
    if left_out:
        raise UsageError(f"run {left_out[0]} cannot be used")
    raise UsageError(f"no run is called {name!r}; there are:\n{_listed(loaded.records)}")


def _listed(records: Sequence[Record], most: int = 12) -> str:
    lines = [
        f"  {r.fingerprint}  {r.spec.model.label} on {r.operator}, {r.spec.dataset.label}, seed {r.spec.seed}"
        for r in records[:most]
    ]
    more = [f"  and {len(records) - most} more"] if len(records) > most else []
    return "\n".join([*lines, *more]) or "  none yet: bench run records them"


def ranking(board: Board, operator: str | None, dataset: str | None) -> Ranking:
    """The one problem of an operator and a dataset; either may be left out where it is not needed.

    Raises:
        UsageError: there is none, or there are several; the message lists them.
    """
    groups = [r.group for r in board.rankings]
    found = [
        r
        for r in board.rankings
        if operator in (None, r.group.operator) and dataset in (None, r.group.dataset)
    ]
    found = [r for r in found if r.group.entries] or found
    if len(found) == 1:
        return found[0]
    asked = " and ".join(
        filter(None, [operator and f"operator {operator}", dataset and f"dataset {dataset}"])
    )
    if not found:
        raise UsageError(f"no recorded runs of {asked}; there are:\n{_titles(groups)}")
    raise UsageError(f"choose one with --operator and --dataset:\n{_titles([r.group for r in found])}")


def _titles(groups: Sequence[Group]) -> str:
    return "\n".join(f"  {g.title}" for g in groups) or "  none yet: bench run records them"


def method(group: Group, name: str) -> Method:
    """The method of a group by its label, its model's name, or the beginning of a run's name.

    Raises:
        UsageError: there is none, or there are several; the message lists them.
    """
    tests = (
        lambda e: e.label == name,
        lambda e: e.first.spec.model.label == name,
        lambda e: e.first.spec.model.label.partition(":")[0] == name,
        lambda e: any(r.fingerprint.startswith(name) for r in e.records),
    )
    for fits in tests:
        found = [e for e in group.entries if fits(e)]
        if len(found) == 1:
            return found[0]
        if found:
            labels = "\n".join(f"  {e.label}  (run {e.first.fingerprint})" for e in found)
            raise UsageError(f"{name!r} fits {len(found)} methods on {group.title}:\n{labels}")
    there = ", ".join(e.label for e in group.entries) or "none"
    raise UsageError(f"no method {name!r} with scores on {group.title}; there are: {there}")
