"""Options of ``bench run`` that are the fields of :class:`bench.recipe.Recipe`, which alone says them."""

import inspect
from collections.abc import Callable
from dataclasses import fields
from typing import Annotated, Any, Literal, TypeVar, get_origin, get_type_hints

import typer

from bench.outline import described
from bench.recipe import Recipe

PANEL = "Recipe (default: the preset's; under quick, a model's own goes first)"

Command = TypeVar("Command", bound=Callable[..., Any])


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
