"""Loggers of a run, told of its epochs and its end; what they raise is no failure of the run."""

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import files, registry
from bench.component import Component
from bench.errors import reason
from bench.plugins import in_plugin
from bench.spec import RunSpec

if TYPE_CHECKING:  # a mistyped name is told before these, and torch with them, are imported
    from bench.checkpoint import History
    from bench.loggers import Logger
    from bench.runs.record import Record


def loggers(texts: Sequence[str]) -> tuple[Component, ...]:
    """The loggers that texts name, each checked.

    Raises:
        UsageError: unknown, or not to be had here.
    """
    chosen = tuple(dict.fromkeys(Component.parse(text).checked(registry.loggers) for text in texts))
    for one in chosen:
        one.build(registry.loggers)
    return chosen


def log_folder(results: Path, logger: Component, spec: RunSpec, fingerprint: str) -> Path:
    """Where a logger keeps what it writes of a run: a name that people can read, and the run's."""
    words = f"{spec.operator_label} {spec.model.label}" + (f" seed {spec.seed}" if spec.seed else "")
    name = re.sub(r"[^\w.=+-]+", "_", words)[:100].strip("_.")
    return results / "logs" / logger.short_name / f"{name}-{fingerprint}"


class Follower:
    """Tells loggers of one start of a run.

    Args:
        chosen: the loggers.
        results: folder of the records; what loggers write goes into ``logs``.
        spec: the run.
        fingerprint: its name.
    """

    def __init__(self, chosen: Sequence[Component], results: Path, spec: RunSpec, fingerprint: str):
        self.spec = spec
        self.folders = {one: log_folder(results, one, spec, fingerprint) for one in chosen}
        self.told: dict[Component, Logger] = {}
        self.begun = False

    def epochs(self, history: "History") -> None:
        """Tell of the epochs so far: first of all of them, then of the last."""
        news = history[-1:] if self.begun else history
        self._begin()
        for epoch in news:
            self._tell_all("epoch", epoch)

    def end(self, record: "Record") -> None:
        """Tell that the run is recorded."""
        self._begin()
        self._tell_all("end", record)

    def _begin(self) -> None:
        if self.begun:
            return
        self.begun = True
        for one, folder in self.folders.items():
            # All epochs are told again: what an earlier start wrote would be there twice.
            files.remove(folder)
            self.told[one] = one.build(registry.loggers)
            self._tell(one, "begin", folder, self.spec)

    def _tell_all(self, word: str, value: Any) -> None:
        for one in list(self.told):
            self._tell(one, word, value)

    def _tell(self, one: Component, word: str, *values: Any) -> None:
        try:
            getattr(self.told[one], word)(*values)
        except (Exception, SystemExit) as error:
            del self.told[one]
            print(
                f"{one.label}: {reason(error)}{in_plugin(error)}; it is told no more",
                file=sys.stderr,
                flush=True,
            )
