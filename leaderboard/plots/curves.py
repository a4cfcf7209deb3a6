"""Validation scores while the methods were trained."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bench.leaderboard.plots import placing
from bench.leaderboard.plots.grid import Looks, bound, cut, figure_of, largest, looks_of, rest
from bench.leaderboard.plots.spans import Span
from bench.leaderboard.table import Board


def training(board: Board) -> Figure | None:
    """PSNR of the validation split after every epoch, of each method's first training."""
    found, panels = looks_of(board), []
    for ranking in largest(board):
        curves = {e.label: e.history for e in ranking.group.entries}
        curves = {label: curve for label, curve in curves.items() if len(curve) > 1}
        if curves:
            panels.append(
                (ranking.group.title, lambda axes, curves=curves: _training_panel(axes, curves, found))
            )
    return figure_of(panels, 3.2, rest(board).strip())


def _training_panel(axes: Axes, curves: Mapping[str, pd.DataFrame], found: Looks) -> None:
    frame = pd.concat([curve.assign(method=label) for label, curve in curves.items()], ignore_index=True)
    frame = frame[np.isfinite(frame.validation_psnr)]
    span = Span.of(frame.validation_psnr)
    frame = frame.assign(shown=[span.place(v) for v in frame.validation_psnr])
    chosen = {label: found[label] for label in curves}
    sns.lineplot(
        data=frame,
        x="epoch",
        y="shown",
        hue="method",
        style="method",
        palette={label: look.colour for label, look in chosen.items()},
        markers={label: look.mark for label, look in chosen.items()},
        dashes=False,
        legend=False,
        ax=axes,
    )
    axes.set(xlabel="epoch", ylabel="validation PSNR (dB)")
    bound(axes, span, "y")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    last = frame.groupby("method").shown.last()
    low, high = span.ends
    heights = placing.apart([(v - low) / (high - low) for v in last], 0.07)
    for label, height in zip(last.index, heights, strict=True):
        colour = found[label].colour
        axes.text(1.02, height, cut(label), transform=axes.transAxes, va="center", fontsize=8, color=colour)
