"""Everything about one run, as text."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import pandas as pd

from bench.leaderboard.groups import Group
from bench.leaderboard.table import Board
from bench.runs.record import Record
from bench.text import count, interval, number, printable

#: Files of a record that are named.
MOST_FILES = 50


def text(board: Board, record: Record) -> str:
    """Spec, scores, standing, timing, data, provenance, files, and the command that makes it again."""
    learned = record.spec.trained_on
    sections = {
        "Run": {
            "name": record.fingerprint,
            "operator": record.operator,
            "model": record.spec.model.label,
            "trained on": f"{learned.label()} (run {learned.run})" if learned else None,
            "dataset": record.spec.dataset.label,
            "seed": record.spec.seed,
            "device": record.spec.device,
            "status": record.status,
            "error": record.reason or None,
            "at": record.error.place if record.error else None,
        },
        "Scores": _scores(board, record),
        "Budget": asdict(record.budget),
        "Used": {"by the method": ", ".join(record.uses)} if record.uses else {},
        "Recipe": vars(record.spec.recipe) if record.spec.recipe else {},
        "Timing": record.timings,
        "Data": asdict(record.data),
        "Settled by the operator": record.settings,
        "Provenance": asdict(record.provenance),
        "Files": _files(record),
    }
    lines = [line for title, values in sections.items() if values for line in _section(title, values)]
    if record.error and record.error.traceback:
        lines += ["Traceback of your own code", *record.error.traceback.splitlines(), ""]
    return "\n".join(map(printable, [*lines, "Make it again", f"  {record.spec.command()}"]))


def _files(record: Record) -> dict[str, str]:
    if record.folder is None:
        return {}
    there = sorted(record.folder.iterdir())[:MOST_FILES]
    return {p.name[:100]: "a link" if p.is_symlink() else f"{p.stat().st_size:,} bytes" for p in there}


def _section(title: str, values: dict[str, Any]) -> Iterator[str]:
    yield title
    for name, value in flat(values).items():
        if value is not None:
            yield f"  {name:<26} {count(value) if isinstance(value, float) else value}"
    yield ""


def _scores(board: Board, record: Record) -> dict[str, Any]:
    if record.status != "ok":
        return {}
    row = board.frame[board.frame.fingerprint == record.fingerprint].iloc[0]
    ranked, above = pd.notna(row["rank"]), pd.notna(row.above_floor)
    return {
        "psnr": f"{number(row.psnr)} dB {interval(row.psnr_low, row.psnr_high)}",
        "ssim": f"{number(row.ssim, 3)} {interval(row.ssim_low, row.ssim_high, 3)}",
        "rank": row["rank"] if ranked else row.role,
        "above the mean": f"{number(row.above_floor, sign=True)} dB" if above else None,
        "against the mean": row.floor if pd.notna(row.floor) else None,
        "scope": row.scope,
        "compared with": _others(board, record),
    }


def _others(board: Board, record: Record) -> str:
    group: Group = next(r.group for r in board.rankings if any(record is other for other in r.group.records))
    return (
        ", ".join(e.label for e in group.entries if all(record is not other for other in e.records))
        or "nothing yet"
    )


def flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """Nested dictionaries, and lists of them, as one level: ``packages.torch``."""
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list | tuple) and any(isinstance(v, dict) for v in value):
        items = list(enumerate(value, 1))
    else:
        return {prefix: value}
    found: dict[str, Any] = {}
    for key, part in items:
        found |= flat(part, f"{prefix}.{key}" if prefix else str(key))
    return found
