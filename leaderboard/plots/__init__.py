"""The leaderboard's figures, drawn by seaborn: quality with verdicts, quality against speed, curves."""

from pathlib import Path

from bench.files import replacing
from bench.leaderboard.plots.curves import training
from bench.leaderboard.plots.means import quality
from bench.leaderboard.plots.tradeoff import speed
from bench.leaderboard.table import Board

__all__ = ["quality", "speed", "training", "write"]


def write(board: Board, folder: Path) -> list[Path]:
    """Write ``quality.png``, ``speed.png`` and ``training.png``; those with nothing to show are removed."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, draw in (("quality", quality), ("speed", speed), ("training", training)):
        path, figure = folder / f"{name}.png", draw(board)
        if figure is None:
            path.unlink(missing_ok=True)
            continue
        with replacing(path) as draft:
            figure.savefig(draft, dpi=150)
        written.append(path)
    return written
