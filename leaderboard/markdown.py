"""Markdown: the summary of all problems, and a table for each."""

from collections.abc import Iterable, Sequence

from bench.leaderboard.methods import Method
from bench.leaderboard.ranking import Ranking
from bench.leaderboard.rows import cells, footnote, header, published_cells
from bench.leaderboard.standings import Standing
from bench.text import number

#: The plain CNN that every method has to be compared with.
BASELINE = "unet"
#: Names of methods that a cell of the summary holds.
NAMED = 3
_LEFT = ("model", "problem", "none shown better than", "uses", "")
_HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def markdown(rankings: Sequence[Ranking]) -> str:
    """The summary, if there is more than one problem, then a table for each."""
    head = [summary(rankings)] if len(rankings) > 1 else []
    return "\n".join([*head, *map(table, rankings)]) or "No runs recorded yet.\n"


def summary(rankings: Iterable[Ranking]) -> str:
    """One row for each group of comparable methods: floor, plain U-Net, the highest mean, ceiling."""
    head = (
        "problem",
        "methods",
        "mean (floor)",
        "unet",
        "highest PSNR",
        "SSIM",
        "none shown better than",
        "ceiling",
    )
    lines = [_summary_row(ranking) for ranking in rankings if not ranking.group.only_transferred]
    return "\n".join([*_lines(head, lines), ""])


def _summary_row(ranking: Ranking) -> list[str]:
    group = ranking.group
    models = group.of_role("model")
    leading = [
        (e, s) for e, s in zip(group.entries, ranking.standings, strict=True) if s.rank and s.rank[0] == 1
    ]
    # Of several budgets the one that was trained most often, not the one that scores best.
    named = [entry for entry in models if entry.first.spec.model.label == BASELINE]
    plain = max(named, key=lambda entry: entry.trainings, default=None)
    return [
        escaped(group.title),
        str(len(models)),
        _psnr(group.floor),
        _psnr(plain),
        _psnr(leading[0][0] if leading else None),
        number(leading[0][0].mean("ssim"), 3) if leading else "",
        _names(leading),
        _psnr(group.ceiling),
    ]


def _names(leading: Sequence[tuple[Method, Standing]]) -> str:
    """The methods that may be the best; that none is shown above the floor, where so."""
    if leading and all(s.floor is not None and s.floor.outcome != "better" for _, s in leading):
        return "none is shown above the mean"
    more = [f"{len(leading) - NAMED} more"] if len(leading) > NAMED else []
    return ", ".join([*(escaped(entry.label) for entry, _ in leading[:NAMED]), *more])


def _psnr(entry: Method | None) -> str:
    return number(entry.mean()) if entry else ""


def table(ranking: Ranking) -> str:
    """The methods of one group under its title."""
    return f"### {escaped(ranking.group.title)}\n\n{rows(ranking)}"


def rows(ranking: Ranking) -> str:
    """The methods of one group, what failed, and what the table's claims hold for."""
    body = [*cells(ranking, escaped), *published_cells(ranking, escaped)]
    lines = _lines([escaped(name) for name in header(ranking)], body)
    lines += [f"\nFailed: {escaped(r.spec.method_label)} ({escaped(r.reason)})" for r in ranking.group.failed]
    return "\n".join([*lines, "", *filter(None, [footnote(ranking)]), ""])


def _lines(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    ruler = ["---" if title in _LEFT else "---:" for title in header]
    return ["| " + " | ".join(row) + " |" for row in (header, ruler, *rows)]


def escaped(text: str) -> str:
    """Text that Markdown and HTML show as it is, on one line."""
    one_line = " ".join(text.split())
    return "".join(_HTML.get(c, f"\\{c}" if c in "\\`*_[]|#$~" else c) for c in one_line)
