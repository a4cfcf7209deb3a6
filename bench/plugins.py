"""Importing code that is not the project's own: files given by path, and installed plug-ins."""

import hashlib
import importlib.util
import sys
from collections.abc import Callable
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
        where = f"{origin}, line {line}" if line else origin
        raise UsageError(f"{where}: raised {type(error).__name__} {doing}: {error}") from error


def plugin_line(error: BaseException) -> str:
    """``file, line 3`` where the code of a file given by path raised an error itself; else empty."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    if frame is None or not frame.tb_frame.f_globals.get("__name__", "").startswith(PREFIX):
        return ""
    return f"{frame.tb_frame.f_code.co_filename}, line {frame.tb_lineno}"


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
