"""Which columns of k-space are measured, as fastMRI's own code draws them for a volume."""

from typing import Any, Literal

import numpy as np

Kind = Literal["random", "equispaced", "equispaced_fraction"]


def mask(kind: Kind, width: int, acceleration: int, centre_fraction: float, name: str) -> Any:
    """The measured columns, ``(width,)`` bool: those in the middle, and others.

    - ``random``: each other column with a probability that makes ``width / acceleration`` their expected
      number in all.
    - ``equispaced``: every ``acceleration``-th column, besides those in the middle.
    - ``equispaced_fraction``: evenly, as far apart as makes ``width / acceleration`` the number in all.

    Args:
        kind: see above.
        width: number of columns.
        acceleration: all columns over measured ones.
        centre_fraction: share of the columns that is measured in the middle.
        name: the volume's file name: its characters are the seed.

    Reference:
        Zbontar et al.: fastMRI, arXiv 1811.08839; fastmri/data/subsample.py, from which the order of the
        draws comes.
    """
    random = np.random.RandomState(tuple(map(ord, name)))
    random.randint(0, 1)  # the choice among accelerations, of which there is one
    low = round(width * centre_fraction)
    if kind == "random":
        chosen = random.uniform(size=width) < (width / acceleration - low) / (width - low)
    else:
        step = float(acceleration)
        if kind == "equispaced_fraction":
            step = acceleration * (low - width) / (low * acceleration - width)
        first = random.randint(0, round(step))
        chosen = np.zeros(width, bool)
        if kind == "equispaced":
            chosen[first::acceleration] = True
        else:
            chosen[np.around(np.arange(first, width - 1, step)).astype(int)] = True
    return chosen | centre(width, low)


def centre(width: int, count: int) -> Any:
    """The ``count`` columns in the middle, ``(width,)`` bool."""
    columns, first = np.arange(width), (width - count + 1) // 2
    return (columns >= first) & (columns < first + count)
