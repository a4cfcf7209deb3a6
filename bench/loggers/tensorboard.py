"""Event files for TensorBoard."""

from pathlib import Path

from bench.checkpoint import Epoch
from bench.errors import UsageError
from bench.loggers import Logger
from bench.runs.record import Record
from bench.spec import RunSpec


class TensorBoard(Logger):
    """Curves of training in TensorBoard: ``tensorboard --logdir results/logs/tensorboard``.

    By epoch: ``train/loss``, ``validation/psnr`` in dB, ``train/lr``, ``train/seconds``; when the run is
    recorded, its command as text and the test scores ``test/psnr``, ... at the last epoch. A run that goes
    on from its checkpoint has one file with all its epochs, none of them twice.

    Raises:
        UsageError: the package tensorboard is not installed.
    """

    def __init__(self) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise UsageError('event files need TensorBoard: pip install "invbench[tensorboard]"') from error
        self._open = SummaryWriter
        self._last = 0

    def begin(self, folder: Path, spec: RunSpec) -> None:
        self._writer = self._open(str(folder))
        self._writer.add_text("command", f"`{spec.command()}`", 0)
        self._writer.flush()

    def epoch(self, epoch: Epoch) -> None:
        values = {"train/loss": epoch.loss, "validation/psnr": epoch.validation_psnr}
        values |= {"train/lr": epoch.lr, "train/seconds": epoch.seconds}
        for name, value in values.items():
            self._writer.add_scalar(name, value, epoch.epoch)
        self._last = epoch.epoch
        self._writer.flush()

    def end(self, record: Record) -> None:
        for name, value in record.scores.items():
            if value is not None:
                self._writer.add_scalar(f"test/{name}", value, self._last)
        if record.error:
            self._writer.add_text("error", record.error.message, self._last)
        self._writer.close()
