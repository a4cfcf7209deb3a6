"""What is costly to make is made once for all processes: memory-mapped, whole, and never taken on trust."""

from pathlib import Path

import pytest
import torch

from bench.datasets.shared import cache
from bench.operators.ct import CT


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A cache folder of its own."""
    monkeypatch.setenv("INVBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def refuse():
    """For what must not be made again."""
    raise AssertionError("made again")


def test_made_once(folder):
    """The second time it comes from the file, which is mapped; what is written to it stays in the process."""
    made = {"values": torch.arange(10.0), "rows": torch.arange(3, dtype=torch.int32)}
    assert cache.mapped_tensors("some/name", lambda: made)["values"].tolist() == list(range(10))
    found = cache.mapped_tensors("some/name", refuse)
    assert found["rows"].dtype == torch.int32
    assert str(folder / "some" / "name.safetensors") in Path("/proc/self/maps").read_text()
    found["values"][0] = 100
    assert cache.mapped_tensors("some/name", refuse)["values"][0] == 0


@pytest.mark.parametrize(
    "damage", [lambda body: body[:-4], lambda body: body[:-1] + b"\x7f", lambda body: b""]
)
def test_damaged(folder, damage):
    """A file that is cut off, or has another byte, is made anew."""
    cache.mapped_tensors("name", lambda: {"values": torch.arange(10.0)})
    path = folder / "name.safetensors"
    path.write_bytes(damage(path.read_bytes()))
    again = cache.mapped_tensors("name", lambda: {"values": torch.arange(10.0) + 1})
    assert again["values"].tolist() == list(range(1, 11))
    assert cache.mapped_tensors("name", refuse)["values"].tolist() == list(range(1, 11))


def test_nowhere_to_keep(tmp_path, monkeypatch):
    """Without a folder that can be written to it is made, and that is all."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("INVBENCH_CACHE", str(tmp_path / "file"))
    assert cache.mapped_tensors("name", lambda: {"values": torch.ones(2)})["values"].tolist() == [1, 1]


def test_a_projectors_matrix(folder, monkeypatch):
    """Projections with a matrix from the cache are those with one that was made, to the last bit."""
    monkeypatch.setattr("bench.operators._projector.MAPPED_BYTES", 0)
    x = torch.rand(2, 1, 16, 16, generator=torch.Generator().manual_seed(0))

    def applied():
        ct = CT((1, 16, 16), angles=8)
        y = ct.forward(x)
        return y, ct.adjoint(y), ct.inverse(y)

    first = applied()
    assert len(list((folder / "projectors").iterdir())) == 2
    monkeypatch.setattr("bench.operators._projector._Matrices._make", lambda *_: refuse())
    for one, other in zip(first, applied(), strict=True):
        assert torch.equal(one, other)
    monkeypatch.undo()
    for one, other in zip(first, applied(), strict=True):
        assert torch.equal(one, other)
