"""Speeds of recorded runs taken again, as a person at the command line sees it."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.console.screen import console
from bench.errors import BenchError
from bench.text import count, number

if TYPE_CHECKING:
    from bench.runs.record import Record

#: By how much the load may be above the cores of the one run that is timed.
BESIDE = 0.5


def time_again(names: Sequence[str], results: Path, trust: Sequence[str]) -> None:
    """Time the runs of some names, or all that succeeded, one after another.

    Raises:
        UsageError: there is no such run.
        BenchError: some could not be timed; all the others were.
    """
    with console.status("loading"):
        from bench.leaderboard import find
        from bench.leaderboard.loading import load
        from bench.runs.retiming import retime

        loaded = load(results)
        asked = [find.run(loaded, name) for name in names]
    records = asked or [record for record in loaded.records if record.status == "ok"]
    failed = 0
    for record in records:
        label = f"{record.fingerprint[:8]} {record.problem}, {record.spec.method_label}"
        try:
            with console.status(f"timing {label}"):
                again = retime(record, trust)
        except BenchError as error:
            failed += 1
            _say(f"{label}: not timed: {error}", "yellow")
            continue
        _say(f"{label}: {speeds(record, again)}")
        if beside := others(again):
            _say(f"  {beside}", "yellow")
    if failed:
        raise BenchError(f"{failed} of {len(records)} runs could not be timed")


def speeds(record: "Record", again: "Record") -> str:
    """Throughput before and now, and latency now."""
    if "images_per_second" not in again.timings:
        return "nothing is computed"
    was, now = (count(r.timings.get("images_per_second", math.nan)) or "-" for r in (record, again))
    return f"{now} images/s (was {was}), {number(again.timings['latency_ms'])} ms for one"


def others(record: "Record") -> str:
    """What other programs did meanwhile, where that shows."""
    load, threads = record.timings.get("load", 0.0), record.timings["threads"]
    if load <= threads + BESIDE or "images_per_second" not in record.timings:
        return ""
    return f"other programs ran beside it in the last minute (load {load:.1f}): speeds may be too low"


def _say(text: str, style: str = "") -> None:
    console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)
