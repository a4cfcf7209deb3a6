"""The leaderboard's figures, drawn by seaborn: quality, quality against speed or a parameter, curves."""

from pathlib import Path

from bench.files import replacing
from bench.leaderboard.plots.curves import training
from bench.leaderboard.plots.means import quality
from bench.leaderboard.plots.series import series
from bench.leaderboard.plots.tradeoff import speed
from bench.leaderboard.plots.transfer import transfer
from bench.leaderboard.table import Board

__all__ = ["FIGURES", "quality", "series", "speed", "training", "transfer", "write"]

#: Every figure by its name, with what makes it of a board; None where there is nothing to show.
FIGURES = {"quality": quality, "series": series, "speed": speed, "training": training, "transfer": transfer}


def write(board: Board, folder: Path) -> list[Path]:
    """Write the figures as ``.png``; those with nothing to show are removed."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, draw in FIGURES.items():
        path, figure = folder / f"{name}.png", draw(board)
        if figure is None:
            path.unlink(missing_ok=True)
            continue
        with replacing(path) as draft:
            figure.savefig(draft, dpi=150)
        written.append(path)
    return written
