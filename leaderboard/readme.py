"""Tables and figures of recorded runs in a Markdown file, between two markers."""

import html
import os
import re
from pathlib import Path

from bench.errors import UsageError
from bench.files import replace
from bench.leaderboard import markdown, plots
from bench.leaderboard.ranking import Ranking
from bench.leaderboard.table import Board

BEGIN, END = "<!-- leaderboard: begin -->", "<!-- leaderboard: end -->"
CAPTIONS = {
    "quality": "Quality of every method, with floor and ceiling",
    "series": "Quality against what problems and methods differ in",
    "speed": "Quality against speed",
    "training": "Training curves",
    "transfer": "Trained on one problem, tested on another",
}


def update(board: Board, results: Path, readme: Path) -> list[Path]:
    """Write the tables into a file between its markers, and the figures beside the runs.

    Returns:
        The paths of what was written.

    Raises:
        UsageError: the file is missing, cannot be written, or does not have both markers once.
    """
    try:
        text = readme.read_text(encoding="utf-8")
        figures = plots.write(board, results / "plots")
        replace(readme, replaced(text, section(board, figures, readme.parent), readme))
    except UnicodeDecodeError as error:
        raise UsageError(f"cannot update {readme}: it is not UTF-8 text ({error.reason})") from error
    except OSError as error:
        raise UsageError(f"cannot update {readme}: {error.strerror or error}") from error
    return [readme, *figures]


def section(board: Board, figures: list[Path], home: Path) -> str:
    """Figures, the summary, a table to unfold for each problem, and the hardware of the runs."""
    places = [Path(os.path.relpath(path, home)).as_posix() for path in figures]
    pictures = [f"![{CAPTIONS[path.stem]}]({place})" for path, place in zip(figures, places, strict=True)]
    machines = sorted({r.provenance.hardware for r in board.records})
    made = f"{len(board.records)} runs on {'; '.join(machines)}." if machines else ""
    tables = [markdown.summary(board.rankings).strip(), made, *map(_folded, board.rankings)]
    return "\n\n".join(filter(None, [*pictures, *tables]))


def _folded(ranking: Ranking) -> str:
    """A problem's table behind its title."""
    title = html.escape(ranking.group.title)
    body = markdown.rows(ranking).strip()
    return f"<details><summary>{title}</summary>\n\n{body}\n\n</details>"


def replaced(text: str, content: str, name: Path) -> str:
    """``text`` with what is between the markers replaced.

    Raises:
        UsageError: the markers are not there, or not once each in their order.
    """
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise UsageError(f"{name} needs these two lines, once each, where the tables belong:\n{BEGIN}\n{END}")
    pattern = re.compile(f"{re.escape(BEGIN)}.*{re.escape(END)}", re.DOTALL)
    return pattern.sub(lambda _: f"{BEGIN}\n\n{content}\n\n{END}", text)
