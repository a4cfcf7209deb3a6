"""``bench.run``: one run from Python."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench.runs.assembly import settled
from bench.runs.following import loggers
from bench.runs.record import Record
from bench.runs.request import specify
from bench.runs.runner import Run
from bench.training import Progress


def run(
    operator: str,
    model: str,
    dataset: str = "photos",
    *,
    preset: str = "quick",
    seed: int = 0,
    problem_seed: int = 0,
    train_size: int | None = None,
    protocol: str | None = None,
    metrics: Sequence[str] = (),
    device: str = "auto",
    results: str | Path = "results",
    force: bool = False,
    log: Sequence[str] = (),
    report: Callable[[Progress], None] | None = None,
    **recipe: Any,
) -> Record:
    """Run one model on one operator and return its record; a run already recorded is not repeated.

    Args:
        operator: ``name:key=value``, chains as ``a+b``, or the path of a ``.py`` file.
        model: ``name:key=value`` or the path of a ``.py`` file.
        dataset: ``name:key=value`` or the path of a ``.py`` file.
        preset: ``quick`` or ``paper``.
        seed: the training seed: initialisation, batch order, training noise.
        problem_seed: the problem's seed: key, masks, test noise.
        train_size: how many of the training images there are to learn from; None: all.
        protocol: a way of scoring, or the path of a ``.toml`` file; default: the dataset's.
        metrics: metrics besides the protocol's: ``name:key=value`` or the path of a ``.py`` file.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:1``.
        results: folder of the records.
        force: run again what has a record.
        log: loggers that are told of each epoch: ``tensorboard``, or the path of a ``.py`` file.
        report: called after every training step.
        **recipe: values of :class:`bench.recipe.Recipe`: ``epochs``, ``batch_size``, ``lr``, ...

    Returns:
        The record; ``record.scores["psnr"]`` is the mean PSNR over the test images in dB.

    Raises:
        UsageError: what was asked for cannot work as asked.

    Example:
        >>> record = bench.run("xor_ctr+noise:sigma=0.01", "unet", epochs=2)  # doctest: +SKIP
    """
    spec = specify(
        operator,
        model,
        dataset,
        preset=preset,
        seed=seed,
        problem_seed=problem_seed,
        train_size=train_size,
        protocol=protocol,
        metrics=metrics,
        device=device,
        changes=recipe,
    )
    told = report or (lambda progress: None)
    return Run(settled(spec)).execute(Path(results), force, told, log=loggers(log))
