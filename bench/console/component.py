"""What there is, and one component whole, as its file documents it: ``bench list``, ``bench list ct``."""

import importlib
import inspect
import re
from collections.abc import Collection, Iterable, Iterator, Mapping

from rich.console import RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from bench import protocols, registry, torch_names
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
    "losses": registry.losses,
    "optimizers": registry.optimizers,
    "loggers": registry.loggers,
}


def listing(what: str) -> Iterator[RenderableType]:
    """Tables of one kind or of all kinds, the members of a family, or one component whole.

    Raises:
        UsageError: it is neither a kind nor the name of anything.
    """
    if what in (*ROOMS, "protocols", "all"):
        for kind in (*ROOMS, "protocols") if what == "all" else (what,):
            yield from _kind(kind, alone=kind == what)
            yield ""
        return
    if what in protocols.names():
        yield from _protocol(what)
        return
    for home, names in map(_torchs, ROOMS):
        if what in names:
            yield from _torch_class(home, what)
            return
    homes = [room for room in ROOMS.values() if _holds(room, what)]
    if not homes and is_path(what):
        homes = [room for room in ROOMS.values() if _loads(room, what)]
    if not homes:
        raise UsageError(f"{unknown(what, *ROOMS.values())} The kinds: {', '.join(ROOMS)}, protocols.")
    for room in homes:
        if what in room.all_families():
            yield f"{room.kinds} of {what}:\n" + "\n".join(room.members(what))
        else:
            yield from component(room, what)
        yield ""


def _kind(kind: str, alone: bool) -> Iterator[RenderableType]:
    """What there is of one kind, with one line each; what torch has, by name.

    Asked for alone, datasets say whether they are here, for which all of them have to be imported.
    """
    if kind == "protocols":
        yield protocols_table({name: protocols.find(name) for name in protocols.names()})
        return
    room, (home, names) = ROOMS[kind], _torchs(kind)
    entries = [*room.entries().values(), *room.families().values()]
    if entries or not names:
        yield entries_table(kind, entries, _here if alone and kind == "datasets" else None)
    if names:
        yield Text(f"{kind} of {home}: {', '.join(names)}")


def _torchs(kind: str) -> tuple[str, Collection[str]]:
    """Where in torch more of a kind are, and their names."""
    if kind == "losses":
        return "torch.nn", torch_names.losses()
    return ("torch.optim", torch_names.optimizers()) if kind == "optimizers" else ("", ())


def _torch_class(home: str, name: str) -> Iterator[RenderableType]:
    """The beginning of the documentation of a class of torch, and a table of what it takes."""
    thing = getattr(importlib.import_module(home), torch_names.optimizers().get(name, name))
    yield Text.assemble((name, "bold cyan"), (f"  {home}.{thing.__name__}", "dim"))
    yield Text((inspect.getdoc(thing) or "").partition("\n\n")[0] + "\n")
    taken = inspect.signature(thing).parameters
    yield _parameters([p for p in taken.values() if p.name not in ("params", "lr")], {})


def _here(name: str) -> str:
    from bench.console.fetching import here

    return here(name)


def _holds(room: Registry, what: str) -> bool:
    if is_path(what):
        return any(base.lower().endswith(room.kind) for base in room.find(what).outline.bases)
    return what in room.all_families() or room.holds(what)


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
    yield _parameters(outline.parameters or (), outline.described)


def _parameters(taken: Iterable[inspect.Parameter], said: Mapping[str, str]) -> RenderableType:
    """A table of what can be set, and of what the documentation says of each."""
    parameters = settable(taken)
    if not parameters:
        return Text("It takes no parameters.")
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for title in ("parameter", "type", "default"):
        table.add_column(title, no_wrap=title == "parameter")
    table.add_column("what it is", overflow="fold")
    for key, parameter in parameters.items():
        kind = "" if parameter.annotation is parameter.empty else _type(parameter.annotation)
        default = "must be given" if parameter.default is parameter.empty else str(parameter.default)
        table.add_row(*map(escape, (key, kind, default, said.get(key, "").replace("``", ""))))
    return table


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
