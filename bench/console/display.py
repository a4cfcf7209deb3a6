"""What the command line shows: what is about to run, progress, and tables."""

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from bench.registry import Entry
from bench.text import count, number, seconds

if TYPE_CHECKING:
    from bench.describe.certificate import Certificate
    from bench.runs.record import Record
    from bench.runs.runner import Run
    from bench.testing import Check
    from bench.training import Progress as Step

console = Console()
errors = Console(stderr=True)


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
        if trains and not console.is_terminal and step.step == step.steps:
            console.print(f"{label}: {text}", markup=False, highlight=False, soft_wrap=True)


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


def results_table(title: str, records: Iterable["Record"]) -> Table:
    """One row per run on one operator and dataset: PSNR, SSIM, images per second, learned weights, time."""
    table = _table(title)
    table.add_column("model", overflow="fold")
    for name in ("PSNR/dB", "SSIM", "train im/s", "infer im/s", "weights", "time"):
        table.add_column(name, justify="right", no_wrap=True)
    for record in records:
        label = record.spec.model.label + (f" ({record.role})" if record.role != "model" else "")
        cells = [escape(label)]
        if record.status == "failed":
            table.add_row(*cells, "[red]failed[/]", style="dim")
            continue
        timings = record.timings
        table.add_row(
            *cells,
            number(record.scores["psnr"]),
            number(record.scores["ssim"], 3),
            count(timings.get("train_images_per_second")) or "-",
            count(timings.get("images_per_second")) or "-",
            f"{record.parameters:,}" if record.parameters else "-",
            seconds(timings["total_seconds"]),
        )
    return table


def _table(title: str) -> Table:
    style = {"header_style": "bold", "title_style": "bold cyan", "title_justify": "left"}
    return Table(title=escape(title), box=None, padding=(0, 2, 0, 0), **style)  # type: ignore[arg-type]


def entries_table(title: str, entries: Iterable[Entry]) -> Table:
    """Names with one line each; where a plug-in comes from."""
    table = _table(title)
    table.add_column("name", no_wrap=True)
    table.add_column("what it is")
    for entry in entries:
        origin = f" [dim]{escape(entry.origin)}[/]" if entry.entry_point else ""
        table.add_row(escape(entry.name), escape(entry.summary) + origin)
    return table


def checks_table(subject: str, checks: Iterable["Check"]) -> Table:
    """One row per rule of a contract: a tick, a cross and the failing figure, or - if it does not apply."""
    table = _table(subject)
    table.add_column(no_wrap=True)
    table.add_column("rule")
    table.add_column("figure", overflow="fold")
    for check in checks:
        mark, style = ("[green]✓[/]", "") if check.passed else ("[red]✗[/]", "red")
        mark, style = (mark, style) if check.applies else ("-", "dim")
        table.add_row(mark, escape(check.rule), escape(check.figure), style=style)
    return table


def certificate_table(label: str, certificate: "Certificate") -> Table:
    """One row per figure of an operator's certificate."""
    table = _table(label)
    table.add_column("property", no_wrap=True)
    table.add_column("measured", justify="right")
    for name, value in asdict(certificate).items():
        if name != "summary":
            shown = (
                f"{value:.4g}"
                if isinstance(value, float)
                else "x".join(map(str, value))
                if isinstance(value, tuple)
                else "-"
                if value is None
                else str(value)
            )
            table.add_row(name.replace("_", " "), shown)
    return table
