"""What is about to run, and how far it is."""

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Column, Table

from bench import registry
from bench.console.screen import console

#: Seconds without a line after which a log, too, is told how far something is.
QUIET = 10.0
#: Test images below which a person is told that they are few.
FEW = 20

if TYPE_CHECKING:
    from bench.runs.record import Record
    from bench.runs.runner import Run
    from bench.training import Progress as Step


def announce(runs: Sequence["Run"], results: Path, hardware: str) -> None:
    """Say what is about to be run, and where the results go."""
    table = Table.grid(padding=(0, 2))
    for name, values in (
        ("operator", [run.spec.operator_label for run in runs]),
        ("model", [run.spec.method_label for run in runs]),
        ("dataset", [f"{run.spec.dataset.label} ({_sizes(run)})" for run in runs]),
        ("seeds", [seeds_text(runs)]),
        ("protocol", [run.spec.protocol for run in runs]),
        ("recipe", [recipe_text(run) for run in runs if run.spec.recipe and not run.spec.trained_on]),
        ("device", [f"{run.spec.device} ({hardware})" for run in runs]),
        ("results", [str(results)]),
    ):
        if values:
            table.add_row(f"[bold]{name}[/]", escape(", ".join(dict.fromkeys(values))))
    console.print(table)
    for text in dict.fromkeys(filter(None, map(few_images, runs))):
        console.print(text, style="yellow", markup=False, highlight=False, soft_wrap=True)


def few_images(run: "Run") -> str:
    """What to know where a dataset leaves few images to test on; empty where it does not."""
    images, dataset = run.images, run.spec.dataset
    count, whole = len(images.test), sum(len(s) for s in (images.train, images.validation, images.test) if s)
    if count >= FEW:
        return ""
    text = f"{dataset.label}: {count} of {whole} images are for testing, so intervals will be wide"
    named = {p.name for p in registry.datasets.find(dataset.name).outline.parameters or ()}
    return text + ("; test_share=0.3 takes more of them" if "test_share" in named else "")


def _sizes(run: "Run") -> str:
    images = run.images
    channels, height, width = images.image_shape
    validation = len(images.validation) if images.validation is not None else 0
    return (
        f"{len(images.train)} training, {validation} validation, {len(images.test)} test images, "
        f"{height}x{width}x{channels}"
    )


def seeds_text(runs: Sequence["Run"]) -> str:
    """The seeds of trainings and problems."""
    trainings, problems = ({str(getattr(r.spec, name)): 0 for r in runs} for name in ("seed", "problem_seed"))
    return f"training {', '.join(trainings)}; problem {', '.join(problems)}"


def recipe_text(run: "Run") -> str:
    """The recipe in one line."""
    recipe = run.spec.recipe
    if recipe is None:
        return "none"
    extras = [f"{k} {v:g}" for k in ("weight_decay", "clip", "ema", "patience") if (v := getattr(recipe, k))]
    extras += ["flips"] * recipe.augment + [recipe.precision] * (recipe.precision != "float32")
    words = [
        f"{recipe.epochs} epoch{'s' * (recipe.epochs > 1)}",
        f"batch {recipe.batch_size}",
        f"{recipe.optimizer} {recipe.lr:g}",
    ]
    return ", ".join([*words, recipe.schedule, recipe.loss.upper(), *extras])


class Bar:
    """Progress of runs: live, one line for all and one for each that is under way; else a line per epoch,
    and one every ten seconds of whatever else takes so long.

    What is done leaves the display, which is no longer than the runs at a time, however many there are.
    """

    def __init__(self, progress: Progress, total: int):
        self.progress = progress
        self.tasks: dict[int, TaskID] = {}
        self.told: set[str] = set()
        self.last = time.monotonic()
        self.finished = self.failed = 0
        self.total = total
        self.whole = progress.add_task("", total=total, text="") if total > 1 else None
        self._count()

    def step(self, run: "Run", step: "Step") -> None:
        """Show how far a run is."""
        label = _label(run)
        if id(run) not in self.tasks:
            self.tasks[id(run)] = self.progress.add_task(escape(label), text="")
            self._count()
        trains = step.stage == "training"
        text = _epoch_text(step) if trains else step.stage
        total = step.epochs * step.steps if trains else step.steps or None
        done = max(step.epoch - 1, 0) * step.steps + step.step
        self.progress.update(self.tasks[id(run)], total=total, completed=done, text=escape(text))
        tells = step.stage.startswith(("waiting", "again"))
        if (trains and step.step == step.steps) or (tells and f"{label}: {text}" not in self.told):
            self._tell(f"{label}: {text}")
        elif not trains and time.monotonic() - self.last > QUIET:
            self._tell(f"{label}: {text}" + (f" {step.step}/{step.steps}" if step.steps else ""))

    def done(self, run: "Run", record: "Record") -> None:
        """Take a run that is done off the display, and count it."""
        if (task := self.tasks.pop(id(run), None)) is not None:
            self.progress.remove_task(task)
        self.finished += 1
        self.failed += record.status == "failed"
        self._count()
        if record.status == "failed":
            self._tell(f"{_label(run)}: failed: {record.reason_and_place}")

    def _count(self) -> None:
        if self.whole is not None:
            running = len(self.tasks)
            failed = f"[red]{self.failed} failed[/], " if self.failed else ""
            self.progress.update(
                self.whole,
                description=f"[bold]{self.finished} of {self.total} done[/]",
                text=f"{failed}{running} running, {self.total - self.finished - running} waiting",
                completed=self.finished,
            )

    def _tell(self, text: str) -> None:
        """A line where there is no screen to show a bar on."""
        self.told.add(text)
        self.last = time.monotonic()
        if not console.is_terminal:
            console.print(text, markup=False, highlight=False, soft_wrap=True)


def _label(run: "Run") -> str:
    spec = run.spec
    more = [spec.size_label, f"seed {spec.seed}" if spec.seed else ""]
    told = ", ".join(filter(None, more))
    return f"{spec.operator_label} {spec.method_label}" + (f" ({told})" if told else "")


def _epoch_text(step: "Step") -> str:
    text = f"epoch {step.epoch}/{step.epochs} loss {step.loss:.4f}"
    return text + (f" val {step.validation_psnr:.2f} dB" if math.isfinite(step.validation_psnr) else "")


@contextmanager
def training_bar(total: int) -> Iterator[Bar]:
    """A live display of so many runs."""
    columns = (
        # Where the line is too long, the names are broken, and the figures are not.
        TextColumn("{task.description}", table_column=Column(overflow="fold")),
        BarColumn(bar_width=10),
        TextColumn("{task.fields[text]}"),
        TimeRemainingColumn(table_column=Column(no_wrap=True)),
        TextColumn("left"),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        yield Bar(progress, total)
