"""How each of deepinv's physics is made from an image's shape, a generator and what text can give.

One function each, called like the class: its parameters are those of the command line.
"""

import inspect
from collections.abc import Callable
from typing import Any

from bench.deepinv.physics import blurs, pixels, projections, scans

MAKERS: dict[str, Callable[..., Any]] = {
    name: maker
    for module in (blurs, pixels, projections, scans)
    for name, maker in vars(module).items()
    if name[0].isupper() and inspect.isfunction(maker)
}
