"""deepinv in both directions: its physics and models by name, our operators as its physics.

Imported only when a name asks for it: ``deepinv.Blur``, :func:`bench.to_deepinv`, :func:`bench.export`.
"""

import importlib.metadata
import re

from bench.errors import UsageError

#: The first version that is known to work, and the first that is not (``BlurFFT`` was flipped in 0.4.0).
LOWEST, BELOW = (0, 4, 1), (0, 5, 0)


def require() -> None:
    """See that deepinv is there, in a version that the adapters were written for.

    Raises:
        UsageError: it is missing, or of another version.
    """
    try:
        version = importlib.metadata.version("deepinv")
    except importlib.metadata.PackageNotFoundError:
        raise UsageError('deepinv is not installed; pip install "invbench[deepinv]"') from None
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:3])
    if not LOWEST <= numbers < BELOW:
        raise UsageError(
            f"deepinv {version} is installed; the names deepinv.* work with >=0.4.1,<0.5: "
            'pip install "invbench[deepinv]"'
        )
