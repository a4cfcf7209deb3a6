"""Errors in other people's code: each names the file and the line, in the terminal and in the record."""

from importlib.metadata import EntryPoint, EntryPoints

import pytest

from bench import registry
from bench.cli import main
from bench.component import Component
from bench.errors import BenchError, UsageError
from bench.leaderboard.loading import load
from bench.losses import find_loss
from bench.plugins import plugin_line
from bench.runs.assembly import load_images

KINDS = {
    "operator": ("Operator", "forward(self, x, generator)", registry.operators),
    "model": ("Model", "fit(self, problem)", registry.models),
    "dataset": ("Dataset", "load(self)", registry.datasets),
    "metric": ("Metric", "__call__(self, image, truth, **context)", registry.metrics),
    "logger": ("Logger", "epoch(self, epoch)", registry.loggers),
}
#: The constructor raises in line 6, the method that the kind must define in line 9.
CLASS = """from bench import {base}

class Mine({base}):
    def __init__(self, width: int = 0, image_shape=(1, 2, 2)):
        if width == 1:
            raise {error}("no width")

    def {method}:
        raise {error}("no luck")

    def reconstruct(self, y, operator, generator):
        pass
"""


def mine(plugin, kind, error="ValueError"):
    """The path of a file with one component of that kind, and its registry."""
    base, method, room = KINDS[kind]
    return plugin("mine", CLASS.format(base=base, method=method, error=error)), room


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("ValueError", r"mine:width=1: no width \(.*mine\.py, line 6\)"),
        ("KeyError", r"its constructor raised KeyError: 'no width' \(.*mine\.py, line 6\)"),
    ],
)
def test_a_constructor(plugin, kind, error, said):
    """Whatever it raises, the message ends with the line; the kind is one like the other."""
    path, room = mine(plugin, kind, error)
    with pytest.raises(BenchError, match=said):
        Component.parse(f"{path}:width=1").checked(room).build(room)


def test_a_constructor_of_this_project_needs_no_line():
    """A value that a built-in one refuses is the user's slip: no line of ours would help."""
    part = Component.parse("unet:width=0").checked(registry.models)
    with pytest.raises(UsageError, match=r"width must be at least 1, not 0$"):
        part.build(registry.models)


def test_a_dataset_that_cannot_be_loaded(plugin):
    """Its own code runs when it is loaded."""
    path, room = mine(plugin, "dataset")
    with pytest.raises(
        BenchError, match=r"mine cannot be loaded: ValueError: no luck \(.*mine\.py, line 9\)"
    ):
        load_images(Component.parse(path).checked(room))


def test_a_loss(plugin):
    """A class of one's own in place of a function."""
    text = "from torch import nn\n\nclass Mine(nn.Module):\n    def __init__(self):\n        {}['k']\n"
    with pytest.raises(BenchError, match=r"raised KeyError: 'k' \(.*mine\.py, line 5\)"):
        find_loss(plugin("mine", text))


def run(monkeypatch, capsys, *words):
    """The command in this process: exit code and what it says."""
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setattr("sys.argv", ["bench", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        main()
    shown = capsys.readouterr()
    return ended.value.code, " ".join((shown.out + shown.err).split())


NETWORK = """from torch import nn

class Broken(nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        raise ValueError("no width")
"""


def test_a_network_in_terminal_and_record(plugin, tmp_path, tiny, monkeypatch, capsys):
    """A module is built when it is trained: the run fails, and the line stands wherever the reason does."""
    path = plugin("broken", NETWORK)
    words = f"run --no-baselines -o denoising -m {path} -d {tiny} --results {tmp_path / 'results'}".split()
    code, said = run(monkeypatch, capsys, *words)
    assert code == 1
    assert said.count(f"ValueError: no width ({path}, line 6)") == 2  # as it happens, and at the end
    (record,) = load(tmp_path / "results").records
    assert record.error.place == f"{path}, line 6"


def test_a_model_in_terminal_and_record(plugin, tmp_path, tiny, monkeypatch, capsys):
    """A wrapped error has its line once in the terminal, and its place in the record."""
    path, _ = mine(plugin, "model", "KeyError")
    words = (
        f"run --no-baselines -o denoising -m {path}:width=1 -d {tiny} --results {tmp_path / 'results'}"
    ).split()
    code, said = run(monkeypatch, capsys, *words)
    assert code == 1
    assert f"'no width' ({path}, line 6)" in said
    assert f"({path}, line 6) (" not in said
    (record,) = load(tmp_path / "results").records
    assert record.error.place == f"{path}, line 6"
    assert 'raise KeyError("no width")' in record.error.traceback


def test_a_metric(plugin, tmp_path, tiny, monkeypatch, capsys):
    """It is tried before anything is trained."""
    path, _ = mine(plugin, "metric")
    words = (
        f"run --no-baselines -o denoising -m mean -d {tiny} --metric {path} --results {tmp_path / 'results'}"
    ).split()
    code, said = run(monkeypatch, capsys, *words)
    assert code == 2
    assert "mine.py, line 9: raised ValueError on a training image: no luck" in said


def test_a_logger(plugin, tmp_path, tiny, monkeypatch, capsys):
    """What it raises costs one line, with its place."""
    path, _ = mine(plugin, "logger")
    words = f"run --no-baselines -o denoising -m unet:width=4 -d {tiny} --epochs 1 --log {path}".split()
    code, said = run(monkeypatch, capsys, *words, "--results", tmp_path / "results")
    assert code == 0
    assert f"mine: ValueError: no luck ({path}, line 9); it is told no more" in said


def test_another_command(plugin, tiny, tmp_path, monkeypatch, capsys):
    """Whatever command comes by a plug-in's error, and however it was wrapped."""
    path, _ = mine(plugin, "operator")
    code, said = run(monkeypatch, capsys, "describe", path, "-d", tiny, "--results", tmp_path / "results")
    assert code == 1
    assert "Mine.forward raised ValueError: no luck" in said
    assert said.endswith(f"({path}, line 9)")


def test_an_installed_package(tmp_path, monkeypatch):
    """Its modules are other people's code as much as a file is, whichever of them fails."""
    package = tmp_path / "a_lamp_package"
    package.mkdir()
    (package / "__init__.py").write_text("from bench import Model\nfrom a_lamp_package.oil import fill\n")
    (package / "oil.py").write_text("def fill():\n    raise RuntimeError('no oil')\n")
    body = "class Lamp(Model):\n    def __init__(self):\n        fill()\n    fit = reconstruct = None\n"
    (package / "__init__.py").open("a").write(body)
    monkeypatch.syspath_prepend(tmp_path)
    points = EntryPoints([EntryPoint("lamp", "a_lamp_package:Lamp", "bench.models")])
    monkeypatch.setattr("bench.plugins._offered", lambda: points)
    with pytest.raises(BenchError, match=r"RuntimeError: no oil \(.*oil\.py, line 2\)"):
        Component("lamp").build(registry.models)


def test_the_place_is_the_first_cause_s(plugin):
    """An error that was wrapped twice leads to where it began; one that causes itself ends nowhere."""
    path, room = mine(plugin, "dataset")
    try:
        try:
            room.load(path)().load()
        except ValueError as error:
            raise RuntimeError from error
    except RuntimeError as error:
        wrapped = BenchError("all is lost")
        wrapped.__cause__, error.__cause__.__cause__ = error, wrapped
    assert plugin_line(wrapped).endswith("mine.py, line 9")
    assert plugin_line(ValueError()) == ""
