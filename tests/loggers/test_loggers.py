"""Loggers: every epoch once, also after an interruption and from other processes; and never in the way."""

import pytest

from bench.errors import UsageError
from bench.runs.following import log_folder, loggers
from bench.sweeps.means import Means
from bench.sweeps.plan import plan, sweep

#: Writes a line for all that it is told.
OWN = """
from bench import Logger


class Own(Logger):
    def __init__(self, word: str = "epoch"):
        self.word = word

    def begin(self, folder, spec):
        folder.mkdir(parents=True)
        self.file = (folder / "log.txt").open("a")

    def epoch(self, epoch):
        print(self.word, epoch.epoch, file=self.file, flush=True)
        {body}

    def end(self, record):
        print(record.status, file=self.file, flush=True)
"""


def two_epochs(tiny, model="unet:width=4", **more):
    """One run of two epochs."""
    more = {"epochs": 2} | more
    return plan(["denoising"], [model], tiny, baselines=False, device="cpu", changes=more)


def lines(results, run, one):
    """What the logger above wrote of a run."""
    return (log_folder(results, one, run.spec, run.fingerprint) / "log.txt").read_text().splitlines()


@pytest.mark.parametrize("means", [{}, {"jobs": 2, "threads": 1}])
def test_event_files(tmp_path, tiny, means):
    """TensorBoard itself reads the history of the record in them, and the scores at the end."""
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = loggers(["tensorboard"])
    ((run, record),) = sweep(two_epochs(tiny), tmp_path, means=Means(**means, log=log))
    events = EventAccumulator(str(log_folder(tmp_path, log[0], run.spec, run.fingerprint))).Reload()
    history = record.history
    for tag, column in (("train/loss", "loss"), ("validation/psnr", "validation_psnr"), ("train/lr", "lr")):
        points = events.Scalars(tag)
        assert [point.step for point in points] == [1, 2]
        assert [point.value for point in points] == pytest.approx(list(history[column]), rel=1e-6)
    (score,) = events.Scalars("test/psnr")
    assert score.value == pytest.approx(record.scores["psnr"], rel=1e-6)
    assert "bench run" in events.Tensors("command/text_summary")[0].tensor_proto.string_val[0].decode()


def test_no_point_twice(tmp_path, tiny):
    """A run that was interrupted and goes on has each epoch once, those of its first start included."""
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = loggers(["tensorboard"])
    (run,) = runs = two_epochs(tiny, epochs=5)

    def interrupted(run, step):
        if step.epoch == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(sweep(runs, tmp_path, report=interrupted, means=Means(log=log)))
    folder = log_folder(tmp_path, log[0], run.spec, run.fingerprint)
    steps = [point.step for point in EventAccumulator(str(folder)).Reload().Scalars("train/loss")]
    assert steps == [1, 2, 3]
    list(sweep(runs, tmp_path, means=Means(log=log)))
    steps = [point.step for point in EventAccumulator(str(folder)).Reload().Scalars("train/loss")]
    assert steps == [1, 2, 3, 4, 5]


def test_one_of_ones_own(tmp_path, tiny, plugin):
    """By path, with parameters; methods without epochs have an end; the run's name is the same without."""
    log = loggers([plugin("own", OWN.format(body="pass")) + ":word=round"])
    runs = two_epochs(tiny) + two_epochs(tiny, "mean")
    told = [lines(tmp_path, run, log[0]) for run, _ in sweep(runs, tmp_path, means=Means(log=log))]
    assert told == [["round 1", "round 2", "ok"], ["ok"]]
    assert all(run.recorded(tmp_path) for run in two_epochs(tiny))


def test_one_that_fails(tmp_path, tiny, plugin, capsys):
    """What it raises is told once, by its line; the run is as it would be, and other loggers hear all."""
    good = plugin("good", OWN.format(body="pass"))
    bad = plugin("bad", OWN.format(body="raise KeyError('no room')"))
    log = loggers([bad, good])
    ((run, record),) = sweep(two_epochs(tiny), tmp_path, means=Means(log=log))
    assert record.status == "ok"
    assert lines(tmp_path, run, log[1]) == ["epoch 1", "epoch 2", "ok"]
    assert lines(tmp_path, run, log[0]) == ["epoch 1"]
    told = capsys.readouterr().err
    assert told.count("no room") == 1
    assert "it is told no more" in told


def test_wrong_names(attack):
    """An unknown logger is refused before anything is loaded; one that is known is shown whole."""
    code, told = attack(["run", "-o", "denoising", "-m", "unet", "--log", "tensorbord"])
    assert code == 2
    assert "unknown logger 'tensorbord'. Did you mean tensorboard?" in told
    code, told = attack(["list", "tensorboard"])
    assert code == 0
    assert "tensorboard --logdir results/logs/tensorboard" in told


def test_one_that_cannot_be_made(plugin):
    """What its constructor raises is said before anything is run."""
    text = OWN.format(body="pass").replace("self.word = word", "raise ValueError('no such room')")
    with pytest.raises(UsageError, match="no such room"):
        loggers([plugin("bad", text)])
