"""What a shell offers after Tab: names of components, methods and runs; nothing of them is imported."""

from pathlib import Path

import typer

#: Characters of what is said of a name.
LONGEST = 48

Offers = list[tuple[str, str]]


def operators(incomplete: str) -> Offers:
    """Operators; of a chain, its last part."""
    done, plus, word = incomplete.rpartition("+")
    return [(f"{done}{plus}{name}", about) for name, about in _of("operators", word)]


def models(incomplete: str) -> Offers:
    """Models."""
    return _of("models", incomplete)


def datasets(incomplete: str) -> Offers:
    """Datasets."""
    return _of("datasets", incomplete)


def metrics(incomplete: str) -> Offers:
    """Metrics."""
    return _of("metrics", incomplete)


def _of(kind: str, word: str) -> Offers:
    """Names of a room that begin with a word, with their first lines."""
    from bench import registry

    room = getattr(registry, kind)
    found = {**room.entries(), **room.families()}
    return [(name, _short(entry.summary)) for name, entry in found.items() if name.startswith(word)]


def _short(text: str) -> str:
    """Text that fits on one line: a shell takes each line for an offer."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def anything(incomplete: str) -> Offers:
    """Names of all components, and the kinds of them."""
    kinds = [(kind, "") for kind in ("operators", "models", "datasets", "metrics", "protocols")]
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
