"""What a record names but nobody else has: nothing of it is imported, opened or fetched.

Operators, models, losses and metrics of this project, and the images that come with it, need no word. Other
code and data, and metrics that fetch the weights of a network, have to be named by whoever reads the record,
in the same call.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bench import registry
from bench.component import Component
from bench.errors import UsageError
from bench.losses import own_losses
from bench.optimizers import own_optimizers
from bench.registry import Registry, is_path
from bench.runs.record import Record
from bench.sources import source_digest
from bench.spec import RunSpec

#: Datasets that come with the harness: whatever their parameters are, they open none but their own files.
EMBEDDED = frozenset({"photos", "ellipses", "leaves"})
#: Parameters that fetch something from elsewhere: a record does not switch them on.
FETCHING = frozenset({"download", "pretrained"})


def trusted(record: Record, given: Sequence[str] = (), command: str = "verify") -> RunSpec:
    """The spec of a record, with the reader's own files in place of those that it names.

    Args:
        record: read from anywhere.
        given: what the reader trusts: ``.py`` files, matched with the record's by their content; files and
            folders that parameters name, by their path; plug-ins and datasets by their name.
        command: what is told to be called again with what is missing.

    Raises:
        UsageError: the record needs something that was not given; the message says what to give.
    """
    reader = _Reader(record, tuple(given))
    spec = record.spec
    recipe = spec.recipe
    if recipe:
        # A loss of the project's own is a component too; one of torch.nn is none.
        for loss in own_losses(recipe.loss):
            recipe = replace(recipe, loss=str(reader.component(registry.losses, loss)))
        for own in own_optimizers(recipe.optimizer):
            recipe = replace(recipe, optimizer=str(reader.component(registry.optimizers, own)))
    learned = spec.trained_on
    if learned:
        learned = replace(
            learned,
            operator=tuple(reader.component(registry.operators, part) for part in learned.operator),
            dataset=reader.component(registry.datasets, learned.dataset),
        )
    made = replace(
        spec,
        operator=tuple(reader.component(registry.operators, part) for part in spec.operator),
        model=reader.component(registry.models, spec.model),
        dataset=reader.component(registry.datasets, spec.dataset),
        metrics=tuple(reader.component(registry.metrics, part) for part in spec.metrics),
        recipe=recipe,
        trained_on=learned,
    )
    reader.texts(spec.protocol)
    if reader.missing:
        missing = list(dict.fromkeys(reader.missing))
        words = " ".join(f"--trust {name}" for name in missing)
        raise UsageError(
            f"run {record.fingerprint} names code or data that are not this project's; nothing of it was "
            f"touched. If you trust them: bench {command} {record.fingerprint} {words}, from Python "
            f"trust={missing} (a .py file may lie anywhere, with the content it had)"
        )
    return made


@dataclass
class _Reader:
    """What was given, and what of a record is not covered by it."""

    record: Record
    given: tuple[str, ...]
    missing: list[str] = field(default_factory=list)

    def component(self, room: Registry, part: Component) -> Component:
        """A component as it may be built."""
        params = {k: v for k, v in part.params.items() if k not in FETCHING}
        named = [text for value in params.values() for text in _texts(value) if _may_be_place(text)]
        for text in named:
            self.texts(text)
        if is_path(part.name):
            return Component(self._file(f"{room.kind} {part.name}", part.name), params)
        own = (room.room / f"{part.name}.py").is_file() and part.name.isidentifier()
        free = own and (room is not registry.datasets or part.name in EMBEDDED or bool(named))
        if own and room is registry.metrics:
            free = not room.load(part.name).fetches
        if not free and part.name not in self.given:
            self.missing.append(part.name)
        return Component(part.name, params)

    def texts(self, text: str) -> None:
        """A text that may name a file or a folder must be given, by whatever path."""
        if _may_be_place(text) and not any(_same(text, other) for other in self.given):
            self.missing.append(text)

    def _file(self, key: str, name: str) -> str:
        """The given file whose code is the record's; its own name if there is none."""
        wanted = self.record.sources.get(key)
        for text in self.given:
            path = Path(text).expanduser()
            if path.suffix == ".py" and path.is_file() and _code(path) == wanted:
                return str(path.resolve())
        self.missing.append(name)
        return name


def _code(path: Path) -> str | None:
    try:
        return source_digest(path)
    except (OSError, SyntaxError, ValueError, RecursionError):
        return None


def _texts(value: Any) -> Iterator[str]:
    """All texts in a parameter."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in (*value, *value.values()):
            yield from _texts(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _texts(part)


def _may_be_place(text: str) -> bool:
    """Whether a text could be a path or an address: it has their signs, or something of that name is here."""
    return any(sign in text for sign in "/\\:~") or (bool(text) and os.path.lexists(text))


def _same(one: str, other: str) -> bool:
    try:
        return Path(one).expanduser().resolve() == Path(other).expanduser().resolve()
    except (OSError, RuntimeError, ValueError):
        return False
