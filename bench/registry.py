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
from collections.abc import Mapping
from functools import cached_property
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any

from bench.entries import Entry
from bench.errors import UsageError
from bench.kinds import Kind
from bench.plugins import entry_points, guard, import_file
from bench.sources import Source, source_digest


class Registry:
    """The things of one kind: those in a room, those of plug-ins, and files given by path.

    A plug-in that offers many registers one entry point: a module (or object) with ``members()``,
    their names, and ``member(name)``, the class. ``refused``, if it has that, says by name why others are
    not offered. ``packages``, if it has that, names the distributions
    whose versions are part of what a member is.

    Args:
        kind: what one of them is called in messages (``"operator"``).
        package: the package whose files are the room (``"bench.operators"``), and the entry-point group.
        base: ``"module:Class"`` that a class must derive from.
        function: what a plain function that serves too does ("that returns a torch.nn.Module"), if one does.
        module: whether a class derived from ``torch.nn.Module`` serves too.
        families: modules of this project that offer what a package of that name has, if it is installed;
            their ``members()`` and ``refused`` are there without an import that takes seconds.
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
        self.wanted = Kind(kind, base, function, module)
        self.own_families = families or {}

    @property
    def kinds(self) -> str:
        """What several are called in messages (``"losses"``)."""
        return self.kind + ("es" if self.kind.endswith("s") else "s")

    def entries(self) -> dict[str, Entry]:
        """Every name that can be used by itself, sorted."""
        return {name: entry for name, entry in self._named().items() if not entry.family}

    def families(self) -> dict[str, Entry]:
        """Plug-ins that offer many (:meth:`members`), as far as their text tells; what is installed."""
        return {
            k: v
            for k, v in self.all_families().items()
            if k not in self.own_families or importlib.util.find_spec(k)
        }

    def all_families(self) -> dict[str, Entry]:
        """Those of this project too whose package is not installed: used, they say what to install."""
        return {name: entry for name, entry in self._named().items() if entry.family}

    def holds(self, name: str) -> bool:
        """Whether a name can be used by itself, or is one that a family has, or that a plug-in's may have."""
        family, dot, member = name.partition(".")
        if not dot or family not in self.all_families():
            return name in self.entries()
        return family not in self.own_families or member in self._offered(family)

    def _offered(self, family: str) -> set[str]:
        """Members of a family of this project, and those that it refuses and says why."""
        found = self._object(self.find(family))
        return {*found.members(), *found.refused}

    def near(self, name: str) -> set[str]:
        """What a mistyped name may mean, as far as that is known without an import that takes seconds."""
        family, dot, _ = name.partition(".")
        return set(self.members(family)) if dot and family in self.own_families else set(self.entries())

    def check(self, name: str) -> Entry:
        """What has a name; one that nothing has is refused, as far as that is known without a long import.

        Raises:
            UsageError: what is near, and what there is.
        """
        entry = self.find(name)
        if entry.member and name.partition(".")[0] in self.own_families:
            self._known(self._object(entry), entry)
        return entry

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
                f"two {self.kinds} are called {entry.name!r}: {entry.origin} and {entry.rivals[0].origin}. "
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
            raise UsageError(f"{name} offers many {self.kinds}; name one of them: {some}, ...")
        chosen = self.wanted.only if isinstance(found, ModuleType) else self.wanted.checked
        return chosen(found, entry.origin)

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
        self._known(family, entry)
        made = guard(entry.origin, lambda: family.member(entry.member), f"in member({entry.member!r})")
        return self.wanted.checked(made, entry.origin)

    def _known(self, family: Any, entry: Entry) -> None:
        """Refuse what a family does not offer."""
        name = entry.name.partition(".")[0]
        if not _is_family(family):
            raise unknown(entry.name, self)
        names = list(guard(entry.origin, family.members, "in members()"))
        if entry.member in names:
            return
        if why := getattr(family, "refused", {}).get(entry.member):
            raise UsageError(f"{entry.name}: {why}")
        near = difflib.get_close_matches(entry.member, names, n=3, cutoff=0.5)
        hint = f" Did you mean {' or '.join(f'{name}.{n}' for n in near)}?" if near else ""
        raise UsageError(
            f"unknown {self.kind} {entry.name!r}.{hint} bench list {name} shows all {len(names)} of them."
        )


def is_path(name: str) -> bool:
    """Whether a name is meant as a file: it ends in ``.py`` or has a folder in it."""
    return name.endswith(".py") or "/" in name


def unknown(name: str, *rooms: Registry) -> UsageError:
    """The error for a name that is in none of ``rooms``: what is near it, and what there is."""
    kind = " or ".join(room.kind for room in rooms)
    if is_path(name):
        return UsageError(f"no such {kind} file: {name}")
    near = difflib.get_close_matches(name, set().union(*(room.near(name) for room in rooms)), n=3, cutoff=0.5)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    lists = [", ".join(room.entries()) for room in rooms]
    if len(rooms) > 1:
        lists = [f"{room.kinds} {names}" for room, names in zip(rooms, lists, strict=True) if names]
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
    families={"deepinv": "bench.deepinv.named_operators"},
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
optimizers = Registry("optimizer", "bench.optimizers", "torch.optim:Optimizer")
loggers = Registry("logger", "bench.loggers", "bench.loggers:Logger")
