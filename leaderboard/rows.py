"""A group's methods as rows of text: what the tables in the terminal, in Markdown and on the page share."""

import math
from collections.abc import Callable

from bench.leaderboard.groups import Entry
from bench.leaderboard.ranking import Ranking, Standing
from bench.text import count, interval, number, share

HEADER = ("rank", "model", "PSNR", "95 % interval", "SSIM", "to ceiling", "images/s", "weights", "")


def cells(ranking: Ranking, escape: Callable[[str], str] = str) -> list[list[str]]:
    """One row of texts per method under :data:`HEADER`; names pass through ``escape``."""
    return [
        _cells(entry, standing, escape)
        for entry, standing in zip(ranking.group.entries, ranking.standings, strict=True)
    ]


def _cells(entry: Entry, standing: Standing, escape: Callable[[str], str]) -> list[str]:
    low, high = entry.interval()
    timings = entry.first.timings
    return [
        place(entry, standing),
        escape(entry.label),
        number(entry.mean()),
        interval(low, high),
        number(entry.mean("ssim"), 3),
        share(standing.share),
        count(timings.get("images_per_second", math.nan)),
        count(entry.first.parameters),
        standing.verdict,
    ]


def place(entry: Entry, standing: Standing) -> str:
    """``1``, ``2=`` for a shared rank, or the role of a row that is not ranked."""
    if standing.rank is None:
        return entry.role
    return f"{standing.rank}{'=' if standing.tied else ''}"


def footnote(ranking: Ranking) -> str:
    """The smallest difference that the test set could have shown, and how ranks were found."""
    entries = ranking.group.entries
    if len(entries) < 2:
        return ""
    images = len(entries[0].score())
    text = f"{images:,} test images. Equal ranks (=): a paired Wilcoxon test finds no difference (5 %, Holm)."
    if math.isnan(ranking.smallest_detectable):
        return text
    return (
        f"{text} Smallest difference it would have found 4 times in 5: {ranking.smallest_detectable:.2f} dB."
    )
