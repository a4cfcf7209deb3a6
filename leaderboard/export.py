"""The table as files: CSV, Parquet, Markdown, LaTeX."""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from bench.errors import UsageError
from bench.files import replace, replacing
from bench.leaderboard.groups import Entry
from bench.leaderboard.markdown import markdown
from bench.leaderboard.ranking import Ranking, Standing
from bench.leaderboard.table import Board
from bench.text import count

#: What a spreadsheet's formula begins with (OWASP, CSV injection), full-width forms included.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def write(board: Board, results: Path) -> list[Path]:
    """Write ``leaderboard.csv``, ``.parquet``, ``.md`` and ``.tex`` into a folder.

    Raises:
        OSError: it cannot be written to.
    """
    paths = [results / f"leaderboard.{kind}" for kind in ("csv", "parquet", "md", "tex")]
    replace(paths[0], text(board, "csv"))
    with replacing(paths[1]) as draft:
        board.frame.to_parquet(draft, index=False)
    replace(paths[2], text(board, "markdown"))
    replace(paths[3], text(board, "latex"))
    return paths


def text(board: Board, form: str) -> str:
    """The table as ``csv``, ``markdown`` or ``latex``.

    Raises:
        UsageError: another form was asked for.
    """
    if form == "csv":
        return _csv(board.frame)
    if form in ("markdown", "latex"):
        return {"markdown": markdown, "latex": latex}[form](board.rankings)
    raise UsageError(f"unknown format {form!r}; choose table, csv, markdown or latex")


def _csv(frame: pd.DataFrame) -> str:
    """The table as CSV; a text that a spreadsheet would take for a formula gets an apostrophe before it."""
    return str(frame.map(_inert).to_csv(index=False))


def _inert(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


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
