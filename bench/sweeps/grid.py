"""Parameters with several values: a problem, or a method, for each of them."""

import difflib
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from bench.component import Component, chain_text, parse_chain
from bench.errors import UsageError
from bench.registry import is_path

FORM = "write component.parameter=value,value, as in ct.angles=15,30,60"

Chain = tuple[Component, ...]


class Asked(NamedTuple):
    """Text forms of what is to be crossed."""

    operators: Sequence[str]
    models: Sequence[str]
    datasets: Sequence[str]


@dataclass(frozen=True)
class Grid:
    """The values that one parameter of one component takes.

    Attributes:
        component: the name of an operator, model or dataset; of a path the stem of the file will do.
        parameter: of its constructor.
        values: as on the command line; each is given once.
    """

    component: str
    parameter: str
    values: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> "Grid":
        """Read ``component.parameter=value,value``.

        Raises:
            UsageError: it does not look like that.
        """
        name, _, values = text.partition("=")
        return cls.of(name, values.split(",") if values else ())

    @classmethod
    def of(cls, name: str, values: Iterable[Any]) -> "Grid":
        """The grid of ``component.parameter`` and its values.

        Raises:
            UsageError: there is no component, no parameter or no value.
        """
        component, _, parameter = name.strip().rpartition(".")
        given = dict.fromkeys(str(value).strip() for value in values)
        if not component or not parameter.isidentifier() or (is_path(name) and parameter == "py"):
            raise UsageError(f"the grid {name!r} names no parameter of a component; {FORM}")
        if not given or "" in given:
            raise UsageError(f"the grid {name!r} has no value, or an empty one; {FORM}")
        return cls(component, parameter, tuple(given))

    def __str__(self) -> str:
        return f"{self.component}.{self.parameter}={','.join(self.values)}"

    def names(self, part: Component) -> bool:
        """Whether a component is the one that is meant."""
        return self.component in (part.name, part.short_name)

    def applied(self, chain: Chain) -> list[Chain]:
        """A chain for each value; the chain itself where the component is not in it.

        Raises:
            UsageError: the component is there twice, or the parameter has a value already.
        """
        places = [i for i, part in enumerate(chain) if self.names(part)]
        if not places:
            return [chain]
        if len(places) > 1:
            raise UsageError(
                f"{chain_text(chain)} has {self.component} {len(places)} times: the grid {self} could mean "
                "any; give each chain as an --operator of its own"
            )
        part = chain[places[0]]
        if self.parameter in part.params:
            raise UsageError(f"{part} gives {self.parameter}, and so does the grid {self}: leave one out")
        settings = [{**part.params, self.parameter: value} for value in self.values]
        made = [replace(part, params=params) for params in settings]
        return [(*chain[: places[0]], new, *chain[places[0] + 1 :]) for new in made]


def grids(given: Iterable[str] | Mapping[str, Sequence[Any]]) -> list[Grid]:
    """Grids from texts, as on the command line, or from a table of TOML.

    Raises:
        UsageError: one of them is none.
    """
    if isinstance(given, Mapping):
        return [Grid.of(name, values) for name, values in given.items()]
    return [Grid.parse(text) for text in given]


def crossed(asked: Asked, wanted: Iterable[Grid]) -> Asked:
    """What was asked for, with a text for every combination of the grids' values.

    Raises:
        UsageError: a grid's component is not there, or is both an operator and a model; or see
            :meth:`Grid.applied`.
    """
    rooms = [[parse_chain(o) if o else () for o in asked.operators]]
    rooms += [[(Component.parse(text),) for text in texts] for texts in asked[1:]]
    for grid in wanted:
        found = [i for i, chains in enumerate(rooms) if any(map(grid.names, itertools.chain(*chains)))]
        if not found:
            raise _unknown(grid, [part for chains in rooms for chain in chains for part in chain])
        if len(found) > 1:
            raise UsageError(f"the grid {grid} could mean two things that are called {grid.component}")
        rooms[found[0]] = [new for chain in rooms[found[0]] for new in grid.applied(chain)]
    return Asked(*([chain_text(chain) for chain in chains] for chains in rooms))


def meant(asked: Asked, wanted: Iterable[Grid]) -> list[Grid]:
    """Those of some grids whose component is there."""
    parts = [part for o in asked.operators if o for part in parse_chain(o)]
    parts += [Component.parse(text) for texts in asked[1:] for text in texts]
    return [grid for grid in wanted if any(map(grid.names, parts))]


def _unknown(grid: Grid, parts: Sequence[Component]) -> UsageError:
    there = dict.fromkeys(part.short_name for part in parts)
    near = difflib.get_close_matches(grid.component, there, n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    return UsageError(
        f"the grid {grid}: no operator, model or dataset of these runs is called {grid.component!r}{hint}. "
        f"There are: {', '.join(there)}."
    )
