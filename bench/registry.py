"""Finding operators, models, datasets and metrics by name, without importing what is not used.

A name is, in this order: a path to a ``.py`` file, a file in the room, the entry point of an
installed plug-in, or ``family.Name``: one member of a plug-in that offers many. Only
:meth:`Registry.load` imports code; what else is asked is read from the source text.
"""

import difflib
import hashlib
import importlib
import importlib.metadata
import importlib.util
import inspect
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from types import ModuleType
from typing import Any

from bench.errors import UsageError
from bench.outline import Outline, outline
from bench.plugins import guard, import_file, module_file
from bench.sources import Source, source_digest


@dataclass(frozen=True)
class Entry:
    """One thing that can be named: what it is called and where it lives.

    Attributes:
        name: what it is called.
        kind: ``operator``, ``model``, ``dataset`` or ``metric``.
        path: its file; None where an entry point names it.
        entry_point: of a plug-in.
        member: which one of a family.
        rivals: others of the same name; using any of them is an error.
    """

    name: str
    kind: str
    path: Path | None
    entry_point: EntryPoint | None = None
    member: str = ""
    rivals: tuple["Entry", ...] = ()

    @property
    def origin(self) -> str:
        """Where it lives, for people."""
        if self.entry_point is not None:
            ours = "invbench" if self.entry_point.module.startswith("bench.") else "a plug-in"
            package = self.entry_point.dist.name if self.entry_point.dist else ours
            return f"{self.entry_point.value} (package {package})"
        return str(self.path)

    @cached_property
    def source(self) -> Path | None:
        """Its file, that of an entry point's module too; None where that is not installed."""
        return self.path or module_file(self.entry_point.module if self.entry_point else "")

    @cached_property
    def outline(self) -> Outline:
        """What its file says of it, without an import."""
        attribute = self.entry_point.attr if self.entry_point else ""
        found = outline(self.source, self.kind, attribute) if self.source else Outline()
        if attribute and not found.name and self.source:  # imported from elsewhere, or made by a call
            return Outline(doc=outline(self.source, self.kind).doc)
        return found

    @property
    def summary(self) -> str:
        """First line of the docstring of its class or function, read without importing it."""
        return self.outline.summary


@cache
def entry_points(group: str) -> EntryPoints:
    """What installed packages offer under a group; they are looked through once."""
    return importlib.metadata.entry_points(group=group)


class Registry:
    """The things of one kind: those in a room, those of plug-ins, and files given by path.

    A plug-in that offers many registers one entry point: a module (or object) with ``members()``,
    their names, and ``member(name)``, the class. ``packages``, if it has that, names the distributions
    whose versions are part of what a member is.

    Args:
        kind: what one of them is called in messages (``"operator"``).
        package: the package whose files are the room (``"bench.operators"``), and the entry-point group.
        base: ``"module:Class"`` that a class must derive from.
        function: what a plain function that serves too does ("that returns a torch.nn.Module"), if one does.
        module: whether a class derived from ``torch.nn.Module`` serves too.
        families: modules of this project that offer what a package of that name has, if it is installed.
    """

    def __init__(
        self,
        kind: str,
        package: str,
        base: str,
        function: str = "",
        module: bool = False,
        families: Mapping[str, str] | None = None,
    ):
        self.kind = kind
        self.package = package
        self.group = package
        self.base = base
        self.function = function
        self.module = module
        self.own_families = families or {}

    def entries(self) -> dict[str, Entry]:
        """Every name that can be used by itself, sorted."""
        return {name: entry for name, entry in self._named().items() if not entry.outline.family}

    def families(self) -> dict[str, Entry]:
        """Plug-ins that offer many (:meth:`members`), as far as their text tells."""
        # Of this project's own, only what is installed is shown; used, they say what to install.
        families = {name: entry for name, entry in self._named().items() if entry.outline.family}
        return {
            k: v for k, v in families.items() if k not in self.own_families or importlib.util.find_spec(k)
        }

    def holds(self, name: str) -> bool:
        """Whether a name can be used by itself, or is one that a family may have."""
        return name in self.entries() or ("." in name and name.partition(".")[0] in self.families())

    def _named(self) -> dict[str, Entry]:
        """All names, sorted; things of one name are rivals."""
        found: dict[str, list[Entry]] = {}
        for path in self.room.glob("[!_]*.py"):
            found.setdefault(path.stem, []).append(Entry(path.stem, self.kind, path))
        own = [EntryPoint(name, module, self.group) for name, module in self.own_families.items()]
        for point in [*own, *entry_points(group=self.group)]:
            found.setdefault(point.name, []).append(Entry(point.name, self.kind, None, point))
        return {
            name: Entry(name, self.kind, first.path, first.entry_point, rivals=tuple(rivals))
            for name, (first, *rivals) in sorted(found.items())
        }

    @cached_property
    def room(self) -> Path:
        """The folder whose files are the built-in names."""
        spec = importlib.util.find_spec(self.package)
        if spec is None or not spec.submodule_search_locations:
            raise ModuleNotFoundError(f"the package {self.package} is missing from this installation")
        return Path(next(iter(spec.submodule_search_locations)))

    def find(self, name: str) -> Entry:
        """The entry behind a name or a path.

        Raises:
            UsageError: nothing has that name (what is near, and what there is), several have (where they
                live), or no such file.
        """
        if is_path(name):
            path = _expanded(name)
            if path is None or not path.is_file():
                raise unknown(name, self)
            return Entry(path.stem, self.kind, path.resolve())
        family, _, member = name.partition(".")
        named = self._named()
        entry = named.get(name) or named.get(family)
        if entry is None:
            raise unknown(name, self)
        if entry.rivals:
            raise UsageError(
                f"two {self.kind}s are called {entry.name!r}: {entry.origin} and {entry.rivals[0].origin}. "
                "Uninstall one, or give one of them by the path of its file."
            )
        if entry.name == name:
            return entry
        return Entry(name, self.kind, entry.path, entry.entry_point, member)

    def members(self, family: str) -> list[str]:
        """Names of all that a family offers, as they are used: ``family.Name``; it is imported.

        Raises:
            UsageError: no such family, or it fails.
        """
        entry = self.find(family)
        found = self._object(entry)
        return [f"{family}.{name}" for name in sorted(guard(entry.origin, found.members, "in members()"))]

    def digest(self, name: str) -> str:
        """SHA-256 of the code behind a name: its file, and the files of its own package that it imports.

        Raises:
            UsageError: unknown name, or no source.
        """
        entry = self.find(name)
        if entry.source is None:
            raise UsageError(f"{entry.origin}: its source is not to be found")
        if entry.entry_point is not None:
            is_package = entry.source.name == "__init__.py"
            code = source_digest(Source(entry.source, entry.entry_point.module, is_package))
        elif entry.source.parent == self.room:
            code = source_digest(Source(entry.source, f"{self.package}.{entry.source.stem}"))
        else:
            code = source_digest(entry.source)
        packages = getattr(self._object(entry), "packages", ()) if entry.member else ()
        versions = [f"{package} {importlib.metadata.version(package)}" for package in packages]
        return hashlib.sha256("\n".join([code, *versions]).encode()).hexdigest() if versions else code

    def load(self, name: str) -> Any:
        """Import and return the class (or function) behind a name.

        Raises:
            UsageError: unknown name; a file that cannot be imported, or that holds none or several.
        """
        entry = self.find(name)
        found = self._object(entry)
        if entry.member:
            return self._member(found, entry)
        if _is_family(found):
            some = ", ".join(self.members(name)[:4])
            raise UsageError(f"{name} offers many {self.kind}s; name one of them: {some}, ...")
        return self._only(found, entry) if isinstance(found, ModuleType) else self._checked(found, entry)

    def _object(self, entry: Entry) -> Any:
        """What an entry names: a module, or an entry point's object."""
        if entry.entry_point is not None:
            return guard(entry.origin, entry.entry_point.load)
        path = entry.path
        assert path is not None
        if path.parent == self.room:
            return guard(entry.origin, lambda: importlib.import_module(f"{self.package}.{path.stem}"))
        return guard(entry.origin, lambda: import_file(path))

    def _member(self, family: Any, entry: Entry) -> Any:
        name = entry.name.partition(".")[0]
        if not _is_family(family):
            raise unknown(entry.name, self)
        names = list(guard(entry.origin, family.members, "in members()"))
        if entry.member not in names:
            if why := getattr(family, "refused", {}).get(entry.member):
                raise UsageError(f"{entry.name}: {why}")
            near = difflib.get_close_matches(entry.member, names, n=3, cutoff=0.5)
            hint = f" Did you mean {' or '.join(f'{name}.{n}' for n in near)}?" if near else ""
            raise UsageError(
                f"unknown {self.kind} {entry.name!r}.{hint} bench list {name} shows all {len(names)} of them."
            )
        made = guard(entry.origin, lambda: family.member(entry.member), f"in member({entry.member!r})")
        return self._checked(made, entry)

    def _only(self, module: ModuleType, entry: Entry) -> Any:
        """The one class (or function) that a module holds."""
        members = [v for k, v in vars(module).items() if not k.startswith("_")]
        own = [m for m in members if getattr(m, "__module__", None) == module.__name__]
        found: list[Any] = [m for m in own if inspect.isclass(m) and issubclass(m, self._base_class)]
        found = found or self._others(own)
        found = [m for m in found if not inspect.isabstract(m)] or found
        if len(found) == 1:
            return self._checked(found[0], entry)
        base = self._base_class
        wanted = f"one class derived from {'bench' if base.__module__[:5] == 'bench' else 'torch.nn'}"
        wanted += f".{base.__name__}{' or torch.nn.Module' if self.module else ''}"
        if self.function:
            wanted += f" or one function {self.function}"
        held = "none" if not found else f"{len(found)} ({', '.join(m.__name__ for m in found)})"
        raise UsageError(
            f"{entry.origin}: {self._a_kind} file holds {wanted}; found {held}. "
            "Names that begin with _ do not count."
        )

    def _others(self, own: list[Any]) -> list[Any]:
        """Functions and modules that serve; those that are told the channels before helpers that are not."""
        functions = [m for m in own if self.function and inspect.isfunction(m)]
        modules = [m for m in own if inspect.isclass(m) and self._is_module(m)]
        if not modules:
            return functions
        for kind in (functions, modules):
            told = [m for m in kind if {"in_channels", "out_channels"} & set(inspect.signature(m).parameters)]
            if told:
                return told
        return functions or modules

    def _is_module(self, found: type) -> bool:
        torch = sys.modules.get("torch")  # where it was never imported there are no modules
        return self.module and torch is not None and issubclass(found, torch.nn.Module)

    def _checked(self, found: Any, entry: Entry) -> Any:
        if inspect.isclass(found) and issubclass(found, self._base_class):
            if inspect.isabstract(found):
                missing = ", ".join(sorted(getattr(found, "__abstractmethods__", ())))
                raise UsageError(f"{entry.origin}: {found.__name__} does not define {missing}.")
            return found
        if (self.function and inspect.isfunction(found)) or (
            inspect.isclass(found) and self._is_module(found)
        ):
            return found
        raise UsageError(f"{entry.origin}: {found!r} is not {self._a_kind}.")

    @property
    def _a_kind(self) -> str:
        return f"{'an' if self.kind[0] in 'aeiou' else 'a'} {self.kind}"

    @cached_property
    def _base_class(self) -> type:
        module, _, name = self.base.partition(":")
        base: type = getattr(importlib.import_module(module), name)
        return base


def is_path(name: str) -> bool:
    """Whether a name is meant as a file: it ends in ``.py`` or has a folder in it."""
    return name.endswith(".py") or "/" in name


def unknown(name: str, *rooms: Registry) -> UsageError:
    """The error for a name that is in none of ``rooms``: what is near it, and what there is."""
    kind = " or ".join(room.kind for room in rooms)
    if is_path(name):
        return UsageError(f"no such {kind} file: {name}")
    near = difflib.get_close_matches(name, {e for room in rooms for e in room.entries()}, n=3, cutoff=0.5)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    lists = [", ".join(room.entries()) for room in rooms]
    if len(rooms) > 1:
        lists = [f"{room.kind}s {names}" for room, names in zip(rooms, lists, strict=True)]
    there = "; ".join(lists)
    return UsageError(f"unknown {kind} {name!r}.{hint} There are: {there}; or give the path of a .py file.")


def _is_family(found: Any) -> bool:
    return callable(getattr(found, "members", None)) and callable(getattr(found, "member", None))


def _expanded(name: str) -> Path | None:
    """The path with ``~`` replaced; None where there is no such home, or no path can be like that."""
    try:
        path = Path(name).expanduser()
        path.is_file()
    except (RuntimeError, OSError, ValueError):
        return None
    return path


operators = Registry(
    "operator",
    "bench.operators",
    "bench.operators:Operator",
    families={"deepinv": "bench.deepinv.operators"},
)
models = Registry(
    "model",
    "bench.models",
    "bench.models:Model",
    function="that returns a torch.nn.Module",
    module=True,
    families={"deepinv": "bench.deepinv.models"},
)
datasets = Registry("dataset", "bench.datasets", "bench.datasets:Dataset")
metrics = Registry("metric", "bench.metrics", "bench.metrics:Metric")
losses = Registry("loss", "bench.losses", "torch.nn:Module", function="loss(image, truth)")
