"""Datasets that are given out elsewhere: what there is to get, and getting it."""

from collections.abc import Iterator

from bench import registry
from bench.component import Component
from bench.datasets import Dataset
from bench.datasets.shared.download import Part, get, size_of
from bench.errors import BenchError, UsageError


def named(text: str) -> Dataset:
    """A dataset from its text form.

    Raises:
        UsageError: an unknown name or parameter.
    """
    dataset: Dataset = Component.parse(text).checked(registry.datasets).build(registry.datasets)
    return dataset


def missing(text: str) -> list[Part]:
    """The parts of a dataset that are not here.

    Raises:
        UsageError: it is none that is given out elsewhere.
    """
    parts = list(named(text).parts())
    if not parts:
        raise UsageError(f"{text} is not downloaded: it is made here, or read from your own files")
    return [part for part in parts if not part.here]


def described(part: Part) -> Iterator[str]:
    """Lines that say what would be downloaded, how large it is, under which terms, and where it goes.

    Raises:
        BenchError: its server cannot be reached.
    """
    yield part.name
    yield f"  from     {part.archive.url if part.archive else part.home}"
    if part.archive is not None:
        size = size_of(part.archive)
        yield f"  size     {f'{size / 1e6:,.1f} MB' if size is not None else 'its server does not say'}"
    yield f"  licence  {part.licence}"
    yield f"  goes to  {part.place}"
    if part.archive is None and part.fetch is None:
        yield "  by hand: it cannot be downloaded from here"


def fetch(parts: list[Part]) -> Iterator[str]:
    """Get parts one after the other; those that only a person can get are told last.

    Raises:
        BenchError: a download failed, or some have to be got by hand.
    """
    by_hand = [part for part in parts if part.archive is None and part.fetch is None]
    for part in parts:
        if part not in by_hand:
            get(part)
            yield f"{part.name} is in {part.place}"
    if by_hand:
        told = "; ".join(f"{part.name} at {part.home}, to be put at {part.place}" for part in by_hand)
        raise BenchError(f"to be got by hand: {told}")


def here(name: str) -> str:
    """``here``, ``not here``, or nothing where a dataset needs to be told more."""
    try:
        parts = named(name).parts()
    except BenchError:
        return ""
    return "here" if all(part.here for part in parts) else "not here"
