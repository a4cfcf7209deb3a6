"""What a run computes of each image: own metrics, failed images, columns."""

import pandas as pd
import pytest
import torch

import bench
from bench.component import Component
from bench.errors import BenchError, UsageError
from bench.leaderboard.table import board
from bench.operators.denoising import Denoising
from bench.problem import Batch
from bench.protocols import find
from bench.runs.record import Record
from bench.runs.scoring import Scoring, build

MASKED = '''"""PSNR inside the middle."""
import torch
from bench.leaderboard.table import board
from bench.metrics import Metric
from bench.metrics.psnr import psnr
class Masked(Metric):
    """PSNR of the middle."""
    unit = "dB"
    def __init__(self, margin: int = 2):
        self.margin = margin
    def __call__(self, image, truth, *, y, operator, noise, data_range):
        m = slice(self.margin, -self.margin)
        return {value}
'''


def _own(tmp_path, value):
    path = tmp_path / "masked_psnr.py"
    path.write_text(MASKED.replace("{value}", value))
    return str(path)


def _rows(metrics, image, truth):
    scoring = Scoring(find("unit"), build([Component.parse(m) for m in metrics], "unit"), (0.0, 1.0))
    operator = Denoising(tuple(truth.shape[1:]))
    return scoring.images(image, Batch(image, truth, operator), [str(i) for i in range(len(image))])


def test_a_metric_of_ones_own_in_a_run(tmp_path):
    """By the path of its file, with parameters: a column per unit, and its mean in the record."""
    own = _own(tmp_path, "psnr(image[..., m, m], truth[..., m, m], data_range)") + ":margin=3"
    record = bench.run(
        "denoising",
        "inverse",
        "photos:size=16,train=20,test=6",
        metrics=[own, "nmse", "residual", "ms_ssim"],
        results=tmp_path / "results",
        device="cpu",
    )
    assert record.status == "ok", record.error
    assert list(record.per_unit) == ["psnr", "ssim", "masked_psnr:margin=3", "nmse", "residual", "group"]
    assert record.scores["masked_psnr:margin=3"] == pytest.approx(record.per_unit.iloc[:, 2].mean())
    assert record.scores["residual"] == 0  # the inverse is the measurement itself
    assert "ms_ssim" not in record.scores


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("psnr(image, truth).mean()", r"must return \(2,\) real numbers or None, not torch.float64 \(\)"),
        ("3.0", "not float"),
        ("torch.full((len(image),), torch.nan)", "gave NaN"),
    ],
)
def test_a_metric_that_returns_something_else(tmp_path, value, what):
    """It is named, with what it returned."""
    with pytest.raises(BenchError, match=f"masked_psnr.*{what}"):
        _rows([_own(tmp_path, value)], torch.rand(2, 1, 16, 16), torch.rand(2, 1, 16, 16))


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("image.no_such_thing()", r"masked_psnr.py, line \d+: raised AttributeError on a training image"),
        ("psnr(image, truth).mean()", r"must return \(1,\) real numbers"),
    ],
)
def test_a_metric_that_fails_is_told_before_training(tmp_path, value, what):
    """Hours of training must not end in a line that a look at one image would have shown."""
    with pytest.raises(UsageError, match=what):
        bench.run(
            "denoising",
            "unet:width=4",
            "photos:size=16,train=20,test=6",
            metrics=[_own(tmp_path, value)],
            results=tmp_path / "results",
            device="cpu",
        )
    assert not list((tmp_path / "results").glob("runs/*"))


def test_unit_and_direction_are_the_metrics_own(tmp_path):
    """A mean in dB counts an exact image as 100, and a table knows which way is better, without the file."""
    own = _own(tmp_path, "psnr(image[..., m, m], truth[..., m, m], data_range)")
    low = tmp_path / "gap.py"
    low.write_text(
        '"""Largest error."""\nfrom bench.metrics import Metric\n'
        "class Gap(Metric):\n"
        '    """Largest error."""\n'
        "    higher_is_better = False\n"
        "    def __call__(self, image, truth, *, y, operator, noise, data_range):\n"
        "        return (image - truth).flatten(1).abs().amax(1)\n"
    )
    data = tmp_path / "half_black.py"
    data.write_text(
        '"""Images, half of them black."""\nimport torch\nfrom bench.datasets import Dataset, Splits\n'
        "class HalfBlack(Dataset):\n"
        '    """Images, half of them black."""\n'
        "    def load(self):\n"
        "        images = torch.rand(20, 1, 16, 16, generator=torch.Generator().manual_seed(0))\n"
        "        images[::2] = 0\n"
        "        return Splits(images[6:], images[:6])\n"
    )
    results = tmp_path / "results"
    for model in ("inverse", "mean"):
        operator = "super_resolution:scale=2"
        record = bench.run(operator, model, str(data), metrics=[own, str(low)], results=results, device="cpu")
    assert record.status == "ok", record.error
    assert {k: (m.unit, m.higher_is_better) for k, m in record.metrics.items()} == {
        "psnr": ("dB", True),
        "ssim": ("", True),
        "masked_psnr": ("dB", True),
        "gap": ("", False),
    }
    again = Record.read(record.folder)
    assert again.metrics == record.metrics
    low.unlink()
    table = board(results, rank_by="gap").frame
    assert table["gap"].is_monotonic_increasing
    inverse = table[table["method"] == "inverse"].iloc[0]
    assert inverse["exact"] == 3
    assert 50 < inverse["masked_psnr"] < 100


def test_a_failed_image_is_the_worst_in_every_metric():
    """-inf, 0 or +inf, and the other image is scored as if it were alone."""
    image, truth = torch.rand(2, 3, 1, 40, 40)
    image[1, 0, 20, 20] = torch.nan
    metrics = ["nmse", "mae", "haarpsi", "residual"]
    pytest.importorskip("piq")
    frame = pd.DataFrame(_rows(metrics, image, truth)).set_index("group")
    lost = frame.loc["1"]
    assert (lost["psnr"], lost["ssim"], lost["haarpsi"]) == (-torch.inf, 0, 0)
    assert lost[["nmse", "mae", "residual"]].tolist() == [torch.inf] * 3
    alone = pd.DataFrame(_rows(metrics, image[::2], truth[::2]))
    pd.testing.assert_frame_equal(frame.loc[["0", "2"]].reset_index(drop=True), alone.drop(columns="group"))


def test_two_metrics_of_one_name(tmp_path):
    """Their columns could not be told apart."""
    own = _own(tmp_path, "psnr(image, truth)")
    other = tmp_path / "other"
    other.mkdir()
    twin = other / "masked_psnr.py"
    twin.write_text(MASKED.replace("{value}", "psnr(image, truth)"))
    with pytest.raises(UsageError, match="two metrics are called masked_psnr"):
        build([Component(own), Component(str(twin))], "unit")


def test_a_metric_named_twice_is_one_column():
    """``--metric ssim --metric ssim`` asks for nothing more."""
    assert list(build([Component("ssim"), Component("ssim")], "unit")) == ["psnr", "ssim"]


def test_a_run_scored_by_volumes(tmp_path):
    """One row per group of the dataset, its sample sheet without captions; the record can be read."""
    data = tmp_path / "slices.py"
    data.write_text(
        '"""Slices."""\nimport torch\nfrom bench.datasets import Dataset, InMemory, Splits\n'
        "class Slices(Dataset):\n"
        "    def load(self):\n"
        "        images = torch.rand(20, 1, 16, 16, generator=torch.Generator().manual_seed(0))\n"
        "        test = InMemory(images[:6], groups=['a', 'a', 'b', 'b', 'b', 'c'])\n"
        "        return Splits(images[6:], test)\n"
    )
    record = bench.run(
        "denoising", "inverse", str(data), protocol="fastmri", results=tmp_path / "results", device="cpu"
    )
    assert record.status == "ok", record.error
    assert sorted(record.per_unit["group"]) == ["a", "b", "c"]
    assert (record.folder / "samples.png").is_file()
    assert len(bench.table(tmp_path / "results")) == 1
