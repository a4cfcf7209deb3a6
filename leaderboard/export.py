"""The table as files: CSV, Parquet, Markdown, LaTeX."""

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from bench.errors import UsageError
from bench.files import replace, replacing
from bench.leaderboard import references
from bench.leaderboard.markdown import markdown
from bench.leaderboard.methods import Method
from bench.leaderboard.ranking import Ranking
from bench.leaderboard.references import Figure
from bench.leaderboard.rows import beside, cited, footnote, place, place_title, speed
from bench.leaderboard.standings import Standing
from bench.leaderboard.table import Board
from bench.text import number

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
    r"""Tables for a paper: booktabs, ranks as intervals; bold what is shown better than all others."""
    tables = [_latex_table(ranking) for ranking in rankings if ranking.group.entries]
    return "\n".join(["% needs \\usepackage{booktabs}", *tables]) + "\n"


def _latex_table(ranking: Ranking) -> str:
    rows = [_latex_row(e, s, ranking) for e, s in zip(ranking.group.entries, ranking.standings, strict=True)]
    found = references.beside(ranking.group)
    cites = list(dict.fromkeys(cited(figure) for figure in found))
    rows += [r"    \midrule"] * bool(found)
    rows += [_latex_published(figure, cites.index(cited(figure)) + 1, ranking) for figure in found]
    told = ["Bold: shown better than all others."] if ranking.best else []
    told += [footnote(ranking), *(f"[{k}] {text}." for k, text in enumerate(cites, start=1))]
    protocol = _tex(ranking.group.entries[0].first.spec.protocol)
    caption = f"{_tex(_readable(ranking.group.title))}. Protocol {protocol}. {_tex(' '.join(told))}"
    return "\n".join(
        [
            r"\begin{table}",
            r"  \centering\small\setlength{\tabcolsep}{4pt}\setlength{\belowcaptionskip}{6pt}",
            f"  \\caption{{{caption.strip()}}}",
            f"  \\label{{tab:{_key(ranking.group.title)}}}",
            r"  \begin{tabular}{@{}llrrrrr@{}}",
            r"    \toprule",
            f"    {_latex_head(ranking)} \\\\",
            r"    \midrule",
            *rows,
            r"    \bottomrule",
            r"  \end{tabular}",
            r"\end{table}",
        ]
    )


def _latex_head(ranking: Ranking) -> str:
    unit = f" ({ranking.metric.unit})" if ranking.metric.unit else ""
    place = place_title(ranking).replace("rank", "Rank")
    titles = (place, "Method", ranking.metric.title + unit, "± 95 %", beside(ranking).title)
    return " & ".join(map(_tex, (*titles, "Trainings", "Images/s")))


def _latex_row(entry: Method, standing: Standing, ranking: Ranking) -> str:
    metric, second = ranking.metric, beside(ranking)
    mean = _tex(number(standing.mean, metric.digits))
    cells = [
        _tex(place(entry, standing)),
        _tex(_readable(entry.label)),
        f"\\textbf{{{mean}}}" if standing.best else mean,
        _tex(number(standing.half_width, metric.digits)),
        _tex(number(entry.mean(second.name), second.digits)),
        str(entry.trainings or "--"),
        _tex(speed(entry.first).replace("-", "--")),
    ]
    return f"    {' & '.join(cells)} \\\\"


def _latex_published(figure: Figure, source: int, ranking: Ranking) -> str:
    """A row that is not ours, in italics: no rank, no interval, no speed."""
    metric, second = ranking.metric, beside(ranking)
    cells = [
        "published",
        f"\\textit{{{_tex(figure.method)}}} [{source}]",
        _tex(number(figure.scores.get(metric.name), metric.digits)),
        "",
        _tex(number(figure.scores.get(second.name), second.digits)),
        "",
        "",
    ]
    return f"    {' & '.join(cells)} \\\\"


def _readable(label: str) -> str:
    """A name for a paper: ``unet:width=8,depth=3`` as ``unet (width 8, depth 3)``."""
    readable = re.sub(
        r"(\w):([\w.]+=[^\s:+]+)",
        lambda found: f"{found[1]} ({found[2].replace('=', ' ').replace(',', ', ')})",
        label,
    )
    return readable.replace(") (", "; ")


def _key(title: str) -> str:
    """A key for references: letters, digits and hyphens, different for different titles."""
    plain = re.sub(r"[^A-Za-z0-9]+", "-", title).strip("-").lower()[:60]
    return f"{plain}-{hashlib.sha256(title.encode()).hexdigest()[:4]}"


_TEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "_": r"\_",
    "%": r"\%", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
    ">": r"\textgreater{}", "|": r"\textbar{}", "–": "--", "±": r"$\pm$", "−": "$-$", "∞": r"$\infty$",
    "★": r"$\star$",
}  # fmt: skip


def _tex(text: str) -> str:
    """Text that LaTeX prints as it is."""
    return "".join(_TEX.get(c, c) for c in " ".join(text.split()))
