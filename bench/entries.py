"""What a name stands for: a file, or what an installed package offers; nothing of it is imported."""

from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import EntryPoint
from pathlib import Path

from bench.outline import Outline, may_be_family, outline
from bench.plugins import module_file


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

    @cached_property
    def family(self) -> bool:
        """Whether it offers many by ``members()`` and ``member(name)``."""
        return self.source is not None and may_be_family(self.source) and self.outline.family

    @property
    def summary(self) -> str:
        """First line of the docstring of its class or function, read without importing it."""
        return self.outline.summary
