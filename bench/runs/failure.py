"""What a failed run says of its error: the message, and where in the user's own code it happened."""

import os
import traceback
from collections.abc import Iterator
from pathlib import Path

from bench import registry
from bench.entries import entry_points
from bench.errors import reason
from bench.runs.parts import Failure
from bench.text import printable

#: Characters of a message and of a traceback that are kept; of the latter the end, where the error is.
LONGEST_MESSAGE, LONGEST_TRACEBACK = 2_000, 20_000


def failure(error: BaseException) -> Failure:
    """An exception as a record keeps it."""
    frames = list(_frames(error))
    own = next((i for i, (module, _) in enumerate(frames) if _is_own(module)), None)
    kept = [] if own is None else [frame for _, frame in frames[own:]]
    theirs = [frame for module, frame in frames if _is_own(module)]
    ours = [frame for module, frame in frames if module.partition(".")[0] == "bench"]
    last = next(reversed(theirs or ours), None)
    text = "".join(traceback.format_list(kept) + traceback.format_exception_only(error)) if kept else ""
    return Failure(
        message=printable(" ".join(reason(error).split()))[:LONGEST_MESSAGE],
        kind=type(error).__name__[:100],
        place=printable(f"{last.filename}, line {last.lineno}")[-1000:] if last else "",
        traceback=printable(text, lines=True)[-LONGEST_TRACEBACK:],
    )


def _frames(error: BaseException) -> Iterator[tuple[str, traceback.FrameSummary]]:
    """Module and summary of each frame, of the error's cause where it has one."""
    walked = list(traceback.walk_tb((error.__cause__ or error).__traceback__))
    summaries = traceback.StackSummary.extract(iter(walked))
    for (frame, _), summary in zip(walked, summaries, strict=True):
        summary.filename = _short(summary.filename)
        yield str(frame.f_globals.get("__name__", "")), summary


def _is_own(module: str) -> bool:
    """Whether a module is a file that was named by path, or belongs to an installed plug-in."""
    groups = (registry.operators, registry.models, registry.datasets, registry.metrics)
    packages = {point.module.partition(".")[0] for room in groups for point in entry_points(group=room.group)}
    top = module.partition(".")[0]
    return top.startswith("bench_plugin_") or top in packages - {"bench"}


def _short(path: str) -> str:
    """A path below the current folder as seen from there."""
    here = Path.cwd()
    return os.path.relpath(path, here) if Path(path).is_relative_to(here) else path
