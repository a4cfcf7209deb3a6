"""A suite's records as a table in a paper's layout, and as figures."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from PIL import Image

from bench import registry
from bench.component import Component, parse_chain
from bench.errors import UsageError
from bench.files import replace, replacing
from bench.leaderboard.samples import captions, sample_tensors
from bench.pictures import sheet
from bench.runs.record import Record

if TYPE_CHECKING:
    from bench.sweeps.suite import FigureLayout, Suite, TableLayout

METRICS = ("PSNR", "SSIM")


def write(suite: "Suite", dataset: str, records: Sequence[Record], folder: Path) -> list[Path]:
    """Write ``table.md``, ``table.csv`` and the figures that a suite asks for.

    Args:
        suite: what was run.
        dataset: label of the dataset that the table is of.
        records: what came of it; those on other datasets are not looked at.
        folder: where the files go.

    Returns:
        The paths written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    here = [r for r in records if r.status == "ok" and r.spec.dataset.label == dataset]
    paths = []
    if suite.table:
        frame = table(suite.table, here)
        paths += [folder / "table.md", folder / "table.csv"]
        replace(paths[0], f"{suite.title}\n\n{markdown(frame)}\n")
        replace(paths[1], frame.to_csv())
    for layout in suite.figures:
        shown = figure(layout, here)
        if shown:
            paths.append(folder / f"{layout.name}.png")
            with replacing(paths[-1]) as draft:
                shown.save(draft)
    return paths


def table(layout: "TableLayout", records: Sequence[Record]) -> pd.DataFrame:
    """Rows of the layout; columns ``(title, metric, "measured" or source)``.

    Scores are means over the seeds; NaN where there is no run.

    Raises:
        UsageError: a row's model has been run with several settings: their mean would say nothing.
    """
    cells = {}
    for row in layout.rows:
        for number, column in enumerate(layout.columns):
            found = _matching(records, column.operator, row.model)
            if len(labels := {record.spec.model.label for record in found}) > 1:
                raise UsageError(
                    f"row {row.title!r} of the suite's table could be any of {', '.join(sorted(labels))}; "
                    "name its model with the parameters"
                )
            for position, metric in enumerate(METRICS):
                scores = [record.scores[metric.lower()] for record in found]
                value = float(np.mean(scores)) if scores else np.nan
                cells[row.title, (column.title, metric, "measured")] = value
                if number < len(row.published):
                    cells[row.title, (column.title, metric, layout.source)] = row.published[number][position]
    columns = list(dict.fromkeys(column for _, column in cells))
    rows = [[cells.get((row.title, column), np.nan) for column in columns] for row in layout.rows]
    return pd.DataFrame(
        rows, index=[row.title for row in layout.rows], columns=pd.MultiIndex.from_tuples(columns)
    )


def markdown(frame: pd.DataFrame) -> str:
    """The table as Markdown; published scores in brackets behind the measured ones.

    PSNR has one decimal and SSIM two, as in the paper.
    """
    heads = list(dict.fromkeys((title, metric) for title, metric, _ in frame.columns))
    sources = sorted({source for _, _, source in frame.columns} - {"measured"})
    lines = ["| | " + " | ".join(f"{title}: {metric}" for title, metric in heads) + " |"]
    lines.append("|---" + "|---:" * len(heads) + "|")
    for name, row in frame.iterrows():
        cells = []
        for title, metric in heads:
            texts = {
                source: _number(value, metric)
                for (*head, source), value in zip(frame.columns, row, strict=True)
                if (title, metric) == tuple(head)
            }
            behind = "".join(f" ({texts[source]})" for source in sources if texts.get(source, "-") != "-")
            cells.append(texts["measured"] + behind)
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    note = f"\n\nIn brackets: {', '.join(sources)}." if sources else ""
    return "\n".join(lines) + note


def figure(layout: "FigureLayout", records: Sequence[Record]) -> Image.Image | None:
    """Measurement, each model's reconstruction and the truth; None if a run, or its samples, are missing."""
    found = [(model, _matching(records, layout.operator, model)) for model in layout.models]
    if not all(matches for _, matches in found):
        return None
    rows: dict[str, Any] = {}
    told: dict[str, Sequence[str]] = {}
    for model, matches in found:
        record = matches[0]
        samples = sample_tensors(record)
        if not samples:
            return None
        rows.setdefault("measurement", samples["measurement"])
        rows[model] = samples["reconstruction"]
        told[model] = captions(record, samples["number"])
    rows["truth"] = samples["truth"]
    shown = min(map(len, rows.values()))
    return sheet({name: stack[:shown] for name, stack in rows.items()}, told, layout.title)


def _matching(records: Sequence[Record], operator: str, model: str) -> list[Record]:
    """Runs of an operator and a model, however their parameters are written; a bare name matches any."""
    chain = tuple(part.checked(registry.operators) for part in parse_chain(operator))
    wanted = Component.parse(model).checked(registry.models)
    bare = ":" not in model
    return [
        record
        for record in records
        if record.spec.operator == chain
        and record.spec.model.name == wanted.name
        and (bare or record.spec.model == wanted)
    ]


def _number(value: float, metric: str) -> str:
    if np.isnan(value):
        return "-"
    if np.isinf(value):
        return "+∞" if value > 0 else "−∞"
    return f"{value:.1f}" if metric == "PSNR" else f"{value:.2f}"
