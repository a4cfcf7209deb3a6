"""Figures that other people published, beside our rows of the same problem and protocol: one TOML a dataset.

They are rows of their own kind: they carry their source, and are never ranked with ours, because neither
their images' scores nor their trainings are known here.
"""

import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from bench.leaderboard.groups import Group

ROOM = Path(__file__).parent
#: Parameters that say where a dataset lies, not which images it has.
PLACES = frozenset({"root", "path", "download"})

Filled = Annotated[str, Field(min_length=1)]


def _web(address: str) -> str:
    if not address.startswith("https://"):
        raise ValueError("must begin with https://")
    return address


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Figure(_Strict):
    """One published row.

    Attributes:
        method: as its authors call it.
        scores: metric to value, in the metric's unit.
        source: where it was read.
        url: of the source.
        protocol: how it was scored, in words.
        caveats: what differs from ours, or is not known.
    """

    method: Filled
    scores: dict[str, float] = Field(min_length=1)
    source: Filled
    url: Annotated[str, AfterValidator(_web)]
    protocol: Filled
    caveats: str = ""


class Table(_Strict):
    """Published rows of one problem.

    Attributes:
        operators: chains that it stands beside, as tables show them; ``recorded``: the dataset's own.
        parameters: of the dataset, besides where it lies; other images are another problem.
        protocol: ours that scores as theirs did.
        scored: that protocol in their words.
        source: of all rows that name none.
        url: likewise.
        caveats: likewise.
        figures: the rows: ``method``, scores by the name of the metric, and what differs from the table.
    """

    operators: list[str] = Field(min_length=1)
    parameters: dict[str, Any] = {}
    protocol: Filled
    scored: Filled
    source: Filled
    url: Annotated[str, AfterValidator(_web)]
    caveats: str = ""
    figures: list[dict[str, str | float]] = Field(min_length=1)

    def rows(self) -> Iterator[Figure]:
        """The figures, each with its source."""
        for figure in self.figures:
            scores = {name: value for name, value in figure.items() if not isinstance(value, str)}
            own = {name: value for name, value in figure.items() if isinstance(value, str)}
            said = {"source": self.source, "url": self.url, "protocol": self.scored, "caveats": self.caveats}
            yield Figure.model_validate({**said, **own, "scores": scores})


class Published(_Strict):
    """A file: all tables of one dataset."""

    dataset: Filled
    tables: list[Table] = Field(min_length=1)


@cache
def published() -> tuple[Published, ...]:
    """Every file of the room.

    Raises:
        ValueError: a file without a source, or with a key that does not belong.
    """
    files = sorted(ROOM.glob("*.toml"))
    return tuple(Published.model_validate(tomllib.loads(f.read_text(encoding="utf-8"))) for f in files)


def beside(group: Group) -> list[Figure]:
    """The published figures of a group's problem and protocol, best PSNR first; none of other problems'."""
    if not group.records:
        return []
    spec = group.records[0].spec
    asked = {name: value for name, value in spec.dataset.params.items() if name not in PLACES}
    found = [
        figure
        for file in published()
        for table in file.tables
        if file.dataset == spec.dataset.name
        and spec.operator_label in table.operators
        and table.parameters == asked
        and table.protocol == spec.protocol
        for figure in table.rows()
    ]
    return sorted(found, key=lambda figure: -figure.scores.get("psnr", 0.0))
