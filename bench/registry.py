"""Finding operators, models and datasets by name, without importing what is not used.

A name is, in this order: a path to a ``.py`` file, a file in the room, or the entry point of an
installed plug-in. Only :meth:`Registry.load` imports code; names and one-line summaries are read
from the source text.
"""

import ast
import difflib
import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from bench.errors import UsageError
from bench.sources import Source


@dataclass(frozen=True)
class Entry:
    """One thing that can be named: what it is called and where it lives."""

    name: str
    kind: str
    path: Path | None
    entry_point: EntryPoint | None = None

    @property
    def origin(self) -> str:
        """Where it lives, for people."""
        if self.entry_point is not None:
            package = self.entry_point.dist.name if self.entry_point.dist else "a plug-in"
            return f"{self.entry_point.value} (package {package})"
        return str(self.path)

    @cached_property
    def summary(self) -> str:
        """First line of the docstring of its class or function, read without importing it."""
        source = self.path or _source_of_module(self.entry_point)
        return _first_docstring_line(source, self.kind) if source else ""


class Registry:
    """The things of one kind: those in a room, those of plug-ins, and files given by path.

    Args:
        kind: what one of them is called in messages (``"operator"``).
        package: the package whose files are the room (``"bench.operators"``).
        group: the entry-point group of plug-ins.
        base: ``"module:Class"`` that a class must derive from.
        function: what a plain function that serves too does ("that returns a torch.nn.Module"), if one does.
        module: whether a class derived from ``torch.nn.Module`` serves too.
    """

    def __init__(self, kind: str, package: str, base: str, function: str = "", module: bool = False):
        self.kind = kind
        self.package = package
        self.group = package
        self.base = base
        self.function = function
        self.module = module

    def entries(self) -> dict[str, Entry]:
        """Every name that can be used, sorted.

        Raises:
            UsageError: two things have one name; the message says where both live.
        """
        found: dict[str, Entry] = {}
        for path in sorted(self.room.glob("[!_]*.py")):
            found[path.stem] = Entry(path.stem, self.kind, path)
        for point in entry_points(group=self.group):
            entry = Entry(point.name, self.kind, None, point)
            if point.name in found:
                raise UsageError(
                    f"two {self.kind}s are called {point.name!r}: {found[point.name].origin} "
                    f"and {entry.origin}. Uninstall one, or give one of them by the path of its file."
                )
            found[point.name] = entry
        return dict(sorted(found.items()))

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
            UsageError: nothing has that name (what is near, and what there is), or no such file.
        """
        if is_path(name):
            path = Path(name).expanduser()
            if not path.is_file():
                raise unknown(name, self)
            return Entry(path.stem, self.kind, path.resolve())
        entries = self.entries()
        if name in entries:
            return entries[name]
        raise unknown(name, self)

    def source(self, name: str) -> Source:
        """The file behind a name, and the module that it is.

        Raises:
            UsageError: unknown name.
        """
        entry = self.find(name)
        if entry.entry_point is not None:
            path = _source_of_module(entry.entry_point)
            if path is None:
                raise UsageError(f"{entry.origin}: its source is not to be found")
            return Source(path, entry.entry_point.module, path.name == "__init__.py")
        assert entry.path is not None
        if entry.path.parent == self.room:
            return Source(entry.path, f"{self.package}.{entry.name}")
        return Source(entry.path, entry.path.stem)

    def load(self, name: str) -> Any:
        """Import and return the class (or function) behind a name.

        Raises:
            UsageError: unknown name; a file that cannot be imported, or that holds none or several.
        """
        entry = self.find(name)
        if entry.entry_point is not None:
            found = _guard(entry.origin, entry.entry_point.load)
            if isinstance(found, ModuleType):
                return self._only(found, entry)
            return self._checked(found, entry)
        assert entry.path is not None
        path = entry.path
        if path.parent == self.room:
            module = _guard(entry.origin, lambda: importlib.import_module(f"{self.package}.{path.stem}"))
        else:
            module = _guard(entry.origin, lambda: _import_file(path))
        return self._only(module, entry)

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
        from torch import nn

        return self.module and issubclass(found, nn.Module)

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


def _guard(origin: str, load: Callable[[], Any]) -> Any:
    """Import a plug-in; whatever it raises becomes one message that names the file and the line."""
    try:
        return load()
    except UsageError:
        raise
    except (Exception, SystemExit) as error:
        line = _last_line_in(error, origin)
        where = f"{origin}, line {line}" if line else origin
        raise UsageError(f"{where}: raised {type(error).__name__} on import: {error}") from error


def _last_line_in(error: BaseException, path: str) -> int | None:
    if isinstance(error, SyntaxError):
        return error.lineno
    line, frame = None, error.__traceback__
    while frame is not None:
        if frame.tb_frame.f_code.co_filename == path:
            line = frame.tb_lineno
        frame = frame.tb_next
    return line


def _import_file(path: Path) -> ModuleType:
    """Import a file that belongs to no package; again only when its text has changed."""
    digest = hashlib.sha256(str(path).encode() + path.read_bytes()).hexdigest()[:12]
    name = f"bench_plugin_{digest}_{path.stem}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _source_of_module(point: EntryPoint | None) -> Path | None:
    if point is None:
        return None
    try:
        spec = importlib.util.find_spec(point.module)
    except (ImportError, ValueError):
        return None
    return Path(spec.origin) if spec and spec.origin else None


def _first_docstring_line(path: Path, kind: str) -> str:
    """First docstring line of the last public class or function in a file, else of the file itself.

    A class whose base is called like the kind (``NetworkModel`` of a model) comes before others that
    derive from something, those before helpers that do not.
    """

    def order(node: ast.ClassDef | ast.FunctionDef) -> tuple[bool, bool]:
        bases = [ast.unparse(base) for base in getattr(node, "bases", [])]
        return any(base.lower().endswith(kind) for base in bases), bool(bases)

    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError):
        return ""
    nodes = [n for n in tree.body if isinstance(n, ast.ClassDef | ast.FunctionDef) and n.name[0] != "_"]
    nodes.sort(key=order)
    docs = [ast.get_docstring(n) for n in reversed(nodes)] + [ast.get_docstring(tree)]
    return next((d.splitlines()[0] for d in docs if d), "")


operators = Registry("operator", "bench.operators", "bench.operators:Operator")
models = Registry(
    "model", "bench.models", "bench.models:Model", function="that returns a torch.nn.Module", module=True
)
datasets = Registry("dataset", "bench.datasets", "bench.datasets:Dataset")
metrics = Registry("metric", "bench.metrics", "bench.metrics:Metric")
losses = Registry("loss", "bench.losses", "torch.nn:Module", function="loss(image, truth)")
