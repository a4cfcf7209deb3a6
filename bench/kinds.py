"""What a component of one kind has to be, and which of the things that a file holds is one."""

import importlib
import inspect
import sys
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import Any

from bench.errors import UsageError


@dataclass(frozen=True)
class Kind:
    """What serves as a component of one kind.

    Attributes:
        name: what one of them is called in messages (``"operator"``).
        home: ``"module:Class"`` that a class must derive from.
        function: what a plain function that serves too does ("that returns a torch.nn.Module"), if one does.
        modules: whether a class derived from ``torch.nn.Module`` serves too.
    """

    name: str
    home: str
    function: str = ""
    modules: bool = False

    @cached_property
    def base(self) -> type:
        """The class that others derive from; it is imported."""
        module, _, name = self.home.partition(":")
        base: type = getattr(importlib.import_module(module), name)
        return base

    def only(self, module: ModuleType, origin: str) -> Any:
        """The one class (or function) that a module holds.

        Raises:
            UsageError: it holds none, or several.
        """
        members = [v for k, v in vars(module).items() if not k.startswith("_")]
        own = [m for m in members if getattr(m, "__module__", None) == module.__name__]
        found: list[Any] = [m for m in own if inspect.isclass(m) and issubclass(m, self.base)]
        found = found or self._others(own)
        found = [m for m in found if not inspect.isabstract(m)] or found
        if len(found) == 1:
            return self.checked(found[0], origin)
        held = "none" if not found else f"{len(found)} ({', '.join(m.__name__ for m in found)})"
        raise UsageError(
            f"{origin}: {self._a_kind} file holds {self._wanted}; found {held}. "
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
        return self.modules and torch is not None and issubclass(found, torch.nn.Module)

    def checked(self, found: Any, origin: str) -> Any:
        """What was found, if it is of this kind.

        Raises:
            UsageError: it is not, or leaves out what its class has to define.
        """
        if inspect.isclass(found) and issubclass(found, self.base):
            if inspect.isabstract(found):
                missing = ", ".join(sorted(getattr(found, "__abstractmethods__", ())))
                raise UsageError(f"{origin}: {found.__name__} does not define {missing}.")
            return found
        if (self.function and inspect.isfunction(found)) or (
            inspect.isclass(found) and self._is_module(found)
        ):
            return found
        raise UsageError(f"{origin}: {found!r} is not {self._a_kind}.")

    @property
    def _wanted(self) -> str:
        home = self.home.partition(":")[0]
        package = "bench" if home.startswith("bench") else home
        wanted = f"one class derived from {package}.{self.base.__name__}"
        wanted += " or torch.nn.Module" if self.modules else ""
        return wanted + (f" or one function {self.function}" if self.function else "")

    @property
    def _a_kind(self) -> str:
        return f"{'an' if self.name[0] in 'aeiou' else 'a'} {self.name}"
