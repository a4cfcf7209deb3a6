"""The leaderboard as one static folder that opens from the disk and needs no network."""

from pathlib import Path

from bench.errors import UsageError
from bench.files import replacing_folder
from bench.leaderboard.page.site import Site
from bench.leaderboard.table import Board


def write(board: Board, target: Path) -> Path:
    """Write the page's folder; one that is there already is replaced as a whole.

    Returns:
        The path of ``index.html``.

    Raises:
        UsageError: ``target`` holds something that is no leaderboard page, or cannot be written.
    """
    if target.exists() and any(target.iterdir()) and not (target / "assets" / "page.js").is_file():
        raise UsageError(f"{target} holds something else than a leaderboard page; it is left as it is")
    with replacing_folder(target) as draft:
        Site(board, draft).write()
    return target / "index.html"
