"""Importing code that is not the project's own: files given by path, and installed plug-ins."""

import hashlib
import importlib.metadata
import importlib.util
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from functools import cache
from importlib.metadata import EntryPoints
from pathlib import Path
from types import ModuleType
from typing import Any

from bench.errors import UsageError

#: Beginning of the module names of files given by path.
PREFIX = "bench_plugin_"


def guard(origin: str, load: Callable[[], Any], doing: str = "on import") -> Any:
    """Run a plug-in's code; whatever it raises becomes one message that names the file and the line."""
    try:
        return load()
    except UsageError:
        raise
    except (Exception, SystemExit) as error:
        line = _last_line_in(error, origin)
        where = f"{origin}, line {line}" if line else f"{origin}{in_plugin(error)}"
        raise UsageError(f"{where}: raised {type(error).__name__} {doing}: {error}") from error


def entry_points(group: str) -> EntryPoints:
    """What installed packages offer under a group; they are looked through once for all groups."""
    found: EntryPoints = _offered().select(group=group)
    return found


@cache
def _offered() -> Any:
    return importlib.metadata.entry_points()


def frames(error: BaseException) -> list[tuple[str, traceback.FrameSummary]]:
    """Module and summary of each frame of an error, then of what caused it, and so on to the first cause.

    Files below the current folder are named as seen from there.
    """
    found = []
    for part in _causes(error):
        walked = list(traceback.walk_tb(part.__traceback__))
        summaries = traceback.StackSummary.extract(iter(walked))
        for (frame, _), summary in zip(walked, summaries, strict=True):
            summary.filename = _short(summary.filename)
            found.append((str(frame.f_globals.get("__name__", "")), summary))
    return found


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        seen.append(error)
        yield error
        error = error.__cause__


def is_plugin(module: str) -> bool:
    """Whether a module is a file that was named by path, or belongs to an installed plug-in."""
    top = module.partition(".")[0]
    return top.startswith(PREFIX) or top in _packages()


def _packages() -> set[str]:
    """Top-level packages that offer something under a group of this project."""
    groups = [group for group in _offered().groups if group.startswith("bench.")]
    return {point.module.partition(".")[0] for group in groups for point in entry_points(group)} - {"bench"}


def plugin_line(error: BaseException) -> str:
    """``file, line 3``: the last place in a plug-in's code that an error came by; empty if by none."""
    places = [f"{at.filename}, line {at.lineno}" for module, at in frames(error) if is_plugin(module)]
    return next(reversed(places), "")


def in_plugin(error: BaseException) -> str:
    """`` (file, line 3)`` behind a message, as :func:`plugin_line`."""
    place = plugin_line(error)
    return f" ({place})" if place else ""


def _short(path: str) -> str:
    """A path below the current folder as seen from there."""
    here = Path.cwd()
    return os.path.relpath(path, here) if Path(path).is_relative_to(here) else path


def _last_line_in(error: BaseException, path: str) -> int | None:
    if isinstance(error, SyntaxError):
        return error.lineno
    line, frame = None, error.__traceback__
    while frame is not None:
        if frame.tb_frame.f_code.co_filename == path:
            line = frame.tb_lineno
        frame = frame.tb_next
    return line


def import_file(path: Path) -> ModuleType:
    """Import a file that belongs to no package; again only when its text has changed."""
    digest = hashlib.sha256(str(path).encode() + path.read_bytes()).hexdigest()[:12]
    name = f"{PREFIX}{digest}_{path.stem}"
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


def module_file(module: str) -> Path | None:
    """The file of an installed module; of its packages none is imported."""
    first, *rest = module.split(".")
    try:
        spec = importlib.util.find_spec(first)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    if not rest:
        return Path(spec.origin) if spec.origin and spec.origin.endswith(".py") else None
    bases = [Path(folder, *rest) for folder in spec.submodule_search_locations or ()]
    files = [file for base in bases for file in (base.with_suffix(".py"), base / "__init__.py")]
    return next((file for file in files if file.is_file()), None)
