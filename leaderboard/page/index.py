"""What the front page shows: the matrix of problems and methods, and the table of all runs."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bench.leaderboard import across
from bench.leaderboard.methods import Method
from bench.leaderboard.ranking import Ranking
from bench.leaderboard.scales import scale
from bench.leaderboard.standings import Standing
from bench.leaderboard.table import COLUMNS, Board

#: Columns of the table that are shown at first; the others can be chosen.
SHOWN = (
    "rank", "method", "psnr", "ssim", "above_floor", "images_per_second", "trainings", "parameters", "seed",
)  # fmt: skip
#: Columns that a reader can filter by, with their titles.
FILTERS = {
    "operator": "operator",
    "method": "method",
    "dataset": "dataset",
    "setting": "hardware",
    "status": "status",
}
TITLES = {
    "psnr": "PSNR (dB)", "ssim": "SSIM", "above_floor": "above the mean (dB)",
    "images_per_second": "images/s", "share": "floor to ceiling", "parameters": "weights",
    "floor": "against the mean", "setting": "measured on",
}  # fmt: skip
_DIGITS = {"psnr": 2, "above_floor": 2, "ssim": 3}


@dataclass(frozen=True)
class Cell:
    """A method on a problem.

    Attributes:
        mean: of the metric ranked by.
        shade: way from the floor to the ceiling, or to the best finite mean, in percent; 0 where it is not
            shown to be above the floor.
        best: whether it is shown better than all others.
        exact: whether everything is exact.
    """

    mean: float
    shade: int
    best: bool
    exact: bool


@dataclass(frozen=True)
class Matrix:
    """Problems by methods.

    Attributes:
        methods: labels: models as they first appear, then floors and ceilings.
        rows: a cell for each method of each problem, None where it was not run.
        ranks: average rank of the methods that were run on the same problems, as text.
        problems: number of those problems.
    """

    methods: tuple[str, ...]
    rows: tuple[tuple[Ranking, tuple[Cell | None, ...]], ...]
    ranks: dict[str, str]
    problems: int


def matrix(rankings: Sequence[Ranking]) -> Matrix:
    """The matrix of problems that have a scored method; what was only transferred has matrices of its own."""
    kept = [r for r in rankings if not r.group.only_transferred]
    found = [e for r in kept for e in r.group.entries if e.role != "transfer"]
    ordered = sorted(found, key=lambda e: ("model", "floor", "ceiling").index(e.role))
    methods = tuple(dict.fromkeys(e.label for e in ordered))
    rows = []
    for ranking in kept:
        cells = _cells(ranking)
        rows.append((ranking, tuple(cells.get(method) for method in methods)))
    overall = across.overall(kept)
    ranks = (
        {m: f"{r.value:.1f}" for m, r in zip(overall.methods, overall.rank, strict=True)} if overall else {}
    )
    return Matrix(methods, tuple(rows), ranks, len(overall.problems) if overall else 0)


def _cells(ranking: Ranking) -> dict[str, Cell]:
    rows = list(zip(ranking.group.entries, ranking.standings, strict=True))
    finite = [s.mean for _, s in rows if math.isfinite(s.mean)]
    shades = [_shade(e, s, ranking, finite) for e, s in rows]
    # One darkest cell would be a claim: where none is shown, all that may be the best look alike.
    leading = [i for i, (_, s) in enumerate(rows) if s.rank and s.rank[0] == 1 and not ranking.best]
    for i in leading:
        shades[i] = max(shades[k] for k in leading)
    found = zip(rows, shades, strict=True)
    return {e.label: Cell(s.mean, shade * _above(s), s.best, s.mean == math.inf) for (e, s), shade in found}


def _above(standing: Standing) -> bool:
    """Whether it is shown to be above the floor, where that was tested: the best of nothing has no shade."""
    return standing.floor is None or standing.floor.outcome == "better"


def _shade(entry: Method, standing: Standing, ranking: Ranking, finite: Sequence[float]) -> int:
    """With a ceiling the way to it in root-mean-square error, else that to the best finite mean."""
    sign, value = ranking.metric.sign, standing.mean
    if ranking.metric.name == "psnr" and math.isfinite(standing.share):
        way = standing.share
    elif not math.isfinite(value):
        way = 1.0 if sign * value > 0 else 0.0
    else:
        best = max((sign * v for v in finite), default=0.0)
        floor = ranking.group.floor
        low = sign * floor.mean(ranking.metric.name) if floor else min(sign * v for v in finite)
        way = (sign * value - low) / (best - low) if math.isfinite(low) and best > low else 0.0
    return round(100 * min(max(way, 0.0), 1.0))


def runs(board: Board, problem: Callable[[str], str], run: Callable[[str], str]) -> dict[str, Any]:
    """The table as the page's script takes it: by columns, texts as codes, infinite values as text."""
    frame = board.frame
    titles = list(dict.fromkeys(frame.group))
    told = [c for c in frame.columns if (frame[c].notna() & (frame[c] != "")).any()]
    names = [c for c in told if c not in ("group", "best")]
    failed = ["status"] if (frame.status == "failed").any() else []
    metric = board.rankings[0].metric.name if board.rankings else "psnr"
    return {
        "count": len(frame),
        "columns": [_column(name, frame[name]) for name in names],
        "shown": [*SHOWN[:2], *([metric] if metric not in SHOWN else []), *SHOWN[2:], *failed],
        "filters": FILTERS,
        "score": metric,
        "links": [run(name) for name in frame.fingerprint],
        "problems": [problem(title) for title in titles],
        "problem": [titles.index(title) for title in frame.group],
        "best": frame.best.eq(True).astype(int).tolist(),
    }


def _column(name: str, values: pd.Series) -> dict[str, Any]:
    plain = values.astype(object).where(values.notna(), None).tolist()
    title = TITLES.get(name, name.replace("_", " "))
    column: dict[str, Any] = {"name": name, "title": title, "about": COLUMNS.get(name, f"metric {name}")}
    base = name.removesuffix("_low").removesuffix("_high")
    if all(v is None or isinstance(v, int | float) for v in plain):
        digits = _DIGITS.get(base) or (0 if name in COLUMNS else scale(base).digits)
        return column | {"digits": digits, "values": [_number(v) for v in plain]}
    texts = list(dict.fromkeys(str(v) for v in plain if v is not None))
    codes = {text: i for i, text in enumerate(texts)}
    return column | {"texts": texts, "values": [-1 if v is None else codes[str(v)] for v in plain]}


def _number(value: Any) -> Any:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, float):
        if math.isinf(value):
            return "inf" if value > 0 else "-inf"
        return int(value) if value == int(value) else float(f"{value:.6g}")
    return value
