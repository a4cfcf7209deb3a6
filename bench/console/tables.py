"""Tables on the terminal: results of runs, names, checks and certificates."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from bench.entries import Entry
from bench.text import count, number, seconds

if TYPE_CHECKING:
    from bench.describe.certificate import Certificate
    from bench.protocols import Protocol
    from bench.runs.record import Record
    from bench.sweeps.forecast import Forecast
    from bench.testing import Check


def results_table(title: str, records: Iterable["Record"]) -> Table:
    """One row per run on one operator and dataset: scores, images per second, learned weights, time."""
    table, records = _table(title), list(records)
    more = list(dict.fromkeys(name for r in records for name in r.scores if name not in ("psnr", "ssim")))
    table.add_column("model", overflow="fold")
    for name in ("PSNR/dB", "SSIM", *map(escape, more), "train im/s", "infer im/s", "weights", "time"):
        table.add_column(name, justify="right", no_wrap=True)
    for record in records:
        label = record.spec.method_label + (
            f" ({record.role})" if record.role in ("floor", "ceiling") else ""
        )
        cells = [escape(label)]
        if record.status == "failed":
            table.add_row(*cells, "[red]failed[/]", style="dim")
            continue
        timings = record.timings
        table.add_row(
            *cells,
            number(record.scores["psnr"]),
            number(record.scores["ssim"], 3),
            *(number(record.scores.get(name, math.nan), 3) for name in more),
            count(timings.get("train_images_per_second")) or "-",
            count(timings.get("images_per_second")) or "-",
            f"{record.parameters:,}" if record.parameters else "-",
            seconds(timings["total_seconds"]),
        )
    return table


def _table(title: str) -> Table:
    style = {"header_style": "bold", "title_style": "bold cyan", "title_justify": "left"}
    return Table(title=escape(title), box=None, padding=(0, 2, 0, 0), **style)  # type: ignore[arg-type]


def forecast_table(forecasts: Iterable["Forecast"]) -> Table:
    """One row per run that is planned: what is recorded, and about how long the others would take."""
    table = _table("planned")
    forecasts = list(forecasts)
    sizes = any(each.run.spec.train_size for each in forecasts)
    for name in ("operator", "model", "dataset"):
        table.add_column(name, overflow="fold")
    for name in ["images"] * sizes:
        table.add_column(name, justify="right")
    table.add_column("seed", justify="right")
    table.add_column("state", no_wrap=True)
    table.add_column("about", justify="right", no_wrap=True)
    for each in forecasts:
        spec = each.run.spec
        images = [f"{spec.train_size:,}" if spec.train_size else "all"] * sizes
        names = (spec.operator_label, spec.method_label, spec.dataset.label, *images, str(spec.seed))
        time = "" if each.state == "recorded" else seconds(each.seconds) or "?"
        table.add_row(*map(escape, names), each.state, time, style="dim" if each.state == "recorded" else "")
    return table


def forecast_text(forecasts: Sequence["Forecast"], jobs: int) -> str:
    """How many runs there are to do, and about how long that takes, in a sentence."""
    from bench.sweeps.forecast import wall_seconds

    rest = [each for each in forecasts if each.state != "recorded"]
    unknown = sum(math.isnan(each.seconds) for each in rest)
    text = f"{len(forecasts)} runs: {len(forecasts) - len(rest)} are recorded, {len(rest)} to do"
    if len(rest) > unknown:
        text += f", about {seconds(wall_seconds(rest, jobs))} {_at_a_time(jobs)}"
    return text + (f"; no record says how long {unknown} of them take" if unknown else "")


def _at_a_time(jobs: int) -> str:
    return f"with {jobs} at a time" if jobs > 1 else "one after another"


def entries_table(title: str, entries: Iterable[Entry], here: Callable[[str], str] | None = None) -> Table:
    """Names with one line each; where a plug-in comes from; whether a dataset's files are here."""
    table = _table(title)
    table.add_column("name", no_wrap=True)
    table.add_column("what it is")
    if here is not None:
        table.add_column("files", no_wrap=True)
    for entry in entries:
        origin = f" [dim]{escape(entry.origin)}[/]" if entry.entry_point else ""
        found = [] if here is None else ["" if entry.entry_point else here(entry.name)]
        table.add_row(escape(entry.name), escape(entry.summary) + origin, *found)
    return table


def protocols_table(found: Mapping[str, "Protocol"]) -> Table:
    """Ways of scoring by name, with one line each."""
    table = _table("protocols")
    table.add_column("name", no_wrap=True)
    table.add_column("what it is")
    for name, protocol in found.items():
        table.add_row(escape(name), escape(protocol.description))
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
