"""What trained methods achieve on problems that they were not trained on: the mismatch matrix."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from bench.component import Component, chain_label
from bench.leaderboard.estimates import Array
from bench.leaderboard.groups import Group
from bench.leaderboard.methods import Method
from bench.leaderboard.scales import Scale
from bench.spec import RunSpec, TrainedOn


@dataclass(frozen=True)
class Matrix:
    """One method: trained on some problems, tested on others.

    Attributes:
        method: what it is called.
        metric: what was measured.
        trained: problems that it was trained on: the rows.
        tested: problems that it was tested on: the columns.
        scores: means, ``(rows, columns)``; NaN where nothing was run.
        own: for each row the column of the same problem; None where that was not run.
    """

    method: str
    metric: Scale
    trained: tuple[str, ...]
    tested: tuple[str, ...]
    scores: Array
    own: tuple[int | None, ...]

    @property
    def behind(self) -> Array:
        """How far each mean lies behind the best of its column, in the metric's unit; 0 for the best.

        Infinite behind an exact one, and for one that failed; NaN where nothing was run.
        """
        signed = self.metric.sign * self.scores
        best = np.nanmax(np.where(np.isnan(signed), -np.inf, signed), axis=0)
        with np.errstate(invalid="ignore"):
            gaps: Array = np.where(signed == best, 0.0, best - signed)
        return gaps


#: A problem: chain, dataset, problem seed, train size.
_Problem = tuple[Hashable, Hashable, int, int | None]


def matrices(groups: Iterable[Group], metric: str = "psnr") -> list[Matrix]:
    """A matrix for every method of which a run was transferred, as many rows as trainings' problems."""
    found: dict[Hashable, dict[tuple[_Problem, _Problem], Method]] = defaultdict(dict)
    for group in groups:
        for entry in group.entries:
            spec = entry.first.spec
            if entry.role in ("model", "transfer") and metric in entry.first.scores:
                key = (spec.model, spec.recipe, spec.protocol, entry.first.numbers)
                found[key].setdefault((_learned(spec), _tested(spec)), entry)
    moved = [cells for cells in found.values() if any(m.role == "transfer" for m in cells.values())]
    made = [_matrix(_connected(cells), metric) for cells in moved]
    return sorted(made, key=lambda m: (-m.scores.size, m.method))


def _connected(cells: dict[tuple[_Problem, _Problem], Method]) -> dict[tuple[_Problem, _Problem], Method]:
    """Without trainings that were transferred nowhere and compete with none that was."""
    moved = {pair for pair, method in cells.items() if method.role == "transfer"}
    problems = {problem for pair in moved for problem in pair}
    return {(row, column): m for (row, column), m in cells.items() if row in problems and column in problems}


def _matrix(cells: dict[tuple[_Problem, _Problem], Method], metric: str) -> Matrix:
    specs: dict[_Problem, RunSpec | TrainedOn] = {}
    for (row, column), method in cells.items():
        specs.setdefault(row, method.first.spec.learned)
        specs.setdefault(column, method.first.spec)
    order = sorted(specs, key=lambda problem: _natural(specs[problem]))
    rows = [p for p in order if any(p == row for row, _ in cells)]
    columns = [p for p in order if any(p == column for _, column in cells)]
    scores = [[cells[r, c].mean(metric) if (r, c) in cells else np.nan for c in columns] for r in rows]
    first = next(iter(cells.values()))
    shared, told = _told([specs[problem] for problem in order])
    title = f"{first.first.spec.model.label}: {shared}" if shared else first.first.spec.model.label
    names = dict(zip(order, told, strict=True))
    own = tuple(columns.index(row) if row in columns else None for row in rows)
    return Matrix(
        title,
        first.scale(metric),
        tuple(names[p] for p in rows),
        tuple(names[p] for p in columns),
        np.array(scores),
        own,
    )


def _learned(spec: RunSpec) -> _Problem:
    own = spec.learned
    return own.operator, own.dataset, own.problem_seed, own.train_size


def _tested(spec: RunSpec) -> _Problem:
    return spec.operator, spec.dataset, spec.problem_seed, spec.learned.train_size


def _told(specs: Sequence[RunSpec | TrainedOn]) -> tuple[str, list[str]]:
    """What all problems share, and what tells each of them apart."""
    chains = {tuple(part.name for part in spec.operator) for spec in specs}
    if len(chains) == 1 and len({spec.operator for spec in specs}) > 1:
        shared, parts = chain_label([Component(name) for name in chains.pop()]), _parameters(specs)
    elif len(chains) == 1:
        shared, parts = chain_label(specs[0].operator), [[] for _ in specs]
    else:
        shared, parts = "", [[chain_label(spec.operator)] for spec in specs]
    if len({spec.dataset for spec in specs}) == 1:
        shared = f"{shared} on {specs[0].dataset.label}".strip()
    else:
        parts = [[*own, f"on {spec.dataset.label}"] for own, spec in zip(parts, specs, strict=True)]
    seeds = [[f"problem seed {spec.problem_seed}"] if spec.problem_seed else [] for spec in specs]
    sizes = [[f"{spec.train_size:,} images"] if spec.train_size else [] for spec in specs]
    told = [[*a, *b, *c] for a, b, c in zip(parts, seeds, sizes, strict=True)]
    return shared, [" ".join(own) or "problem seed 0" for own in told]


def _parameters(specs: Sequence[RunSpec | TrainedOn]) -> list[list[str]]:
    """The parameters in which chains of the same operators differ."""
    flat = [
        {(i, key): value for i, part in enumerate(spec.operator) for key, value in part.params.items()}
        for spec in specs
    ]
    keys = dict.fromkeys(key for own in flat for key in own)
    differing = [key for key in keys if len({str(own.get(key)) for own in flat}) > 1]
    return [[", ".join(f"{key[1]}={own.get(key, 'default')}" for key in differing)] for own in flat]


def _natural(spec: RunSpec | TrainedOn) -> tuple[object, ...]:
    """Order by names, then by their numbers as numbers: 5 before 10."""
    parts = (*spec.operator, spec.dataset)
    numbers = [float(v) for part in parts for v in part.params.values() if isinstance(v, int | float)]
    return [part.name for part in parts], numbers, chain_label(spec.operator), spec.problem_seed
