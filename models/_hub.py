"""Weights from the Hugging Face hub, whether or not there is a connection."""

from collections.abc import Iterator
from contextlib import contextmanager

import requests
from huggingface_hub import constants

#: Seconds that the hub has to answer at all.
PATIENCE = 10


@contextmanager
def within_reach() -> Iterator[str]:
    """A block in which the hub's client fetches weights; without a connection, from its cache alone.

    Left to itself it asks each of several files six times, a line and some seconds each, before it looks
    into its cache, or gives up.

    Yields:
        Why the hub cannot be reached; empty if it can, or if it was not to be asked (``HF_HUB_OFFLINE``).
    """
    before = constants.HF_HUB_OFFLINE
    why = "" if before else _unreachable()
    constants.HF_HUB_OFFLINE = before or bool(why)
    try:
        yield why
    finally:
        constants.HF_HUB_OFFLINE = before


def _unreachable() -> str:
    try:
        requests.head(constants.ENDPOINT, timeout=PATIENCE)
    except requests.RequestException as error:
        return f"no connection to {constants.ENDPOINT}: {type(error).__name__}"
    return ""
