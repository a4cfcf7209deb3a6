"""One colour and one mark for each method: in every plot, on every page."""

from collections.abc import Iterable
from dataclasses import dataclass

#: Okabe & Ito's colours that stand out on white and on black, which colour-blind readers can tell apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
#: Marks: matplotlib's letters, and what looks like them in a text. None is a star, which means a verdict.
MARKS = {"o": "●", "s": "■", "^": "▲", "D": "◆", "v": "▼", "P": "✚", "X": "✖", "h": "⬢"}
#: Floor and ceiling have no colour of their own: they are what methods are held against.
GREY = "#7f7f7f"


@dataclass(frozen=True)
class Look:
    """How a method is drawn.

    Attributes:
        colour: ``#rrggbb``.
        mark: matplotlib's letter.
    """

    colour: str
    mark: str

    @property
    def character(self) -> str:
        """The mark in a text."""
        return MARKS[self.mark]


def looks(labels: Iterable[str]) -> dict[str, Look]:
    """The look of each method by its place among all methods of a board, in alphabetical order.

    Six colours times eight marks: 48 methods have each their own.
    """
    marks = list(MARKS)
    return {
        label: Look(COLOURS[i % len(COLOURS)], marks[(i + i // len(COLOURS)) % len(marks)])
        for i, label in enumerate(sorted(set(labels)))
    }


#: What was trained on another problem.
MOVED = Look(GREY, "P")


def of_role(look: Look, role: str) -> Look:
    """The look of a method in its role: floor and ceiling are grey."""
    return look if role in ("model", "transfer") else Look(GREY, "s" if role == "floor" else "D")
