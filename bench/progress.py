"""How far a run is: what its parts tell, and whoever listens."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """How far a run is, for whoever shows it.

    Attributes:
        step: steps done in this epoch, test images scored, or settings tried.
        steps: how many there are; 0 if that is not known.
        epoch: number, from 1; 0 outside training.
        epochs: how many there will be at most.
        loss: mean over the epoch so far.
        validation_psnr: of the epoch before, in dB; NaN in the first.
        stage: what is being done: ``training``, ``scoring``, ``choosing the weight``.
    """

    step: int = 0
    steps: int = 0
    epoch: int = 0
    epochs: int = 0
    loss: float = float("nan")
    validation_psnr: float = float("nan")
    stage: str = "training"


_LISTENER: ContextVar[Callable[[Progress], None] | None] = ContextVar("listener", default=None)


def tell(stage: str, step: int = 0, steps: int = 0) -> None:
    """Say how far something is that takes more than a moment; a model's ``fit`` may, nobody has to listen.

    Args:
        stage: what is being done, in a few words.
        step: how much of it is done.
        steps: how much there is to do; 0 if that is not known.
    """
    if listener := _LISTENER.get():
        listener(Progress(step, steps, stage=stage))


@contextmanager
def heard(listener: Callable[[Progress], None]) -> Iterator[None]:
    """The block with a listener to what is told in it."""
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)
