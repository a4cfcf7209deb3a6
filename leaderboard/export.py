"""The table as files: CSV, Parquet, Markdown, LaTeX."""

import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from bench.errors import UsageError
from bench.leaderboard.groups import Entry
from bench.leaderboard.ranking import Ranking, Standing
from bench.leaderboard.table import Board
from bench.leaderboard.text import count, interval, number, share

HEADER = ("rank", "model", "PSNR", "95 % interval", "SSIM", "to ceiling", "images/s", "weights", "")


def write(board: Board, results: Path) -> list[Path]:
    """Write ``leaderboard.csv``, ``.parquet``, ``.md`` and ``.tex`` into a folder.

    Raises:
        OSError: it cannot be written to.
    """
    paths = [results / f"leaderboard.{kind}" for kind in ("csv", "parquet", "md", "tex")]
    board.frame.to_csv(paths[0], index=False)
    board.frame.to_parquet(paths[1], index=False)
    paths[2].write_text(markdown(board.rankings), encoding="utf-8")
    paths[3].write_text(latex(board.rankings), encoding="utf-8")
    return paths


def text(board: Board, form: str) -> str:
    """The table as ``csv``, ``markdown`` or ``latex``.

    Raises:
        UsageError: another form was asked for.
    """
    if form == "csv":
        return str(board.frame.to_csv(index=False))
    if form in ("markdown", "latex"):
        return {"markdown": markdown, "latex": latex}[form](board.rankings)
    raise UsageError(f"unknown format {form!r}; choose table, csv, markdown or latex")


def markdown(rankings: Iterable[Ranking]) -> str:
    """A table for each group of comparable methods, with what the test set could have shown below it."""
    return "\n".join(_markdown_group(ranking) for ranking in rankings) or "No runs recorded yet.\n"


def _markdown_group(ranking: Ranking) -> str:
    lines = [f"### {_md(ranking.group.title)}", "", *_markdown_rows(HEADER, cells(ranking, _md))]
    lines += [f"\nFailed: {_md(r.spec.model.label)} ({_md(r.error)})" for r in ranking.group.failed]
    return "\n".join([*lines, "", *filter(None, [footnote(ranking)]), ""])


def _markdown_rows(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    ruler = ["---" if title in ("model", "") else "---:" for title in header]
    return ["| " + " | ".join(row) + " |" for row in (header, ruler, *rows)]


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


_HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def _md(text: str) -> str:
    """Text that Markdown and HTML show as it is, on one line."""
    one_line = " ".join(text.split())
    return "".join(_HTML.get(c, f"\\{c}" if c in "\\`*_[]|#$~" else c) for c in one_line)


def latex(rankings: Iterable[Ranking]) -> str:
    r"""Tables for a paper: booktabs, the best model in bold, methods tied with it marked by a dagger."""
    tables = [_latex_table(ranking) for ranking in rankings if ranking.group.entries]
    return "\n".join(["% needs \\usepackage{booktabs}", *tables]) + "\n"


def _latex_table(ranking: Ranking) -> str:
    rows = [_latex_row(e, s, ranking) for e, s in zip(ranking.group.entries, ranking.standings, strict=True)]
    caption = f"{_tex(ranking.group.title)}. {_tex_note(ranking)}"
    return "\n".join(
        [
            r"\begin{table}",
            r"  \centering",
            f"  \\caption{{{caption.strip()}}}",
            r"  \begin{tabular}{lrrrr}",
            r"    \toprule",
            r"    Method & PSNR (dB) & 95\,\% interval & SSIM & Images/s \\",
            r"    \midrule",
            *rows,
            r"    \bottomrule",
            r"  \end{tabular}",
            r"\end{table}",
        ]
    )


def _latex_row(entry: Entry, standing: Standing, ranking: Ranking) -> str:
    psnr, ssim = _tex_number(entry.mean()), _tex_number(entry.mean("ssim"), 3)
    first = standing.rank == 1
    best = first and entry is ranking.group.of_role("model")[0]
    mark = r"\textsuperscript{\dag}" if first and standing.tied and not best else ""
    psnr = f"\\textbf{{{psnr}}}" if best else psnr + mark
    low, high = (_tex_number(v) for v in entry.interval())
    speed = entry.first.timings.get("images_per_second", math.nan)
    name = _tex(entry.label) + ("" if entry.role == "model" else f" ({entry.role})")
    return f"    {name} & {psnr} & [{low}, {high}] & {ssim} & {_tex(count(speed))} \\\\"


def _tex_note(ranking: Ranking) -> str:
    note = f"{len(ranking.group.entries[0].score())} test images."
    if any(s.rank == 1 and s.tied for s in ranking.standings):
        note += r" \dag: not told apart from the best (Wilcoxon, Holm, 5\,\%)."
    if not math.isnan(ranking.smallest_detectable):
        note += f" Smallest detectable difference: {ranking.smallest_detectable:.2f} dB."
    return note


def _tex_number(value: float, digits: int = 2) -> str:
    if math.isinf(value):
        return r"$+\infty$" if value > 0 else r"$-\infty$"
    return f"${value:.{digits}f}$" if value < 0 else f"{value:.{digits}f}"


_TEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "_": r"\_",
    "%": r"\%", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
    ">": r"\textgreater{}", "|": r"\textbar{}",
}  # fmt: skip


def _tex(text: str) -> str:
    """Text that LaTeX prints as it is."""
    return "".join(_TEX.get(c, c) for c in " ".join(text.split()))
