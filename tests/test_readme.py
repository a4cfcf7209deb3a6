"""What the README and its guide show works as it stands there."""

import math
import re
from pathlib import Path

import h5py
import numpy as np
import pytest

import bench

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXTENDING = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")


def block(start: str, text: str = README) -> str:
    """The Python block of the README, or of another text, that contains ``start``."""
    return next(code for code in re.findall(r"```python\n(.*?)```", text, re.S) if start in code)


def test_it_is_one_page_and_its_links_lead_somewhere():
    """A README that is read: at most 150 lines; every file that it or a guide names is there."""
    assert len(README.splitlines()) <= 150
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} names {target}"


def test_commands_stand_there():
    """The two commands of the first five minutes are in the README, to the letter."""
    lines = [line.partition("  #")[0].strip() for line in README.splitlines()]
    for command in ("pip install . && bench run --operator xor_ctr --model unet", "pip install tox && tox"):
        assert command in lines


@pytest.mark.parametrize("model", ["unet:width=4", "attention_unet:width=4"])
def test_operator_example(tmp_path, tiny, plugin, model):
    """The example operator runs with networks, by its path, with a parameter, and in a chain."""
    path = plugin("my_operator", block("class Posterise"))
    record = bench.run(f"{path}:levels=2+noise:sigma=0.05", model, tiny, results=tmp_path, epochs=1)
    assert record.status == "ok", record.reason
    assert record.spec.operator_label == "my_operator:levels=2+noise:sigma=0.05"


def test_contract_example(tmp_path, plugin, monkeypatch):
    """The example operator passes the line that readers are to put into their own tests."""
    plugin("my_operator", block("class Posterise"))
    monkeypatch.chdir(tmp_path)
    exec(block("bench.testing.require", EXTENDING), {"bench": bench})


def test_dataset_example(tmp_path, plugin):
    """The example dataset keeps the contract, and a run on it has its patients in the rows."""
    generator = np.random.default_rng(0)
    with h5py.File(tmp_path / "scans.h5", "w") as file:
        file["ct"] = generator.integers(-1024, 3072, (24, 16, 16)).astype(np.int16)
        file["patient"] = [name for name in (b"anna", b"ben", b"cleo", b"dora") for _ in range(6)]
    text = f"{plugin('my_ct', block('class Slices'))}:path={tmp_path / 'scans.h5'}"
    bench.testing.require(bench.testing.check(text))
    record = bench.run("noise:sigma=100", "inverse", text, results=tmp_path)
    assert record.status == "ok", record.reason
    assert set(record.per_unit["group"]) == {"dora"}
    assert record.scores["psnr"] == pytest.approx(20 * math.log10(4095 / 100), abs=0.6)


def test_model_example(tmp_path, tiny, plugin):
    """The example model trains."""
    path = plugin("my_model", block("def my_model"))
    record = bench.run("denoising", f"{path}:width=4", tiny, results=tmp_path, epochs=1)
    assert record.status == "ok", record.reason


def test_metric_example(tmp_path, tiny, plugin):
    """The example metric has a column, and is 0 for an exact reconstruction."""
    path = plugin("my_metric", block("class Bias", EXTENDING))
    bench.testing.require(bench.testing.check(path))
    record = bench.run("xor_ctr", "inverse", tiny, results=tmp_path, metrics=[path])
    assert record.scores["my_metric"] == 0


def test_method_example(tmp_path, tiny, plugin):
    """The example of a method that is no network keeps the contract, and its row says what it used."""
    path = plugin("my_method", block("class Scaled", EXTENDING))
    bench.testing.require(bench.testing.check(path))
    record = bench.run("deblurring", path, tiny, results=tmp_path)
    assert record.status == "ok", record.reason
    assert "adjoint" in record.uses


def test_python_example(tmp_path, tiny, monkeypatch):
    """From Python: a run, its scores, the table, and the trained network on images of another size."""
    monkeypatch.chdir(tmp_path)
    code = block("bench.load").replace('"unet", epochs=2', f'"unet:width=4", "{tiny}", epochs=1')
    names = {"images": np.random.default_rng(0).random((2, 3, 96, 128), np.float32)}
    exec(code, names)
    assert names["run"].reconstructions().shape == (12, 3, 16, 16)
