"""What a failed run says of its error: the message, and where in the user's own code it happened."""

import traceback

from bench.errors import reason
from bench.plugins import frames, is_plugin
from bench.runs.parts import Failure
from bench.text import printable

#: Characters of a message and of a traceback that are kept; of the latter the end, where the error is.
LONGEST_MESSAGE, LONGEST_TRACEBACK = 2_000, 20_000


def failure(error: BaseException) -> Failure:
    """An exception as a record keeps it."""
    walked = frames(error)
    own = next((i for i, (module, _) in enumerate(walked) if is_plugin(module)), None)
    kept = [] if own is None else [frame for _, frame in walked[own:]]
    theirs = [frame for module, frame in walked if is_plugin(module)]
    ours = [frame for module, frame in walked if module.partition(".")[0] == "bench"]
    last = next(reversed(theirs or ours), None)
    text = "".join(traceback.format_list(kept) + traceback.format_exception_only(error)) if kept else ""
    return Failure(
        message=printable(" ".join(reason(error).split()))[:LONGEST_MESSAGE],
        kind=type(error).__name__[:100],
        place=printable(f"{last.filename}, line {last.lineno}")[-1000:] if last else "",
        traceback=printable(text, lines=True)[-LONGEST_TRACEBACK:],
    )
