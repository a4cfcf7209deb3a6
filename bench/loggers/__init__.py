"""Loggers: where runs can be followed beside the record; one file each, the file's name is the logger's name.

They are told what happens and change nothing of it: a run has the same name and scores with and without.
"""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.checkpoint import Epoch
    from bench.runs.record import Record
    from bench.spec import RunSpec


class Logger(ABC):
    """Is told of one run while it goes on: ``bench run --log name``, or ``--log ./my_logger.py:key=value``.

    A new logger defines :meth:`epoch`. There is one object for each start of a run. What one raises costs
    a line on stderr, and the rest of its log; the run goes on.

    Example:
        >>> class Printed(Logger):
        ...     '''A line for each epoch.'''
        ...     def epoch(self, epoch):
        ...         print(epoch.epoch, epoch.validation_psnr)
    """

    def begin(self, folder: Path, spec: "RunSpec") -> None:  # noqa: B027 - nothing has to be done
        """A run begins, or goes on from its checkpoint.

        Args:
            folder: of this run and logger, empty; where it is wanted, make it.
            spec: what is run; ``spec.command()`` is its command.
        """

    @abstractmethod
    def epoch(self, epoch: "Epoch") -> None:
        """An epoch is done, and in the checkpoint.

        Those that an earlier start of the run had done come again, from the first: ``epoch.epoch`` is the
        step.
        """

    def end(self, record: "Record") -> None:  # noqa: B027
        """The run is recorded, as ``ok`` or ``failed``; a run that is interrupted has no end."""
