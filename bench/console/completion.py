"""What a shell offers after Tab: names and parameters of components, runs; nothing of them is imported."""

import ast
import re
from collections.abc import Iterator, MutableMapping
from contextlib import suppress
from pathlib import Path

import typer

from bench.errors import UsageError
from bench.parameters import settable
from bench.registry import Registry

#: Characters of what is said of a name.
LONGEST = 48

Offers = list[tuple[str, str]]


def operators(incomplete: str) -> Offers:
    """Operators; of a chain, its last part."""
    return _of("operators", incomplete)


def models(incomplete: str) -> Offers:
    """Models."""
    return _of("models", incomplete)


def datasets(incomplete: str) -> Offers:
    """Datasets."""
    return _of("datasets", incomplete)


def metrics(incomplete: str) -> Offers:
    """Metrics."""
    return _of("metrics", incomplete)


def _of(kind: str, incomplete: str) -> Offers:
    """Names of a room that begin with a word, with first lines; after a name and a colon, its parameters."""
    from bench import registry

    room: Registry = getattr(registry, kind)
    done, plus, word = (HELD[0] + incomplete).rpartition("+" if kind == "operators" else "\0")
    name, colon, given = word.partition(":")
    found = _parameters(room, name, given) if colon else _names(room, word)
    return [(f"{done}{plus}{offer}".removeprefix(HELD[0]), about) for offer, about in found]


def _names(room: Registry, word: str) -> Iterator[tuple[str, str]]:
    for name, entry in {**room.entries(), **room.families()}.items():
        if name.startswith(word):
            yield name, _short(entry.summary)


def _parameters(room: Registry, name: str, given: str) -> Iterator[tuple[str, str]]:
    """``name:key=`` of what can still be given; of one key its default too, so that no shell adds a space."""
    *done, typed = re.split(r",(?=\w*$|\w+=)", given)
    start = f"{name}:{''.join(f'{item},' for item in done)}"
    with suppress(UsageError):
        outline = room.find(name).outline
        named = {item.partition("=")[0] for item in done}
        known = {k: p for k, p in settable(outline.parameters or ()).items() if k not in named}
        fitting = {k: p for k, p in known.items() if f"{k}=".startswith(typed) or typed.startswith(f"{k}=")}
        for key, parameter in fitting.items():
            about = _short(outline.described.get(key, ""))
            if f"{key}=".startswith(typed):
                yield f"{start}{key}=", about
            value = _plain(str(parameter.default))
            if len(fitting) == 1 and value and f"{key}={value}".startswith(typed):
                yield f"{start}{key}={value}", "the default"


def _plain(default: str) -> str:
    """A default as it is typed; empty for None, and for what is no number, text or truth value."""
    with suppress(ValueError, SyntaxError):
        value = ast.literal_eval(default)
        return str(value) if isinstance(value, str | bool | int | float) else ""
    return ""


#: What bash holds to be words of their own before the one that is completed: ``ct:angles=60,`` of it.
HELD = [""]


def join_words(environ: MutableMapping[str, str]) -> None:
    """Undo how bash breaks ``ct:angles=60`` at ``:`` and ``=`` before it asks what completes the last part.

    ``COMP_WORDS`` is left with whole words, the last one without what bash keeps of it.
    """
    words, last = environ.get("COMP_WORDS", "").split("\n"), int(environ.get("COMP_CWORD", 0))
    joined: list[str] = []
    for word in words[: last + 1]:
        breaks = bool(word) and not word.strip(":=")
        if breaks and joined and joined[-1].startswith("--"):
            continue  # --operator=ct is --operator ct
        if joined and (breaks or joined[-1].endswith((":", "="))):
            joined[-1] += word
        else:
            joined.append(word)
    if words[last : last + 1] and not words[last].strip(":=") and joined[-1].startswith("--"):
        joined.append("")
    end = max(joined[-1].rfind(":"), joined[-1].rfind("=")) + 1
    HELD[0], joined[-1] = joined[-1][:end], joined[-1][end:]
    environ["COMP_WORDS"], environ["COMP_CWORD"] = "\n".join(joined), str(len(joined) - 1)


def _short(text: str) -> str:
    """Text that fits on one line: a shell takes each line for an offer."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def anything(incomplete: str) -> Offers:
    """Names of all components, and the kinds of them."""
    rooms = ("operators", "models", "datasets", "metrics", "losses", "optimizers", "loggers", "protocols")
    kinds = [(kind, "") for kind in rooms]
    found = [*kinds, *operators(incomplete), *models(incomplete), *datasets(incomplete), *metrics(incomplete)]
    return [(name, about) for name, about in found if name.startswith(incomplete)]


def checked(incomplete: str) -> Offers:
    """Names of what has a contract to be held to."""
    return [*operators(incomplete), *models(incomplete)]


def ways_of_scoring(incomplete: str) -> list[str]:
    """Names of protocols."""
    from bench import protocols

    return [name for name in protocols.names() if name.startswith(incomplete)]


def runs(context: typer.Context, incomplete: str) -> list[str]:
    """Names of the runs in the results folder that the command line names."""
    folder = Path(context.params.get("results") or "results") / "runs"
    return sorted(path.name for path in folder.glob("[!.]*") if path.name.startswith(incomplete))
