"""Suites: many runs that belong together, as a small TOML file.

Those that ship lie in ``bench/suites``; copy one and edit it. Keys: ``title``, ``description``,
``dataset``, ``preset``, ``seeds``, ``train_sizes``, and blocks ``[[runs]]`` with ``operators``,
``models`` and, where they differ from the suite's, ``dataset``, ``seeds``, ``train_sizes``, ``grid``,
``recipe``, ``baselines``, ``optional``. A ``[table]`` and ``[[figures]]`` say what is written when the
runs are done.
"""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bench import registry
from bench.component import Component, parse_chain
from bench.errors import UsageError
from bench.sweeps.grid import Asked, Grid, crossed, grids, meant

if TYPE_CHECKING:  # a mistyped suite is told before torch is imported
    from bench.runs.runner import Run

SUITES = files("bench") / "suites"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Block(_Strict):
    """Every operator with every model.

    Attributes:
        operators: text forms, as on the command line.
        models: text forms.
        dataset: in place of the suite's; stays when the whole suite is given another.
        seeds: in place of the suite's.
        train_sizes: in place of the suite's.
        grid: values of a parameter, one problem or method each: ``{"ct.angles" = [15, 30, 60]}``.
        recipe: values of :class:`bench.recipe.Recipe`.
        baselines: whether floor and ceilings run along.
        optional: whether the block is left out, with a message, where its data is not there.
    """

    operators: list[str] = Field(min_length=1)
    models: list[str] = Field(min_length=1)
    dataset: str | None = None
    seeds: list[int] | None = Field(None, min_length=1)
    train_sizes: list[int] | None = Field(None, min_length=1)
    grid: dict[str, list[bool | int | float | str]] = {}
    recipe: dict[str, Any] = {}
    baselines: bool = True
    optional: bool = False


class Column(_Strict):
    """A pair of columns, PSNR and SSIM, of one operator."""

    title: str
    operator: str


class Row(_Strict):
    """One model, with what was published: (PSNR, SSIM) for every column."""

    title: str
    model: str
    published: list[tuple[float, float]] = []


class TableLayout(_Strict):
    """A table in the layout of a paper, beside the paper's numbers."""

    source: str = "published"
    columns: list[Column]
    rows: list[Row]


class FigureLayout(_Strict):
    """Measurement, the models' reconstructions and the truth, of the test images that runs keep."""

    name: str = Field(pattern=r"^[\w-]+$")
    title: str
    operator: str
    models: list[str]


class Suite(_Strict):
    """What a suite file says."""

    title: str
    description: str = ""
    dataset: str = "photos"
    preset: str = "quick"
    seeds: list[int] = Field([0], min_length=1)
    train_sizes: list[int] | None = Field(None, min_length=1)
    runs: list[Block] = Field(min_length=1)
    table: TableLayout | None = None
    figures: list[FigureLayout] = []


def names() -> list[str]:
    """The suites that ship."""
    return sorted(Path(str(path)).stem for path in SUITES.iterdir() if str(path).endswith(".toml"))


def load(name: str) -> Suite:
    """A suite by name, or by the path of its file.

    Raises:
        UsageError: no such suite or file, no TOML, or keys that a suite does not have.
    """
    if name.endswith(".toml"):
        source: Any = Path(name)
    elif name in names():
        source = SUITES / f"{name}.toml"
    else:
        raise UsageError(
            f"unknown suite {name!r}. There are: {', '.join(names())}; or give the path of a .toml file."
        )
    try:
        return Suite.model_validate(tomllib.loads(source.read_text(encoding="utf-8")))
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, e['loc']))}: {e['msg'].lower()}" for e in error.errors()]
        raise UsageError(f"{name} is not a suite: {'; '.join(lines)}") from error
    except OSError as error:
        raise UsageError(f"{name}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{name} is not a TOML file: {error}") from error
    except RecursionError:
        raise UsageError(f"{name} is not a suite: its brackets are nested too deeply") from None
    except ValueError as error:  # a number of thousands of digits, a name with a null character
        raise UsageError(f"{name} is not a suite: {error}") from error


def expand(
    suite: Suite,
    *,
    dataset: str | None = None,
    preset: str | None = None,
    seeds: Sequence[int] | None = None,
    train_sizes: Sequence[int | None] | None = None,
    wanted: Sequence[Grid] = (),
    changes: Mapping[str, Any] | None = None,
    baselines: bool = True,
    **settings: Any,
) -> tuple[list["Run"], list[str]]:
    """All runs of a suite, and one message for each optional block that is left out.

    What is given here goes before the suite's own; a block's own dataset stays.

    Args:
        suite: what the file says.
        dataset: in place of the suite's.
        preset: in place of the suite's.
        seeds: training seeds, in place of all in the file.
        train_sizes: numbers of training images, in place of all in the file.
        wanted: grids beside those of the file, for the blocks that have their components.
        changes: recipe values.
        baselines: whether floor and ceilings run along, where the file does not say that they do not.
        **settings: what else :func:`bench.runs.request.specify` takes: ``device``, ``problem_seed``, ...

    Raises:
        UsageError: something in the suite cannot work; found before anything is trained.
    """
    blocks = [_crossed(block, dataset or suite.dataset, wanted) for block in suite.runs]
    if unknown := set(wanted) - {grid for _, _, used in blocks for grid in used}:
        # No block has what it names: which the message of any block says.
        crossed(Asked(*(_flat(asked[i] for _, asked, _ in blocks) for i in range(3))), unknown)
    _check_layouts(suite, [(block, asked) for block, asked, _ in blocks])
    sizes = [train_sizes or block.train_sizes or suite.train_sizes or (None,) for block in suite.runs]
    if suite.table and max(map(len, sizes)) > 1:
        raise UsageError("the suite's [table] has one row a model: it takes no more than one train size")
    from bench.sweeps.plan import plan

    runs: dict[str, Run] = {}
    left_out = []
    given = {k: v for k, v in (changes or {}).items() if v is not None}
    for (block, asked, _), own_sizes in zip(blocks, sizes, strict=True):
        try:
            planned = plan(
                *asked,
                seeds=seeds or block.seeds or suite.seeds,
                train_sizes=own_sizes,
                baselines=baselines and block.baselines,
                preset=preset or suite.preset,
                **settings,
                changes={**block.recipe, **given},
            )
        except UsageError as error:
            if not block.optional:
                raise
            left_out.append(f"left out {', '.join(block.operators)} on {block.dataset}: {error}")
            continue
        runs.update((run.fingerprint, run) for run in planned)
    if not runs:
        raise UsageError("nothing is left to run: " + "; ".join(left_out))
    return list(runs.values()), left_out


def _crossed(block: Block, dataset: str, wanted: Sequence[Grid]) -> tuple[Block, Asked, list[Grid]]:
    """A block, what its own grid and further ones make of it, and those of the further ones it has."""
    asked = crossed(Asked(block.operators, block.models, [block.dataset or dataset]), grids(block.grid))
    used = meant(asked, wanted)
    return block, crossed(asked, used), used


def _flat(parts: Iterable[Sequence[str]]) -> list[str]:
    return [text for part in parts for text in part]


def _check_layouts(suite: Suite, blocks: Sequence[tuple[Block, Asked]]) -> None:
    """Refuse a table or a figure of operators and models that no block runs: it would stay empty."""
    from bench.sweeps.plan import BASELINES

    run: dict[Any, set[Component | str]] = {}
    for block, asked in blocks:
        models = [*asked.models, *(BASELINES if block.baselines else ())]
        for operator in asked.operators:
            run.setdefault(_chain(operator), set()).update(
                key for m in models for key in (_model(m), m.partition(":")[0])
            )
    columns = suite.table.columns if suite.table else []
    shown = [(column.title, [column.operator], list[str]()) for column in columns]
    shown += [(figure.title, [figure.operator], figure.models) for figure in suite.figures]
    rows = suite.table.rows if suite.table else []
    shown += [(row.title, [column.operator for column in columns], [row.model]) for row in rows]
    for title, operators, models in shown:
        for operator in operators:
            if _chain(operator) not in run:
                raise UsageError(f"{title!r} shows operator {operator}, which no block of the suite runs")
        there = {model for operator in operators for model in run[_chain(operator)]}
        for model in models:
            if (_model(model) if ":" in model else model) not in there:
                raise UsageError(f"{title!r} shows model {model}, which no block of the suite runs there")


def _model(model: str) -> Component:
    return Component.parse(model).checked(registry.models)


def _chain(operator: str) -> tuple[Component, ...]:
    return tuple(part.checked(registry.operators) for part in parse_chain(operator))
