"""Names of torch's losses and optimisers, read from the text of its packages: torch is not imported."""

import ast
import difflib
import importlib.util
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from bench import registry
from bench.component import Component
from bench.errors import UsageError
from bench.registry import Registry

#: They need the loss again and again within one step, or gradients that images do not have.
_UNFIT = ("LBFGS", "SparseAdam")


@cache
def losses() -> tuple[str, ...]:
    """Classes of ``torch.nn`` whose name ends in ``Loss``."""
    return tuple(name for name in _exported("nn/modules/__init__.py") if name.endswith("Loss"))


@cache
def optimizers() -> dict[str, str]:
    """The classes of ``torch.optim`` that a recipe can have, by their names in small letters."""
    names = [name for name in _exported("optim/__init__.py") if name[0].isupper()]
    return {name.lower(): name for name in names if name not in ("Optimizer", *_UNFIT)}


def check_loss(text: str) -> None:
    """Refuse a loss that neither its room nor torch has.

    Raises:
        UsageError: what is near, and what there is.
    """
    name = Component.parse(text).name
    room = registry.losses
    if name in losses() or _known(room, name):
        return
    there = {n.lower(): n for n in (*room.entries(), *losses())}
    _refuse(name, room, there, [*room.entries()], f"; those of torch.nn: {', '.join(losses())}")


def check_optimizer(text: str) -> None:
    """Refuse an optimiser that neither torch nor a plug-in has.

    Raises:
        UsageError: what is near, and what there is.
    """
    name = Component.parse(text).name
    room = registry.optimizers
    own = {n.lower(): n for n in room.entries()}
    if name.lower() in {**own, **optimizers()} or _known(room, name):
        return
    there = {n: n for n in (*optimizers(), *own)}
    _refuse(name, room, there, [*optimizers(), *room.entries()], "")


def _known(room: Registry, name: str) -> bool:
    """Whether a name is a file that is there, or one of the room."""
    if registry.is_path(name):
        room.find(name)
        return True
    return name in room.entries()


def _refuse(name: str, room: Registry, by_letters: dict[str, str], there: Iterable[str], more: str) -> None:
    near = difflib.get_close_matches(name.lower(), by_letters, n=3, cutoff=0.5)
    hint = f" Did you mean {' or '.join(by_letters[n] for n in near)}?" if near else ""
    raise UsageError(
        f"unknown {room.kind} {name!r}.{hint} There are: {', '.join(there)}{more}; "
        "or give the path of a .py file."
    )


def _exported(file: str) -> list[str]:
    """``__all__`` of a file of torch's, sorted."""
    spec = importlib.util.find_spec("torch")
    assert spec is not None
    assert spec.origin is not None
    tree = ast.parse((Path(spec.origin).parent / file).read_text("utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return sorted(ast.literal_eval(node.value))
    return []
