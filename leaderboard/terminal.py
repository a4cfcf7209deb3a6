"""The table on a terminal, 80 columns wide."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np
from rich.markup import escape
from rich.table import Table

from bench.leaderboard import references
from bench.leaderboard.across import Overall
from bench.leaderboard.methods import Method
from bench.leaderboard.plots.grid import looks_of
from bench.leaderboard.plots.looks import Look, of_role
from bench.leaderboard.ranking import Ranking
from bench.leaderboard.references import Figure
from bench.leaderboard.rows import beside, cited, footnote, place, place_title, remark, speed
from bench.leaderboard.standings import Standing
from bench.leaderboard.table import Board
from bench.leaderboard.transfer import Matrix
from bench.text import interval, number, share


def tables(board: Board, whole: Board | None = None) -> Iterator[Table]:
    """One table for each group of comparable methods, each method with the mark it has in plots and pages.

    Args:
        board: what is shown.
        whole: the board that it is part of, whose methods' marks are used.
    """
    found = looks_of(whole or board)
    for ranking in board.rankings:
        yield _table(ranking, found)


def _table(ranking: Ranking, found_looks: Mapping[str, Look]) -> Table:
    reasons = Counter(f"failed: {r.spec.method_label} ({r.reason})" for r in ranking.group.failed)
    failed = [f"{told}, {count} runs" if count > 1 else told for told, count in reasons.items()]
    found = references.beside(ranking.group)
    cites = list(dict.fromkeys(cited(figure) for figure in found))
    sources = [f"published [{k}]: {text}" for k, text in enumerate(cites, start=1)]
    caption = "\n".join([*failed, footnote(ranking), *sources, ""])
    table = Table(
        title=escape(ranking.group.title), title_justify="left", title_style="bold cyan", header_style="bold",
        box=None, padding=(0, 1, 0, 0), caption=escape(caption), caption_justify="left",
    )  # fmt: skip
    metric = ranking.metric
    unit = f"/{metric.unit}" if metric.unit else ""
    heads = [place_title(ranking), "", "model", metric.title + unit, "± 95 %", beside(ranking).title]
    bounded = any(share(standing.share) for standing in ranking.standings)
    for name in [*heads, *["ceiling"] * bounded, "trained ± SD", "images/s"]:
        left = name in ("", "model")
        table.add_column(
            escape(name), justify="left" if left else "right", no_wrap=name != "model", overflow="fold"
        )
    for entry, standing in zip(ranking.group.entries, ranking.standings, strict=True):
        cells = _cells(ranking, entry, standing, of_role(found_looks[entry.label], entry.role))
        kept = [*cells[:6], *cells[6 : 6 + bounded], *cells[7:]]
        table.add_row(*kept, style="" if entry.role == "model" else "dim")
    for figure in found:
        row = _published(ranking, figure, cites.index(cited(figure)) + 1)
        table.add_row(*row[: len(table.columns)], style="magenta")
    return table


def _published(ranking: Ranking, figure: Figure, source: int) -> list[str]:
    """A row that is not ours: no rank, no interval, no speed."""
    second = beside(ranking)
    first = number(figure.scores.get(ranking.metric.name), ranking.metric.digits)
    other = number(figure.scores.get(second.name), second.digits)
    return ["published", "", escape(f"{figure.method} [{source}]"), first, "", other, "", "", ""]


def _cells(ranking: Ranking, entry: Method, standing: Standing, look: Look) -> list[str]:
    told = remark(standing, ranking.metric)
    second = beside(ranking)
    return [
        place(entry, standing) + (" ★" if standing.best else ""),
        f"[{look.colour}]{look.character}[/]",
        escape(entry.label) + (f"\n[yellow]{escape(told)}[/]" if told else ""),
        number(standing.mean, ranking.metric.digits),
        number(standing.half_width, ranking.metric.digits),
        number(entry.mean(second.name), second.digits),
        share(standing.share),
        _trained(ranking, entry),
        speed(entry.first),
    ]


def _trained(ranking: Ranking, entry: Method) -> str:
    """How often a method was trained, and the standard deviation of the trainings' means."""
    if not entry.trainings:
        return "-"
    means = np.array([r.scores.get(ranking.metric.name, math.nan) for r in entry.records])
    if len(means) < 2 or not np.isfinite(means).all():
        return f"{entry.trainings}x"
    return f"{entry.trainings}x ± {number(float(means.std(ddof=1)), ranking.metric.digits)}"


def transfer_table(matrix: Matrix) -> Table:
    """Trained on the rows, tested on the columns; ``*`` marks what was tested on what it was trained on."""
    unit = f"/{matrix.metric.unit}" if matrix.metric.unit else ""
    table = Table(
        title=escape(f"{matrix.method}: {matrix.metric.title}{unit}"), title_justify="left",
        title_style="bold cyan", header_style="bold", box=None, padding=(0, 1, 0, 0),
        caption="* tested on what it was trained on\n", caption_justify="left",
    )  # fmt: skip
    table.add_column("trained on \\ tested on", overflow="fold")
    for name in matrix.tested:
        table.add_column(escape(name), justify="right", overflow="fold")
    for row, name in enumerate(matrix.trained):
        told = [number(v, matrix.metric.digits) if not math.isnan(v) else "" for v in matrix.scores[row]]
        own = matrix.own[row]
        cells = [f"[bold]{text}*[/]" if text and column == own else text for column, text in enumerate(told)]
        table.add_row(escape(name), *cells)
    return table


def overall_table(summary: Overall) -> Table:
    """Average rank and gain of the methods that were run on the same problems."""
    count = len(summary.problems)
    unit = f"/{summary.unit}" if summary.unit else ""
    caption = f"{count} problems; 95 % intervals by bootstrap over trainings and groups within each.\n"
    table = Table(
        title="Over problems", title_justify="left", title_style="bold cyan", header_style="bold",
        box=None, padding=(0, 1, 0, 0), caption=caption, caption_justify="left",
    )  # fmt: skip
    for name in ("model", "average rank", "95 %", f"gain{unit}", "95 %", "beats the next"):
        table.add_column(name, justify="left" if name == "model" else "right", overflow="fold")
    for i, label in enumerate(summary.methods):
        rank, gain = summary.rank[i], summary.gain[i]
        table.add_row(
            escape(label),
            number(rank.value, 1),
            interval(rank.low, rank.high, 1),
            number(gain.value),
            interval(gain.low, gain.high),
            share(summary.beats[i, i + 1]) if i + 1 < len(summary.methods) else "",
        )
    return table
