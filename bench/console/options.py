"""Options that several commands have; those of a recipe are the fields of :class:`bench.recipe.Recipe`."""

import inspect
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_origin, get_type_hints

import typer

from bench.console import completion
from bench.errors import UsageError
from bench.outline import described
from bench.recipe import Recipe

PANEL = "Recipe (default: the preset's; under quick, a model's own goes first)"

Command = TypeVar("Command", bound=Callable[..., Any])


def folder(text: str | Path) -> Path:
    """The folder of an option; empty text is no folder, not the current one."""
    if not str(text).strip():
        raise UsageError("the folder is empty text; name one, or write . for the current one")
    return Path(text)


def _operator(text: str) -> Any:
    return typer.Option("--operator", "-o", metavar="NAME", autocompletion=completion.operators, help=text)


def _model(text: str) -> Any:
    return typer.Option("--model", "-m", metavar="NAME", autocompletion=completion.models, help=text)


def _dataset(text: str) -> Any:
    return typer.Option("--dataset", "-d", metavar="NAME", autocompletion=completion.datasets, help=text)


Operators = Annotated[list[str] | None, _operator("name:key=value, a+b, or a .py; repeatable.")]
Models = Annotated[list[str] | None, _model("name:key=value, or a .py file; repeatable.")]
Datasets = Annotated[list[str] | None, _dataset("name:key=value, or a .py file; repeatable (photos).")]
OneOperator = Annotated[str, _operator("name:key=value, a+b, or a .py file.")]
OneDataset = Annotated[str, _dataset("name:key=value, or a .py file.")]
OtherOperators = Annotated[list[str] | None, _operator("Test on this one; repeatable (the run's).")]
OtherDatasets = Annotated[list[str] | None, _dataset("Test on this one; repeatable (the run's).")]
#: Of what is recorded.
ShownOperator = Annotated[str | None, _operator("Only this operator, as the table names it.")]
ShownDataset = Annotated[str | None, _dataset("Only this dataset, as the table names it.")]
RunName = Annotated[
    str,
    typer.Argument(
        autocompletion=completion.runs,
        help="The run's name, or its beginning; or its method's, where that has one run.",
    ),
]
Grid = Annotated[
    list[str] | None,
    typer.Option(
        metavar="VALUES",
        help="Values of a parameter, a problem or method each: ct.angles=15,30; repeatable.",
    ),
]
Protocol = Annotated[
    str | None,
    typer.Option(
        autocompletion=completion.ways_of_scoring,
        help="How images are scored: a name, or a .toml file (the dataset's own).",
    ),
]
Metrics = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        autocompletion=completion.metrics,
        help="One more metric: name:key=value, or a .py file; repeatable.",
    ),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:1.")]
Results = Annotated[Path, typer.Option(parser=folder, metavar="FOLDER", help="Folder of the run records.")]
Force = Annotated[bool, typer.Option("--force", help="Run again what has a record.")]
Jobs = Annotated[int, typer.Option(min=1, help="Runs at a time, each in a process of its own.")]
Threads = Annotated[int | None, typer.Option(help="Cores for each run (all of them, shared among the jobs).")]
Timeout = Annotated[
    float | None, typer.Option(help="Seconds after which a run is stopped, and counts as failed.")
]
Scheduler = Annotated[str | None, typer.Option(help="Work on a Dask cluster: tcp://host:8786.")]
BatchFile = Annotated[
    Path | None, typer.Option(help="Work as jobs of SLURM (or another system): a .toml file.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Only show what would run, and about how long it would take.")
]
Trusted = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME", help="A .py file, plug-in, dataset, file or folder that may be used; repeatable."
    ),
]
RankBy = Annotated[str, typer.Option(help="Metric; -name for one of your own that is better lower.")]


def recipe_options(command: Command) -> Command:
    """Give a command with ``**recipe`` one option for each field of the recipe, with its description."""
    signature, hints = inspect.signature(command), get_type_hints(Recipe)
    texts = described(inspect.getdoc(Recipe) or "", "Attributes")
    own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    options = []
    for field in fields(Recipe):
        # What a Literal allows is checked with all other values, in one message.
        kind = str if get_origin(hints[field.name]) is Literal else hints[field.name]
        text = texts[field.name].replace("``", "")
        option = typer.Option(help=text, rich_help_panel=PANEL)
        annotation = Annotated[kind | None, option]  # type: ignore[valid-type]
        options.append(
            inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
        )
    command.__signature__ = signature.replace(parameters=own + options)  # type: ignore[attr-defined]
    return command
