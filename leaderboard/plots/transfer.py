"""The mismatch matrix: trained on the rows, tested on the columns."""

from functools import partial
from typing import Any

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from bench.leaderboard.plots.grid import MOST_PANELS, cut, figure_of
from bench.leaderboard.table import Board
from bench.leaderboard.transfer import Matrix, matrices
from bench.text import number

#: Characters of a name that has room below its column.
SHORT = 10
#: The deepest shade stands for so many units at least: methods that are alike should look it.
LEAST = 1.0


def transfer(board: Board) -> Figure | None:
    """A matrix for each method that was tested on problems that it was not trained on."""
    metric = board.rankings[0].metric.name if board.rankings else "psnr"
    found = matrices((r.group for r in board.rankings), metric)[:MOST_PANELS]
    if not found:
        return None
    scale = found[0].metric
    note = f"Mean {scale.title}; shade: {scale.unit} behind the best of its column; frame: trained there."
    panels = [(m.method, partial(_panel, matrix=m)) for m in found]
    return figure_of(panels, 1.5 + 0.38 * max(len(m.trained) for m in found), note)


def _panel(axes: Axes, matrix: Matrix) -> None:
    told = np.array(
        [
            [number(v, matrix.metric.digits - (matrix.metric.unit == "dB")) for v in row]
            for row in matrix.scores
        ]
    )
    missing, behind = np.isnan(matrix.scores), matrix.behind
    largest = max(LEAST, *behind[np.isfinite(behind)])
    sns.heatmap(
        np.nan_to_num(behind, posinf=largest),
        mask=missing,
        annot=told,
        fmt="",
        cmap=sns.light_palette("#D55E00", as_cmap=True),
        vmin=0,
        vmax=largest,
        cbar=False,
        linewidths=1,
        annot_kws={"color": "black"},
        ax=axes,
    )
    for row, column in enumerate(matrix.own):
        if column is not None and not missing[row, column]:
            frame = Rectangle(
                (column, row), 1, 1, fill=False, edgecolor="black", linewidth=1.4, clip_on=False
            )
            axes.add_patch(frame)
    axes.grid(visible=False)
    slanted: dict[str, Any] = {} if max(map(len, matrix.tested)) <= SHORT else {"rotation": 30, "ha": "right"}
    axes.set_xticklabels(map(cut, matrix.tested), parse_math=False, **slanted)
    axes.set_yticklabels(map(cut, matrix.trained), rotation=0, parse_math=False)
    axes.set(xlabel="tested on", ylabel="trained on")
