"""What a file says of the component in it, read from its text: nothing is imported, so it takes no time."""

import ast
import inspect
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bench

#: Base classes of this project whose constructors take nothing that a user could set.
BARE = frozenset({"Operator", "Model", "NetworkModel", "Dataset", "Metric", "ABC", "object", "Protocol"})

Named = ast.ClassDef | ast.FunctionDef


class Text:
    """A default or an annotation as it stands in the source."""

    def __init__(self, node: ast.expr):
        self.text = ast.unparse(node)

    def __repr__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Outline:
    """A component as its file declares it.

    Attributes:
        name: of the class or function; empty where none is recognised.
        doc: its docstring, else the file's.
        parameters: what its constructor takes, with :class:`Text` for defaults and annotations; None
            where only an import can tell.
        family: whether the file offers many by ``members()`` and ``member(name)``.
        described: what the docstring says of each parameter.
        bases: what a class derives from, as written.
    """

    name: str = ""
    doc: str = ""
    parameters: tuple[inspect.Parameter, ...] | None = None
    family: bool = False
    described: dict[str, str] = field(default_factory=dict)
    bases: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """First line of the docstring."""
        return next(iter(self.doc.splitlines()), "")


def outline(path: Path, kind: str, attribute: str = "") -> Outline:
    """The outline of the component that a file holds; an empty one where the file cannot be read.

    Args:
        path: the file.
        kind: ``operator``, ``model``, ...: a class whose base is called like it comes first.
        attribute: name of the class or function, where it is known.
    """
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return Outline()
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    family = not attribute and {"members", "member"} <= functions
    node = None if family else _component(tree, kind, attribute)
    doc = (ast.get_docstring(node) if node else None) or ast.get_docstring(tree) or ""
    if node is None:
        return Outline(doc=doc, family=family)
    bases = tuple(ast.unparse(base) for base in getattr(node, "bases", []))
    found = [_base(base, node, tree) for base in bases] if isinstance(node, ast.ClassDef) else []
    inherited = [described(ast.get_docstring(base[0]) or "") for base in found if base]
    said = {name: text for part in [*inherited, _arguments(doc, node)] for name, text in part.items()}
    return Outline(node.name, doc, _parameters(node, tree), family, said, bases)


def may_be_family(path: Path) -> bool:
    """Whether a file has the word of one: most have not, and to parse them all takes half a second."""
    try:
        return b"members" in path.read_bytes()
    except OSError:
        return False


def _component(tree: ast.Module, kind: str, attribute: str) -> Named | None:
    """The class or function that the registry takes, as far as the text tells.

    A class whose base is called like the kind (``NetworkModel`` of a model) comes before others that
    derive from something, those before helpers that do not; of equals the last one.
    """
    nodes = [node for node in tree.body if isinstance(node, Named)]
    if attribute:
        return next((node for node in nodes if node.name == attribute), None)

    def order(node: Named) -> tuple[bool, bool]:
        bases = [ast.unparse(base) for base in getattr(node, "bases", [])]
        return any(base.lower().endswith(kind) for base in bases), bool(bases)

    return max(
        enumerate(n for n in nodes if n.name[0] != "_"), key=lambda n: (order(n[1]), n[0]), default=(0, None)
    )[1]


def _parameters(node: Named, tree: ast.Module) -> tuple[inspect.Parameter, ...] | None:
    if isinstance(node, ast.FunctionDef):
        return _of_function(node)
    for part in node.body:
        if isinstance(part, ast.FunctionDef) and part.name == "__init__" and not part.decorator_list:
            return _of_function(part)[1:]
    if node.decorator_list or node.keywords:
        return None  # a dataclass, or whatever a decorator or metaclass makes of it
    for base in map(ast.unparse, node.bases):
        if found := _base(base, node, tree):
            return _parameters(*found)
        if base.rpartition(".")[2] not in BARE:
            return None
    return ()


def _base(base: str, node: ast.ClassDef, tree: ast.Module) -> tuple[ast.ClassDef, ast.Module] | None:
    """A base class that the same file defines, or another one of the harness from which it is imported."""
    for other in tree.body:
        if isinstance(other, ast.ClassDef) and other.name == base != node.name:
            return other, tree
        if isinstance(other, ast.ImportFrom) and base in {alias.name for alias in other.names}:
            room, *module = (other.module or "").split(".")
            files = [Path(folder, *module).with_suffix(".py") for folder in bench.__path__]
            file = next(filter(Path.is_file, files), None)
            if room != "bench" or not module or file is None:
                return None
            whole = ast.parse(file.read_text(encoding="utf-8"))
            classes = [node for node in whole.body if isinstance(node, ast.ClassDef)]
            return next(((found, whole) for found in classes if found.name == base), None)
    return None


def _of_function(node: ast.FunctionDef) -> tuple[inspect.Parameter, ...]:
    """The parameters of a function, in order, ``**kwargs`` too."""
    of, P = node.args, inspect.Parameter
    positional = [*of.posonlyargs, *of.args]
    blanks: list[ast.expr | None] = [None] * (len(positional) - len(of.defaults))
    pairs: list[tuple[ast.arg, ast.expr | None, Any]] = [
        (a, d, P.POSITIONAL_OR_KEYWORD) for a, d in zip(positional, [*blanks, *of.defaults], strict=True)
    ]
    pairs += [(a, d, P.KEYWORD_ONLY) for a, d in zip(of.kwonlyargs, of.kw_defaults, strict=True)]
    pairs += [(of.kwarg, None, P.VAR_KEYWORD)] if of.kwarg else []
    return tuple(
        P(
            arg.arg,
            kind,
            default=Text(default) if default else P.empty,
            annotation=Text(arg.annotation) if arg.annotation else P.empty,
        )
        for arg, default, kind in pairs
    )


def _arguments(doc: str, node: Named) -> dict[str, str]:
    """What the docstring of the class, or of its constructor, says of each parameter."""
    parts = [part for part in node.body if isinstance(part, ast.FunctionDef) and part.name == "__init__"]
    inside = [described(ast.get_docstring(part) or "") for part in parts]
    return {name: text for found in [*inside, described(doc)] for name, text in found.items()}


def described(doc: str, section: str = "Args") -> dict[str, str]:
    """The entries of a section of a docstring: text by name."""
    found = re.search(rf"^{section}:\n((?:[ \t]+.*\n?|\n)*)", doc, re.M)
    entries = re.findall(r"^    (\w+): (.*(?:\n {5,}.*)*)", found[1] if found else "", re.M)
    return {name: " ".join(text.split()) for name, text in entries}
