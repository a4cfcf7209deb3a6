"""What there is, and one component whole, as its file documents it: ``bench list``, ``bench list ct``."""

import inspect
import re
from collections.abc import Iterator

from rich.console import RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from bench import protocols, registry
from bench.console.tables import entries_table, protocols_table
from bench.errors import UsageError
from bench.outline import Outline, described
from bench.parameters import settable
from bench.registry import Registry, is_path, unknown

ROOMS = {
    "operators": registry.operators,
    "models": registry.models,
    "datasets": registry.datasets,
    "metrics": registry.metrics,
    "loggers": registry.loggers,
}


def listing(what: str) -> Iterator[RenderableType]:
    """Tables of one kind or of all kinds, the members of a family, or one component whole.

    Raises:
        UsageError: it is neither a kind nor the name of anything.
    """
    if what in (*ROOMS, "protocols", "all"):
        for title, room in ROOMS.items():
            if what in (title, "all"):
                entries = [*room.entries().values(), *room.families().values()]
                yield entries_table(title, entries, _here if what == "datasets" else None)
                yield ""
        if what in ("protocols", "all"):
            yield protocols_table({name: protocols.find(name) for name in protocols.names()})
            yield ""
        return
    if what in protocols.names():
        yield from _protocol(what)
        return
    homes = [room for room in ROOMS.values() if _holds(room, what)]
    if not homes and is_path(what):
        homes = [room for room in ROOMS.values() if _loads(room, what)]
    if not homes:
        raise UsageError(f"{unknown(what, *ROOMS.values())} The kinds: {', '.join(ROOMS)}, protocols.")
    for room in homes:
        if what in room.families():
            yield f"{room.kind}s of {what}:\n" + "\n".join(room.members(what))
        else:
            yield from component(room, what)
        yield ""


def _here(name: str) -> str:
    from bench.console.fetching import here  # which imports every dataset

    return here(name)


def _holds(room: Registry, what: str) -> bool:
    if is_path(what):
        return any(base.lower().endswith(room.kind) for base in room.find(what).outline.bases)
    return what in room.entries() or what.partition(".")[0] in room.families()


def _loads(room: Registry, what: str) -> bool:
    try:
        room.load(what)
    except UsageError:
        return False
    return True


def _protocol(name: str) -> Iterator[RenderableType]:
    """What a protocol is, and the settings in which it differs from the plain one."""
    protocol = protocols.find(name)
    yield Text.assemble(("protocol ", "bold"), (name, "bold cyan"), f"\n{protocol.description}")
    if protocol.source:
        yield Text(f"Source: {protocol.source}")
    said = protocol.model_dump(exclude_defaults=True, exclude={"description", "source"})
    yield Text("\n".join(f"{key} = {value}" for key, value in said.items()) or "It changes no setting.")


def component(room: Registry, name: str) -> Iterator[RenderableType]:
    """The docstring of one thing, with formula, shapes and reference, and a table of its parameters."""
    entry = room.find(name)
    outline = entry.outline if entry.outline.parameters is not None else _imported(room, name)
    yield Text.assemble((f"{entry.kind} ", "bold"), (entry.name, "bold cyan"), (f"  {entry.origin}", "dim"))
    yield Text(_reflowed(re.sub(r"^Args:\n(?:[ \t]+.*\n?|\n)*", "", outline.doc, flags=re.M)) + "\n")
    parameters = settable(outline.parameters or ())
    if not parameters:
        yield Text("It takes no parameters.")
        return
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for title in ("parameter", "type", "default"):
        table.add_column(title, no_wrap=title == "parameter")
    table.add_column("what it is", overflow="fold")
    for key, parameter in parameters.items():
        kind = "" if parameter.annotation is parameter.empty else _type(parameter.annotation)
        default = "must be given" if parameter.default is parameter.empty else str(parameter.default)
        table.add_row(*map(escape, (key, kind, default, outline.described.get(key, "").replace("``", ""))))
    yield table


def _imported(room: Registry, name: str) -> Outline:
    """The outline of what only an import can tell: inherited constructors, members of a family."""
    thing = room.load(name)
    doc = inspect.getdoc(thing) or ""
    return Outline(
        thing.__name__, doc, tuple(inspect.signature(thing).parameters.values()), described=described(doc)
    )


def _type(annotation: object) -> str:
    text = annotation.__name__ if isinstance(annotation, type) else str(annotation)
    return re.sub(r"(typing\.)?Literal\[(.*)\]", lambda found: found[2].replace(", ", " | "), text)


def _reflowed(doc: str) -> str:
    """Prose in lines as long as the terminal's; formulas and lists, which are indented, as they stand."""
    return re.sub(r"(?<=\S)\n(?=\S)", " ", doc.replace("``", "")).strip()
