"""Series: methods against a number that problems, or methods, differ in, recognised from the records alone.

Runs whose specs differ in exactly one numeric parameter of an operator, a dataset or a model, in the number
of training images or in that of epochs, are points of one line.
"""

import ast
import math
import operator
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple

from bench import registry
from bench.component import Component, chain_label
from bench.leaderboard.groups import Group
from bench.leaderboard.methods import Method
from bench.parameters import FILLED_UNLESS_GIVEN
from bench.registry import Registry, is_path
from bench.runs.record import Record

#: Two values that lie so far apart are shown by their powers.
DECADE = 10.0


@dataclass(frozen=True)
class Line:
    """One method at several values.

    Attributes:
        label: what it is called.
        role: ``model``, ``floor`` or ``ceiling``.
        points: values with the method that was run there, in order.
    """

    label: str
    role: str
    points: tuple[tuple[float, Method], ...]


@dataclass(frozen=True)
class Series:
    """Methods that were run at several values of one number.

    Attributes:
        parameter: what is varied: ``ct.angles``, ``training images``, ``epochs``.
        title: what stays the same.
        lines: the methods, best at the last value first; floor and ceiling last.
        logarithmic: whether the values are shown at the distances of their powers.
    """

    parameter: str
    title: str
    lines: tuple[Line, ...]
    logarithmic: bool

    def holds(self, group: Group) -> bool:
        """Whether methods of a group are among the points."""
        own = {id(entry) for entry in group.entries}
        return any(id(method) in own for line in self.lines for _, method in line.points)

    def spread(self, metric: str) -> list[float]:
        """What an axis is made of: mean and interval of every method, once.

        A floor that is the same everywhere is one method, however often it is drawn.
        """
        methods = {id(method): method for line in self.lines for _, method in line.points}.values()
        return [v for method in methods for v in (method.mean(metric), *method.interval(metric))]

    @property
    def values(self) -> list[float]:
        """The values, in order."""
        return sorted({x for line in self.lines for x, _ in line.points})


class Place(NamedTuple):
    """A number in a record's spec: what it is called, and what is left of the spec without it."""

    parameter: str
    value: float
    title: str
    problem: Hashable
    method: Hashable
    label: str


def series(groups: Iterable[Group]) -> list[Series]:
    """The series of some groups, those with most values first.

    Of a parameter that is left at its default, the value is known for the project's own components.
    """
    methods = [(e, group) for group in groups for e in group.entries if e.role != "transfer"]
    varied = _varied(entry.first for entry, _ in methods)
    found: dict[Hashable, dict[Hashable, list[tuple[Place, Method, Group]]]] = defaultdict(dict)
    for entry, group in methods:
        for place in _places(entry.first, group, varied):
            lines = found[place.parameter, place.problem]
            lines.setdefault(place.method, []).append((place, entry, group))
    made = [one for lines in found.values() if (one := _made(list(lines.values())))]
    return sorted(made, key=lambda s: (-len(s.values), -len(s.lines), s.title, s.parameter))


def _made(lines: Sequence[list[tuple[Place, Method, Group]]]) -> Series | None:
    """A series of methods with two values or more; None where no model has as many."""
    kept = [_line(points) for points in lines if len({place.value for place, *_ in points}) > 1]
    if not any(line.role == "model" for line in kept):
        return None
    place, _, group = lines[0][0]
    values = sorted({x for line in kept for x, _ in line.points})
    roles = {line.role for line in kept}
    for own in (group.floor, group.ceiling):
        # Where methods are varied and the problem is not, these are the same everywhere.
        if own is not None and own.role not in roles and place.problem == group.title:
            kept.append(Line(own.label, own.role, tuple((x, own) for x in values)))
    kept.sort(key=lambda line: (line.role != "model", -line.points[-1][1].mean()))
    return Series(place.parameter, place.title, tuple(_named(kept)), _logarithmic(values))


def _logarithmic(values: Sequence[float]) -> bool:
    """Whether values are more evenly spread by their powers: 8, 16, 32; 10, 100, 1000."""
    if values[0] <= 0 or len(values) < 3:
        return values[0] > 0 and values[-1] >= DECADE * values[0]
    gaps = [[b - a for a, b in pairwise(found)] for found in (values, [math.log(v) for v in values])]
    plain, powers = (max(own) / min(own) for own in gaps)
    return values[-1] >= 3 * values[0] and powers < plain


def _line(points: Sequence[tuple[Place, Method, Group]]) -> Line:
    # Of several runs at one value (other code, other threads), the one with most trainings.
    best: dict[float, Method] = {}
    for place, method, _ in points:
        if place.value not in best or len(method.records) > len(best[place.value].records):
            best[place.value] = method
    labels = {method.label for _, method, _ in points}
    label = labels.pop() if len(labels) == 1 else points[0][0].label
    return Line(label, points[0][1].role, tuple(sorted(best.items(), key=lambda item: item[0])))


def _named(lines: Sequence[Line]) -> Iterator[Line]:
    """The lines, those of one label told apart by a run's name."""
    labels = [line.label for line in lines]
    for line in lines:
        own = line.points[0][1].first.fingerprint[:6]
        label = line.label if labels.count(line.label) == 1 else f"{line.label} #{own}"
        yield Line(label, line.role, line.points)


def _places(record: Record, group: Group, varied: Mapping[str, set[str]]) -> Iterator[Place]:
    """Every number that the problem or the method could be varied in."""
    spec, data = record.spec, record.data
    method = (spec.model, spec.recipe, spec.device.partition(":")[0], record.role)
    fixed = (spec.problem_seed, spec.protocol, record.numbers)
    size = f" ({spec.size_label})" if spec.size_label else ""
    label = spec.model.label
    where = f"{record.operator} on {spec.dataset.label}"
    rest: Hashable = (spec.operator, spec.dataset, fixed, data.digest, data.test_digest)
    if data.train:
        yield Place("training images", data.train, where, rest, method, label)
    for i, part in enumerate(spec.operator):
        for name, value, left in _numbers(part, registry.operators, varied):
            chain = (*spec.operator[:i], left, *spec.operator[i + 1 :])
            title = f"{chain_label(chain)} on {spec.dataset.label}{size}"
            rest = (chain, i, spec.dataset, spec.train_size, fixed, data.digest)
            yield Place(f"{part.short_name}.{name}", value, title, rest, method, label)
    for name, value, left in _numbers(spec.dataset, registry.datasets, varied):
        title, rest = (
            f"{record.operator} on {left.label}{size}",
            (spec.operator, left, spec.train_size, fixed),
        )
        yield Place(f"{spec.dataset.short_name}.{name}", value, title, rest, method, label)
    for name, value, left in _numbers(spec.model, registry.models, varied):
        yield Place(f"{name} of the model", value, group.title, group.title, (left, *method[1:]), left.label)
    if spec.recipe:
        budget = (spec.model, replace(spec.recipe, epochs=1), *method[2:])
        yield Place("epochs", spec.recipe.epochs, group.title, group.title, budget, label)


def _numbers(
    part: Component, room: Registry, varied: Mapping[str, set[str]]
) -> Iterator[tuple[str, float, Component]]:
    """Numeric parameters of a component: name, value, and the component without it."""
    for name in sorted(varied.get(part.name, ())):
        value = part.params.get(name, _default(room, part.name, name))
        if _is_number(value):
            left = {k: v for k, v in part.params.items() if k != name}
            yield name, float(value), Component(part.name, left)


def _varied(records: Iterable[Record]) -> dict[str, set[str]]:
    """Parameters that any record gives as a number, by component; seeds are names, not amounts."""
    found: dict[str, set[str]] = defaultdict(set)
    for record in records:
        for part in (*record.spec.operator, record.spec.dataset, record.spec.model):
            given = {k for k, v in part.params.items() if _is_number(v)}
            found[part.name] |= given - FILLED_UNLESS_GIVEN
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


@cache
def _default(room: Registry, name: str, parameter: str) -> float | None:
    """A default as the source of a component of the project says it; of others nothing is opened."""
    path = room.room / f"{name}.py"
    if is_path(name) or not name.isidentifier() or not path.is_file():
        return None
    from bench.outline import outline

    known = {p.name: p.default for p in outline(path, room.kind).parameters or ()}
    try:
        return _evaluated(ast.parse(str(known.get(parameter)), mode="eval").body)
    except (SyntaxError, ValueError, ZeroDivisionError):
        return None


_ARITHMETIC: dict[type, Callable[[float, float], float]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
}  # fmt: skip


def _evaluated(node: ast.expr) -> float:
    """The value of numbers and arithmetic: a default such as ``25 / 255``.

    Raises:
        ValueError: it is something else.
    """
    if isinstance(node, ast.Constant) and _is_number(node.value):
        return float(node.value)  # type: ignore[arg-type]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_evaluated(node.operand)
    if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
        return _ARITHMETIC[type(node.op)](_evaluated(node.left), _evaluated(node.right))
    raise ValueError("no number")
