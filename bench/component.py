"""One thing by name: an operator, model, dataset or metric with its parameters, and chains of operators."""

import inspect
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.errors import BenchError, UsageError
from bench.parameters import (
    UNKNOWN_REFUSED,
    Parameters,
    check_names,
    check_parameters,
    parameter_names,
    without_defaults,
)
from bench.plugins import in_plugin
from bench.registry import Registry, is_path
from bench.sources import file_digest


@dataclass(frozen=True)
class Component:
    """An operator, model, dataset or metric by name, with the parameters that differ from its defaults.

    Text form: ``name`` or ``name:key=value,key=value``; the name may be a path to a ``.py`` file.
    """

    __pydantic_config__ = UNKNOWN_REFUSED

    name: str
    params: Mapping[str, Any] = field(default_factory=Parameters)

    def __post_init__(self) -> None:
        object.__setattr__(self, "params", Parameters(self.params))

    @classmethod
    def parse(cls, text: str) -> "Component":
        """Read ``name:key=value,key=value``.

        Raises:
            UsageError: the text is empty, or a parameter has no ``=`` or is given twice.
        """
        name, _, rest = (part.strip() for part in text.partition(":"))
        if not name:
            raise UsageError(f"{text!r} names nothing; write name or name:key=value,key=value")
        params = {}
        for item in re.split(r",(?=\w+=)", rest) if rest else []:
            key, equals, value = (part.strip() for part in item.partition("="))
            if not equals or not key:
                raise UsageError(f"{text!r}: {item!r} is not key=value")
            if key in params:
                raise UsageError(f"{text!r}: {key} is given twice")
            params[key] = value
        return cls(name, params)

    def __str__(self) -> str:
        return self.name + self._parameter_text()

    @property
    def label(self) -> str:
        """The text form with a path shortened to its file's stem: what tables show."""
        return self.short_name + self._parameter_text()

    @property
    def short_name(self) -> str:
        """Its name; of a path the stem of the file."""
        return Path(self.name).stem if is_path(self.name) else self.name

    def _parameter_text(self) -> str:
        text = ",".join(f"{k}={v}" for k, v in self.params.items())
        return f":{text}" if text else ""

    def checked(self, registry: Registry, defaults: Mapping[str, Any] | None = None) -> "Component":
        """The same with parameters of the right types, and ``defaults`` where it takes them.

        Raises:
            UsageError: unknown name, unknown parameter, or a value of the wrong type.
        """
        thing = registry.load(self.name)
        params = dict(self.params)
        for key, value in (defaults or {}).items():
            if key in parameter_names(thing):
                params.setdefault(key, value)
        params = check_parameters(thing, self.short_name, params)
        return Component(self.name, without_defaults(thing, params))

    def build(self, registry: Registry, **context: Any) -> Any:
        """The thing itself; of ``context`` (image_shape, seed, ...) it gets what it takes.

        Raises:
            UsageError: its constructor refuses the parameters (``ValueError`` or ``TypeError``).
            BenchError: its constructor fails in another way.
        """
        thing = registry.load(self.name)
        names = parameter_names(thing)
        given = {k: v for k, v in context.items() if k in names} | dict(self.params)
        try:
            return thing(**given)
        except (ValueError, TypeError) as error:
            raise UsageError(f"{self.label}: {error}{in_plugin(error)}") from error
        except BenchError:
            raise
        except (Exception, SystemExit) as error:
            said = f"its constructor raised {type(error).__name__}: {error}{in_plugin(error)}"
            raise BenchError(f"{self.label}: {said}") from error

    def named(self, registry: Registry) -> None:
        """Refuse an unknown name or parameter, as far as that is known without an import.

        Raises:
            UsageError: what is near, and what there is.
        """
        outline = registry.check(self.name).outline
        if outline.parameters is not None and "." not in self.name:
            check_names(outline.parameters, self.short_name, self.params)

    def source(self, registry: Registry) -> str:
        """SHA-256 of the code behind it: its file and the files of its own package that it imports."""
        return registry.digest(self.name)

    def weights(self, registry: Registry) -> str | None:
        """SHA-256 of what its class says by ``content(params)`` that it is made of beside code: weights.

        Raises:
            BenchError: they are not here, and cannot be had.
        """
        content = getattr(registry.load(self.name), "content", None)
        if not inspect.ismethod(content):  # an instance's, in a network of somebody's, is another thing
            return None
        try:
            found: str | None = content(self.params) or None
        except BenchError:
            raise
        except (Exception, SystemExit) as error:
            said = f"content raised {type(error).__name__}: {error}{in_plugin(error)}"
            raise BenchError(f"{self.label}: {said}") from error
        return found

    def identity(self) -> list[Any]:
        """What of it a fingerprint covers: name and parameters, a file's content in place of its path."""
        return [self.short_name, {k: file_digest(v) or v for k, v in self.params.items()}]


def parse_chain(text: str) -> tuple[Component, ...]:
    """Read ``a+b:key=value``: operators applied from left to right."""
    return tuple(Component.parse(part) for part in re.split(r"\+(?=[A-Za-z_./~])", text))


def chain_text(chain: Sequence[Component]) -> str:
    """The text form of a chain, as :func:`parse_chain` reads it."""
    return "+".join(str(part) for part in chain)


def chain_label(chain: Sequence[Component]) -> str:
    """A chain as tables show it; the dataset's own operator, which has no name, as ``recorded``."""
    return "+".join(part.label for part in chain) or "recorded"
