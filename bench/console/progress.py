"""What is about to run, and how far it is."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from bench.console.screen import console

if TYPE_CHECKING:
    from bench.runs.runner import Run
    from bench.training import Progress as Step


def announce(runs: Sequence["Run"], results: Path, hardware: str) -> None:
    """Say what is about to be run, and where the results go."""
    table = Table.grid(padding=(0, 2))
    for name, values in (
        ("operator", [run.spec.operator_label for run in runs]),
        ("model", [run.spec.model.label for run in runs]),
        ("dataset", [f"{run.spec.dataset.label} ({_sizes(run)})" for run in runs]),
        ("seed", [str(run.spec.seed) for run in runs]),
        ("recipe", [recipe_text(run) for run in runs if run.spec.recipe]),
        ("device", [f"{run.spec.device} ({hardware})" for run in runs]),
        ("results", [str(results)]),
    ):
        if values:
            table.add_row(f"[bold]{name}[/]", escape(", ".join(dict.fromkeys(values))))
    console.print(table)


def _sizes(run: "Run") -> str:
    images = run.images
    channels, height, width = images.image_shape
    validation = len(images.validation) if images.validation is not None else 0
    return (
        f"{len(images.train)} training, {validation} validation, {len(images.test)} test images, "
        f"{height}x{width}x{channels}"
    )


def recipe_text(run: "Run") -> str:
    """The recipe in one line."""
    recipe = run.spec.recipe
    if recipe is None:
        return "none"
    extras = [f"{k} {v:g}" for k in ("weight_decay", "clip", "ema", "patience") if (v := getattr(recipe, k))]
    extras += ["flips"] * recipe.augment + [recipe.precision] * (recipe.precision != "float32")
    words = [f"{recipe.epochs} epochs", f"batch {recipe.batch_size}", f"{recipe.optimizer} {recipe.lr:g}"]
    return ", ".join([*words, recipe.schedule, recipe.loss.upper(), *extras])


class Bar:
    """Progress of one training after another: a live bar, or a line per epoch where there is no screen."""

    def __init__(self, progress: Progress):
        self.progress = progress
        self.tasks: dict[int, TaskID] = {}
        self.told: set[str] = set()

    def step(self, run: "Run", step: "Step") -> None:
        """Show how far a run is."""
        label = f"{run.spec.operator_label} {run.spec.model.label}"
        if id(run) not in self.tasks:
            self.tasks[id(run)] = self.progress.add_task(escape(label), text="")
        trains = step.stage == "training"
        text = _epoch_text(step) if trains else step.stage
        total = step.epochs * step.steps if trains else step.steps or None
        done = max(step.epoch - 1, 0) * step.steps + step.step
        self.progress.update(self.tasks[id(run)], total=total, completed=done, text=text)
        waits = step.stage.startswith("waiting")
        if (trains and step.step == step.steps) or (waits and f"{label}: {text}" not in self.told):
            self._tell(f"{label}: {text}")

    def _tell(self, text: str) -> None:
        """A line where there is no screen to show a bar on."""
        self.told.add(text)
        if not console.is_terminal:
            console.print(text, markup=False, highlight=False, soft_wrap=True)


def _epoch_text(step: "Step") -> str:
    text = f"epoch {step.epoch}/{step.epochs} loss {step.loss:.4f}"
    return text + (f" val {step.validation_psnr:.2f} dB" if math.isfinite(step.validation_psnr) else "")


@contextmanager
def training_bar() -> Iterator[Bar]:
    """A live progress bar, one line per run."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=10),
        TextColumn("{task.fields[text]}"),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        yield Bar(progress)
