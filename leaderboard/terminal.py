"""The table on a terminal, 80 columns wide."""

import math
from collections.abc import Iterator

from rich.markup import escape
from rich.table import Table

from bench.leaderboard.groups import Entry
from bench.leaderboard.ranking import Ranking, Standing
from bench.leaderboard.rows import footnote, place
from bench.leaderboard.table import Board
from bench.text import count, number, share

COLUMNS = ("rank", "model", "PSNR/dB", "± 95 %", "SSIM", "ceiling", "images/s", "weights")


def tables(board: Board) -> Iterator[Table]:
    """One table for each group of comparable methods."""
    for ranking in board.rankings:
        yield _table(ranking)


def _table(ranking: Ranking) -> Table:
    failed = [f"failed: {r.spec.model.label} ({r.reason})" for r in ranking.group.failed]
    caption = "\n".join([*failed, footnote(ranking), ""])
    table = Table(
        title=escape(ranking.group.title), title_justify="left", title_style="bold cyan", header_style="bold",
        box=None, padding=(0, 1, 0, 0), caption=escape(caption), caption_justify="left",
    )  # fmt: skip
    for name in COLUMNS:
        left = name == "model"
        table.add_column(name, justify="left" if left else "right", no_wrap=not left, overflow="fold")
    for entry, standing in zip(ranking.group.entries, ranking.standings, strict=True):
        table.add_row(*_cells(entry, standing), style="" if entry.role == "model" else "dim")
    return table


def _cells(entry: Entry, standing: Standing) -> list[str]:
    low, high = entry.interval()
    verdict = f"\n[yellow]{standing.verdict}[/]" if standing.verdict else ""
    return [
        place(entry, standing),
        escape(entry.label) + verdict,
        number(entry.mean()),
        number((high - low) / 2 if math.isfinite(high - low) else math.nan),
        number(entry.mean("ssim"), 3),
        share(standing.share),
        count(entry.first.timings.get("images_per_second", math.nan)),
        count(entry.first.parameters),
    ]
