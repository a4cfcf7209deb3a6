"""What a plug-in operator does wrong is named, recorded as a failed run, and stops no other run."""

import pytest

from bench.cli import main
from bench.leaderboard.loading import load

HEAD = (
    "import torch\nfrom bench import Operator\n\nclass Bad(Operator):\n    def forward(self, x, generator):\n"
)

BAD = {
    "shape": ("return x[:1]", "Bad.forward must return"),
    "type": ("return x.double()", ", 3, 16, 16) torch.float64"),
    "list": ("return [x]", "Bad.forward must return a tensor, not a list"),
    "nan": ("return x / (x > 0.01)", "Bad.forward returns values that are not finite"),
    "in_place": ("return x.mul_(0.5)", "Bad.forward modifies its input"),
    "raises": ("raise RuntimeError('out of magic')", "Bad.forward raised RuntimeError: out of magic"),
}


def run(monkeypatch, capsys, *words):
    """The command line in this process: exit code and what it says."""
    monkeypatch.setattr("sys.argv", ["bench", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        main()
    shown = capsys.readouterr()
    return ended.value.code, " ".join((shown.out + shown.err).split())


@pytest.mark.parametrize("chained", ["", "+noise:sigma=0.01"])
@pytest.mark.parametrize("fault", BAD)
def test_failed_run_is_recorded(fault, chained, plugin, tmp_path, tiny, monkeypatch, capsys):
    """The run is recorded as failed, with the class at fault; the good operator's run is there too."""
    body, message = BAD[fault]
    path = plugin("bad", HEAD + f"        {body}\n")
    words = ["run", "-o", path + chained, "-o", "noise", "-m", "mean", "--no-baselines", "-d", tiny]
    code, shown = run(monkeypatch, capsys, *words, "--results", tmp_path / "results")
    assert code == 1
    assert message in shown
    assert "Traceback" not in shown
    records = load(tmp_path / "results").records
    assert sorted((r.spec.operator_label, r.status) for r in records) == [
        ("bad" + chained, "failed"),
        ("noise", "ok"),
    ]


BUILT_WRONG = """import torch
from bench import Operator

class Bad(Operator):
    def __init__(self, image_shape, strength: float = 1.0):
        super().__init__(image_shape)
        raise RuntimeError("no lamp oil")

    def forward(self, x, generator):
        return x
"""


@pytest.mark.parametrize("jobs", [1, 2])
def test_operator_that_cannot_be_built(jobs, plugin, tmp_path, tiny, monkeypatch, capsys):
    """A constructor that fails is one failed run for each model asked for, and no baselines."""
    path = plugin("bad", BUILT_WRONG)
    words = ["run", "-o", path, "-o", path + "+noise", "-o", "permutation", "-m", "mean", "-d", tiny]
    code, shown = run(monkeypatch, capsys, *words, "--jobs", jobs, "--results", tmp_path / "results")
    assert code == 1
    assert "2 of 4 runs failed" in shown
    assert "bad: its constructor raised RuntimeError: no lamp oil" in shown
    assert "Traceback" not in shown
    records = load(tmp_path / "results").records
    assert sorted((r.spec.operator_label, r.spec.model.label, r.role, r.status) for r in records) == [
        ("bad", "mean", "floor", "failed"),
        ("bad+noise", "mean", "floor", "failed"),
        ("permutation", "inverse", "ceiling", "ok"),
        ("permutation", "mean", "floor", "ok"),
    ]


@pytest.mark.parametrize(
    ("method", "message"),
    [("as_image(self, y)", "KeyError: 'nope'"), ("settings(self)", "KeyError: 'nope'")],
)
def test_other_methods_that_fail(method, message, plugin, tmp_path, tiny, monkeypatch, capsys):
    """Whatever else of an operator fails, its runs are failed records, and the others go on."""
    body = f"        return x\n\n    def {method}:\n        raise KeyError('nope')\n"
    words = ["run", "-o", plugin("bad", HEAD + body), "-o", "permutation", "-m", "unet:width=4", "-d", tiny]
    words += ["--epochs", "1", "--no-baselines", "--results", tmp_path / "results"]
    code, shown = run(monkeypatch, capsys, *words)
    assert code == 1
    assert message in shown
    assert "Traceback" not in shown
    records = load(tmp_path / "results").records
    assert sorted((r.spec.operator_label, r.status) for r in records) == [
        ("bad", "failed"),
        ("permutation", "ok"),
    ]


MODEL = """from bench import Model

class Bad(Model):
    {constructor}
    def fits(self, operator):
        {fits}

    def fit(self, problem):
        return []

    def reconstruct(self, y, operator, generator):
        {reconstruct}
"""
GOOD_MODEL = {"constructor": "", "fits": "return ''", "reconstruct": "return y"}


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"constructor": "def __init__(self): 1 / 0\n"}, "its constructor raised ZeroDivisionError"),
        ({"fits": "1 / 0"}, "ZeroDivisionError"),
        ({"reconstruct": "return [y]"}, "Bad returned a list, not images (12, 3, 16, 16)"),
        ({"reconstruct": "return y[:, :1]"}, "Bad returned (12, 1, 16, 16), not images"),
    ],
)
def test_models_too(fault, message, plugin, tmp_path, tiny, monkeypatch, capsys):
    """A model whose own code fails is a failed run, which leaves the others alone."""
    path = plugin("bad", MODEL.format(**GOOD_MODEL | fault))
    words = ["run", "-o", "permutation", "-m", path, "-m", "mean", "--no-baselines", "-d", tiny]
    code, shown = run(monkeypatch, capsys, *words, "--results", tmp_path / "results")
    assert code == 1
    assert message in shown
    assert "Traceback" not in shown
    records = load(tmp_path / "results").records
    assert sorted((r.spec.model.label, r.status) for r in records) == [("bad", "failed"), ("mean", "ok")]


def test_killed_worker(plugin, tmp_path, tiny, monkeypatch, capsys):
    """A process that ends in the middle of its run is a failed run with the exit code, not a traceback."""
    body = "        if len(x) > 1:\n            import os\n            os._exit(9)\n        return x\n"
    words = ["run", "-o", plugin("bad", HEAD + body), "-m", "mean", "--no-baselines", "-d", tiny]
    code, shown = run(monkeypatch, capsys, *words, "--jobs", 2, "--results", tmp_path / "results")
    assert code == 1
    assert "1 of 1 runs failed" in shown
    assert "its process ended with exit code 9" in shown
    assert "Traceback" not in shown


def test_suite_goes_on(plugin, tmp_path, tiny, monkeypatch, capsys):
    """In a suite too, an operator whose chain cannot be built leaves the other blocks alone."""
    path = plugin("bad", HEAD + "        raise RuntimeError('out of magic')\n")
    suite = tmp_path / "mine.toml"
    suite.write_text(
        f'title = "Mine"\ndataset = "{tiny}"\n'
        f"[[runs]]\noperators = ['{path}+noise', 'noise']\nmodels = ['mean']\nbaselines = false\n"
    )
    code, shown = run(monkeypatch, capsys, "run", suite, "--results", tmp_path / "results")
    assert code == 1
    assert "1 of 2 runs failed" in shown
    assert "bad+noise, mean: Bad.forward raised RuntimeError: out of magic" in shown
    records = load(tmp_path / "results").records
    assert sorted((r.spec.operator_label, r.status) for r in records) == [
        ("bad+noise", "failed"),
        ("noise", "ok"),
    ]


@pytest.mark.parametrize("command", ["check", "describe"])
@pytest.mark.parametrize("chained", ["", "+noise:sigma=0.01"])
@pytest.mark.parametrize("body", ["", "return x\n\n    def as_image(self, y):\n        "])
def test_other_commands(command, chained, body, plugin, tmp_path, monkeypatch, capsys):
    """What inspects an operator names its fault too, and ends with exit code 1."""
    path = plugin("bad", HEAD + f"        {body}raise RuntimeError('out of magic')\n")
    words = [command, path + chained, *(["-d", "ellipses:size=16,train=8,test=8"] * (command == "describe"))]
    monkeypatch.chdir(tmp_path)
    code, shown = run(monkeypatch, capsys, *words)
    assert code == 1
    assert "out of magic" in shown
    assert "Traceback" not in shown


@pytest.mark.parametrize(
    ("operator", "message"),
    [
        ("ct:angles=0", "angles must be positive, not 0"),
        ("inpainting:fraction=0", "fraction must be above 0 and at most 1, not 0"),
        ("inpainting:fraction=1.5", "fraction must be above 0 and at most 1, not 1.5"),
        ("super_resolution:scale=5", "scale=5 does not divide the image size 16x16"),
        ("mri:centre_fraction=0.9", "more than all lines"),
        ("ct:angles=many", "valid integer"),
        ("ct:geometry=cone", "'parallel' or 'fan'"),
        ("ct:source=2", "source=2.0 has no effect with geometry=parallel"),
        ("deblurring:intensity=0.2", "intensity=0.2 has no effect with kernel=gaussian"),
        ("deblurring:kernel=motion,sigma=2", "sigma=2.0 has no effect with kernel=motion"),
        ("noise:sigma=-1", "sigma must be at least 0, not -1"),
        ("xor_ctr:key=00", "key must be 16 bytes"),
        ("xor_ctr:iv=old", "iv must be hexadecimal digits"),
        ("deblurring:kernel_size=4", "kernel_size must be odd, not 4"),
        ("phase_retrieval:oversample=1", "oversample must be at least 2, not 1"),
    ],
)
def test_bad_parameters(operator, message, tmp_path, tiny, monkeypatch, capsys):
    """A value that an operator refuses ends with exit code 2 and the value and rule, nothing recorded."""
    words = ["run", "-o", operator, "-m", "mean", "-d", tiny, "--results", tmp_path / "results"]
    code, shown = run(monkeypatch, capsys, *words)
    assert code == 2
    assert message in shown
    assert "Traceback" not in shown
    assert not (tmp_path / "results").exists()
