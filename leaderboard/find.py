"""Runs and methods by what people call them."""

from collections.abc import Callable, Sequence
from pathlib import Path

from bench.component import parse_chain
from bench.errors import UsageError
from bench.leaderboard.groups import Group
from bench.leaderboard.loading import Loaded
from bench.leaderboard.methods import Method
from bench.leaderboard.ranking import Ranking
from bench.leaderboard.table import Board
from bench.runs.record import Record


def run(board: Board | Loaded, name: str, operator: str | None = None, dataset: str | None = None) -> Record:
    """The run that a name means: the beginning of its own, its folder, or its method's if that has one run.

    Args:
        board: where it is looked for.
        name: ``3f2a``, ``results/runs/3f2a...``, ``unet`` or ``unet:width=8``.
        operator: only runs of this one.
        dataset: likewise.

    Raises:
        UsageError: there is none, or there are several; the message lists them.
    """
    loaded = board.loaded if isinstance(board, Board) else board
    wanted = Path(name).name if "/" in name else name
    records = [r for r in loaded.records if _is_of(r, operator, dataset)]
    for fits in (
        lambda r: r.fingerprint == wanted,
        lambda r: bool(wanted) and r.fingerprint.startswith(wanted),
        lambda r: r.spec.model.label == name,
        lambda r: r.spec.model.name == name,
    ):
        found = [r for r in records if fits(r)]
        if len(found) == 1:
            return found[0]
        if found:
            more = "give more of the name, or --operator, --dataset, or the name of one of these"
            raise UsageError(f"{name!r} fits {len(found)} runs; {more}:\n{_listed(found)}")
    left_out = [line for line in loaded.skipped if wanted and line.startswith(wanted)]
    if left_out:
        raise UsageError(f"run {left_out[0]} cannot be used")
    raise UsageError(f"no run is called {name!r}; there are:\n{_listed(records)}")


def _is_of(record: Record, operator: str | None, dataset: str | None) -> bool:
    operators = (record.spec.operator_label, record.operator)
    return _means(operator, *operators) and _means(dataset, record.spec.dataset.label)


def _means(name: str | None, *labels: str) -> bool:
    """Whether a name, as a table shows it or as it was typed, is one of these; None is any."""
    return name is None or name in labels or _parts(name) in map(_parts, labels)


def _parts(label: str) -> object:
    """Names and parameters of a chain, in whatever order these were typed; the text itself if it is none."""
    try:
        chain = parse_chain(label)
    except UsageError:  # words of a table: "ct (finer grid, noise 0.01)"
        return label
    return [(part.short_name, {key: str(value) for key, value in part.params.items()}) for part in chain]


def _listed(records: Sequence[Record], most: int = 12) -> str:
    lines = [
        f"  {r.fingerprint}  {r.spec.method_label} on {r.operator}, "
        f"{r.spec.dataset.label}, seed {r.spec.seed}"
        for r in records[:most]
    ]
    more = [f"  and {len(records) - most} more"] if len(records) > most else []
    return "\n".join([*lines, *more]) or "  none yet: bench run records them"


def of_group(group: Group, operator: str | None, dataset: str | None) -> bool:
    """Whether a problem is of an operator and a dataset, as the table names them or as they were typed.

    The table's whole title serves for the operator too.
    """
    whole = f"{group.dataset} ({group.note})"
    return _means(operator, group.operator, group.problem, group.title) and _means(
        dataset, group.dataset, whole
    )


def only(board: Board, operator: str) -> Board:
    """The part of a board of one operator, as the table names it or as it was typed.

    Raises:
        UsageError: there are no runs of that operator; the message says of which there are.
    """
    rankings = tuple(r for r in board.rankings if of_group(r.group, operator, None))
    if not rankings:
        there = ", ".join(dict.fromkeys(r.group.problem for r in board.rankings)) or "none"
        raise UsageError(f"no recorded run of operator {operator!r}; operators with runs: {there}")
    kept = {record.fingerprint for r in rankings for record in r.group.records}
    return Board(board.loaded, rankings, board.frame[board.frame.fingerprint.isin(kept)])


def ranking(board: Board, operator: str | None, dataset: str | None, methods: Sequence[str] = ()) -> Ranking:
    """The one problem of an operator and a dataset that has all methods; what is not needed may be left out.

    Raises:
        UsageError: there is none, or there are several; the message lists them.
    """
    groups = [r.group for r in board.rankings]
    found = [r for r in board.rankings if of_group(r.group, operator, dataset)]
    found = [r for r in found if r.group.entries] or found
    if len(found) > 1:
        found = [r for r in found if all(_has(r.group, name) for name in methods)] or found
    if len(found) == 1:
        return found[0]
    asked = " and ".join(
        filter(None, [operator and f"operator {operator}", dataset and f"dataset {dataset}"])
    )
    if not found:
        raise UsageError(f"no recorded runs of {asked}; there are:\n{_titles(groups)}")
    raise UsageError(f"choose one with --operator and --dataset:\n{_titles([r.group for r in found])}")


def _has(group: Group, name: str) -> bool:
    """Whether a name means something in a group, be it several methods."""
    return any(fits(entry, name) for fits in _FITS for entry in group.entries)


def _titles(groups: Sequence[Group]) -> str:
    return "\n".join(f"  {g.title}" for g in groups) or "  none yet: bench run records them"


_FITS: tuple[Callable[[Method, str], bool], ...] = (
    lambda method, name: method.label == name,
    lambda method, name: method.first.spec.model.label == name,
    lambda method, name: method.first.spec.model.name == name,
    lambda method, name: any(r.fingerprint.startswith(name) for r in method.records),
)


def method(group: Group, name: str) -> Method:
    """The method of a group by its label, its model's name, or the beginning of a run's name.

    Raises:
        UsageError: there is none, or there are several; the message lists them.
    """
    for fits in _FITS:
        found = [e for e in group.entries if fits(e, name)]
        if len(found) == 1:
            return found[0]
        if found:
            labels = "\n".join(f"  {e.label}  (run {e.first.fingerprint})" for e in found)
            raise UsageError(f"{name!r} fits {len(found)} methods on {group.title}:\n{labels}")
    there = ", ".join(e.label for e in group.entries) or "none"
    raise UsageError(f"no method {name!r} with scores on {group.title}; there are: {there}")
