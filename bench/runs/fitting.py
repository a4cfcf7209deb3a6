"""The first half of a run: a model made, and fitted or restored."""

import gc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import ref

import torch
from torch import nn

from bench import tensors
from bench.models import Model, NetworkModel
from bench.operators import noting_uses
from bench.progress import heard
from bench.recipe import Recipe
from bench.runs import timing
from bench.runs.parts import Budget
from bench.training import History, Progress, Trainer

if TYPE_CHECKING:
    from bench.runs.runner import Run


@dataclass(frozen=True)
class Fitted:
    """A model after training.

    Attributes:
        model: fitted.
        history: of its training.
        seconds: time of the training steps, or of ``fit`` where there are none.
        trainer: whose clock the run goes by.
        used: what the model used of the operator, and beside it.
        budget: what the training has cost, where that was another run's.
    """

    model: Model
    history: History
    seconds: float
    trainer: Trainer
    used: set[str]
    budget: Budget | None = None


def fit(
    run: "Run",
    checkpoint: Path,
    report: Callable[[Progress], None],
    follow: Callable[[History], None] = lambda history: None,
) -> Fitted:
    """A new model of a run, fitted: gone on with where its checkpoint left it.

    Args:
        run: what is fitted, and to what.
        checkpoint: file that holds the training between two epochs; it stays when the training is done.
        report: called after every training step.
        follow: called with the epochs so far, after each.
    """
    _let_go()
    timing.reset_peak_memory(run.device)
    model, trainer = run.build(), Trainer(run.spec.recipe or Recipe(), report, checkpoint)
    _held.append(ref(model))
    trainer.fingerprint, trainer.follow = run.fingerprint, follow
    if isinstance(model, NetworkModel):
        model.trainer = trainer
    torch.manual_seed(run.spec.seed)
    report(Progress(stage="fitting"))
    used = set(model.uses)
    with noting_uses(used), heard(report):
        history = model.fit(run.problem.training(run.spec.seed, truth=model.supervised)) or []
    seconds = sum(e.seconds for e in history) or trainer.seconds
    _held.extend(ref(part) for part in vars(model).values() if isinstance(part, nn.Module))
    return Fitted(model, history, seconds, trainer, used)


def restore(run: "Run", weights: Path) -> None:
    """Give a run's model the state that a run of its spec stored, in place of training.

    Raises:
        RuntimeError: the state belongs to another model.
        ValueError: the file is damaged.
    """
    if isinstance(run.model, NetworkModel):
        run.model.trainer = Trainer(run.spec.recipe or Recipe())
    state, _ = tensors.load(weights)
    run.model.restore(run.problem.training(run.spec.seed, truth=run.model.supervised), state)


#: Models and networks of this process's runs.
_held: list[ref[Any]] = []


def _let_go() -> None:
    """What earlier runs held must not count in the next one's peak memory."""
    if any(thing() is not None for thing in _held):  # looking for cycles takes a tenth of a second
        gc.collect()
    _held.clear()
