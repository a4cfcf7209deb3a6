"""The code and the files that a component is made of, as digests: what a run's name covers of them."""

import ast
import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import bench

#: Packages of this project whose files are part of the operators and models that import them; the rest of
#: the harness is covered by its version of the numbers.
ROOMS = ("bench.operators.", "bench.models.", "bench.metrics.", "bench.losses.", "bench.deepinv.")


@dataclass(frozen=True)
class Source:
    """A Python file, and what it is called where it belongs to a package.

    Attributes:
        path: the file.
        module: its dotted name; of a file given by path, its stem.
        is_package: whether it is a package's ``__init__.py``.
    """

    path: Path
    module: str
    is_package: bool = False


def source_digest(source: Source | Path) -> str:
    """SHA-256 of a Python file and of the files of its own package that it imports, and they import.

    For operators, models and metrics of this project these are the others that they are made of.
    Comments, docstrings and formatting do not count: the syntax tree is hashed.
    """
    sha = hashlib.sha256()
    for _, code in _closure(source):
        sha.update(code)
    return sha.hexdigest()


def files_of(source: Source | Path) -> list[Path]:
    """The files that :func:`source_digest` covers."""
    return [current.path for current, _ in _closure(source)]


def _closure(source: Source | Path) -> Iterator[tuple[Source, bytes]]:
    """A file and those of its own package that it imports, and they import, each with its code."""
    pending, seen = [source if isinstance(source, Source) else Source(source, source.stem)], set()
    while pending:
        current = pending.pop(0)
        if current.path in seen:
            continue
        seen.add(current.path)
        code, imports = _parsed(current.path.read_text(encoding="utf-8"))
        pending += [
            file for module in sorted(_imported(imports, current)) for file in _files(module, current)
        ]
        yield current, code


@lru_cache(maxsize=1024)
def _parsed(text: str) -> tuple[bytes, tuple[ast.Import | ast.ImportFrom, ...]]:
    """The syntax tree of code without docstrings, as text, and its imports."""
    tree = ast.parse(text)
    statements = list(_statements(tree))
    imports = tuple(s for s in statements if isinstance(s, ast.Import | ast.ImportFrom))
    for node in statements:
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node):
            node.body = node.body[1:] or [ast.Pass()]
    return ast.dump(tree).encode(), imports


def _statements(tree: ast.AST) -> Iterator[ast.AST]:
    """A tree's statements, those within others too; what they are made of is a hundred times as much."""
    pending = [tree]
    while pending:
        node = pending.pop()
        yield node
        for name in ("body", "orelse", "finalbody", "handlers", "cases"):
            within = getattr(node, name, None)
            pending += within if isinstance(within, list) else ()


def _imported(imports: Iterable[ast.Import | ast.ImportFrom], source: Source) -> set[str]:
    """Dotted names of all modules that a file may import: of ``from a import b`` both ``a`` and ``a.b``."""
    found = set()
    package = source.module.split(".") if source.is_package else source.module.split(".")[:-1]
    for node in imports:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        else:
            above = package[: len(package) - node.level + 1] if node.level else []
            home = ".".join([*above, *filter(None, [node.module])])
            found |= {home, *(f"{home}.{alias.name}" for alias in node.names)}
    return found


def _files(module: str, importer: Source) -> Iterator[Source]:
    """The file of a module, if it belongs with its importer."""
    first, *rest = module.split(".")
    own = importer.module.split(".")[0]
    by_path = importer.module == own and not importer.is_package
    if module.startswith(ROOMS):
        bases = [Path(folder, *rest) for folder in bench.__path__]
    elif own != "bench" and (by_path or first == own):
        bases = [importer.path.parents[importer.module.count(".") + importer.is_package] / Path(first, *rest)]
    else:
        return
    for base in bases:
        for path, is_package in ((base.with_suffix(".py"), False), (base / "__init__.py", True)):
            if path.is_file():
                yield Source(path, module, is_package)


def file_digest(value: Any) -> str | None:
    """SHA-256 of the file, or of all files of the folder, that a parameter names; None if it names none."""
    if not isinstance(value, Path) and not (isinstance(value, str) and (os.sep in value or "." in value)):
        return None
    path = Path(value).expanduser()
    try:
        files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    except (OSError, ValueError):
        return None
    if not files:
        return None
    digests = [f"{file.relative_to(path)} {_content_digest(file, *_state(file))}" for file in files]
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def _state(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_mtime_ns, stat.st_size


@lru_cache(maxsize=1024)
def _content_digest(path: Path, changed: int, size: int) -> str:
    """SHA-256 of a file, read again only when it has changed."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
