"""What a plug-in operator does wrong is named, recorded as a failed run, and stops no other run."""

import pytest

from bench.cli import main
from bench.record import read_all

HEAD = (
    "import torch\nfrom bench import Operator\n\nclass Bad(Operator):\n    def forward(self, x, generator):\n"
)

BAD = {
    "shape": ("return x[:1]", "Bad.forward must return"),
    "type": ("return x.double()", ", 3, 16, 16) torch.float64"),
    "list": ("return [x]", "Bad.forward must return a tensor, not a list"),
    "nan": ("return x / (x > 0.01)", "Bad.forward returns values that are not finite"),
    "in_place": ("return x.mul_(0.5)", "Bad.forward modifies its input"),
    "raises": ("raise RuntimeError('out of magic')", "out of magic"),
}


def run(monkeypatch, capsys, *words):
    """The command line in this process: exit code and what it says."""
    monkeypatch.setattr("sys.argv", ["bench", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        main()
    shown = capsys.readouterr()
    return ended.value.code, " ".join((shown.out + shown.err).split())


@pytest.mark.parametrize("chained", ["", "+noise:sigma=0.01"])
@pytest.mark.parametrize("fault", ["shape", "type", "nan", "in_place"])
def test_failed_run_is_recorded(fault, chained, plugin, tmp_path, tiny, monkeypatch, capsys):
    """The run is recorded as failed, with the class at fault; the good operator's run is there too."""
    body, message = BAD[fault]
    path = plugin("bad", HEAD + f"        {body}\n")
    words = ["run", "-o", path + chained, "-o", "noise", "-m", "mean", "--no-baselines", "-d", tiny]
    code, shown = run(monkeypatch, capsys, *words, "--results", tmp_path / "results")
    assert code == 1
    assert message in shown
    assert "Traceback" not in shown
    records, _ = read_all(tmp_path / "results")
    assert sorted((r.spec.operator_label, r.status) for r in records) == [
        ("bad" + chained, "failed"),
        ("noise", "ok"),
    ]


@pytest.mark.parametrize("fault", ["list", "raises"])
@pytest.mark.parametrize("chained", ["", "+noise:sigma=0.01"])
def test_no_traceback(fault, chained, plugin, tmp_path, tiny, monkeypatch, capsys):
    """An operator that does not even measure a black image ends with one message."""
    body, message = BAD[fault]
    path = plugin("bad", HEAD + f"        {body}\n")
    words = ["run", "-o", path + chained, "-m", "mean", "-d", tiny, "--results", tmp_path / "results"]
    code, shown = run(monkeypatch, capsys, *words)
    assert code in (1, 2)
    assert message in shown or "Bad.forward raised" in shown
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
