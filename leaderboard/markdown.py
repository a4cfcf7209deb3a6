"""Markdown: the summary of all problems, and a table for each."""

from collections.abc import Iterable, Sequence

from bench.leaderboard.groups import Entry
from bench.leaderboard.ranking import NO_BETTER, Ranking, Standing
from bench.leaderboard.rows import HEADER, cells, footnote
from bench.text import number

#: The plain CNN that every method has to be compared with.
BASELINE = "unet"
#: Names of tied methods that a cell of the summary holds.
NAMED = 3
_HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def markdown(rankings: Sequence[Ranking]) -> str:
    """The summary, if there is more than one problem, then a table for each."""
    head = [summary(rankings)] if len(rankings) > 1 else []
    return "\n".join([*head, *map(table, rankings)]) or "No runs recorded yet.\n"


def summary(rankings: Iterable[Ranking]) -> str:
    """One row for each group of comparable methods: floor, plain U-Net, best method, ceiling."""
    header = ("problem", "methods", "mean (floor)", "unet", "best PSNR", "SSIM", "by", "ceiling")
    lines = [_summary_row(ranking) for ranking in rankings if ranking.group.entries]
    return "\n".join([*_lines(header, lines), ""])


def _summary_row(ranking: Ranking) -> list[str]:
    group = ranking.group
    models = group.of_role("model")
    best = [(e, s) for e, s in zip(group.entries, ranking.standings, strict=True) if s.rank == 1]
    plain = next((entry for entry in models if entry.first.spec.model.label == BASELINE), None)
    return [
        escaped(group.title),
        str(len(models)),
        _psnr(group.floor),
        _psnr(plain),
        _psnr(best[0][0] if best else None),
        number(best[0][0].mean("ssim"), 3) if best else "",
        _names(best),
        _psnr(group.ceiling),
    ]


def _names(best: Sequence[tuple[Entry, Standing]]) -> str:
    """The best method and those tied with it; that there is none, where none beats the floor."""
    if best and all(standing.verdict for _, standing in best):
        return f"none is {NO_BETTER.removeprefix('no ')}"
    more = [f"{len(best) - NAMED} more"] if len(best) > NAMED else []
    return ", ".join([*(escaped(entry.label) for entry, _ in best[:NAMED]), *more])


def _psnr(entry: Entry | None) -> str:
    return number(entry.mean()) if entry else ""


def table(ranking: Ranking) -> str:
    """The methods of one group under its title."""
    return f"### {escaped(ranking.group.title)}\n\n{rows(ranking)}"


def rows(ranking: Ranking) -> str:
    """The methods of one group, what failed, and what the test set could have shown."""
    lines = _lines(HEADER, cells(ranking, escaped))
    lines += [f"\nFailed: {escaped(r.spec.model.label)} ({escaped(r.reason)})" for r in ranking.group.failed]
    return "\n".join([*lines, "", *filter(None, [footnote(ranking)]), ""])


def _lines(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    ruler = ["---" if title in ("model", "problem", "by", "") else "---:" for title in header]
    return ["| " + " | ".join(row) + " |" for row in (header, ruler, *rows)]


def escaped(text: str) -> str:
    """Text that Markdown and HTML show as it is, on one line."""
    one_line = " ".join(text.split())
    return "".join(_HTML.get(c, f"\\{c}" if c in "\\`*_[]|#$~" else c) for c in one_line)
