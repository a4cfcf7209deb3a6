"""Figures of simulations, as tables at the end of the report."""

from collections import defaultdict

import pandas as pd


def pytest_terminal_summary(terminalreporter):
    """One table for each kind of figure that tests recorded; trainings run across, cells down."""
    found = defaultdict(list)
    for reports in terminalreporter.stats.values():
        for report in reports:
            for kind, figure in getattr(report, "user_properties", ()):
                if isinstance(figure, dict) and "share" in figure and figure not in found[kind]:
                    found[kind].append(figure)
    for kind, figures in found.items():
        frame = pd.DataFrame(figures)
        across = "trainings" if "trainings" in frame else frame.columns[0]
        down = [name for name in frame if name not in ("share", across)]
        shown = frame.pivot_table("share", down, across).map("{:.4f}".format)
        terminalreporter.section(f"{kind}: {frame.share.min():.4f} to {frame.share.max():.4f}")
        terminalreporter.write_line(shown.to_string())
