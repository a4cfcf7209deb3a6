"""What the README shows works as it stands there."""

import math
import re
from pathlib import Path

import h5py
import numpy as np
import pytest

import bench

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def block(start: str) -> str:
    """The Python block of the README that contains ``start``."""
    return next(code for code in re.findall(r"```python\n(.*?)```", README, re.S) if start in code)


def test_commands_stand_there():
    """The two commands of the first five minutes are in the README, to the letter."""
    for command in ("pip install . && bench run --operator xor_ctr --model unet", "pip install tox && tox"):
        assert f"```sh\n{command}\n```" in README


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
    exec(block("bench.testing.require"), {"bench": bench})


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
