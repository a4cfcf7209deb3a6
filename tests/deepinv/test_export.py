"""Problems in deepinv's file layout: deepinv reads what the harness measures."""

import deepinv
import pytest
import torch

import bench
from bench import registry
from bench.component import parse_chain
from bench.datasets import Splits
from bench.errors import UsageError
from bench.problem import Problem, build_operator


def problem(text, shape=(1, 16, 16), test=3):
    """A problem on random images, which never fit one batch of the writer."""
    operator = build_operator([part.checked(registry.operators) for part in parse_chain(text)], shape, 0)
    images = torch.randint(256, (75 + test, *shape), generator=torch.Generator().manual_seed(0)).byte()
    return Problem(operator, Splits(images[5 + test :], images[:test], images[test : test + 5]))


@pytest.mark.parametrize("text", ["ct:angles=9+noise:sigma=0.1", "deepinv.Pansharpen", "deepinv.MRI"])
def test_deepinv_reads_it(tmp_path, text):
    """Every split, every pair, lists as lists; test measurements to the bit."""
    asked = problem(text)
    path = bench.export(asked, tmp_path / "pairs.h5")
    for split, count in (("train", 70), ("val", 5), ("test", 3)):
        assert len(deepinv.datasets.HDF5Dataset(str(path), split=split)) == count
    stored = deepinv.datasets.HDF5Dataset(str(path), split="test")
    batch = next(asked.test_batches())
    for number, (x, y) in enumerate(stored[i] for i in range(3)):
        assert torch.equal(x, batch.x[number])
        flat = torch.cat([p.flatten() for p in y]) if not isinstance(y, torch.Tensor) else y.flatten()
        assert torch.equal(flat, batch.y[number].flatten())
    assert [p.name for p in tmp_path.iterdir()] == ["pairs.h5"]


def test_complex_measurements_are_complex(tmp_path):
    """As the physics gives them, of a chain that ends with noise too."""
    path = bench.export(problem("deepinv.PtychographyLinearOperator:positions=4"), tmp_path / "pairs.h5")
    _, y = deepinv.datasets.HDF5Dataset(str(path), split="train")[0]
    assert y.dtype == torch.complex64


def test_a_file_that_is_there_is_kept(tmp_path):
    """The message says what to do."""
    path = tmp_path / "pairs.h5"
    path.write_bytes(b"mine")
    with pytest.raises(UsageError, match="is there already; name another file"):
        bench.export(problem("denoising"), path)
    assert path.read_bytes() == b"mine"


def test_nothing_is_left_of_a_failure(tmp_path, monkeypatch):
    """Half a file has no name and does not stay."""
    asked = problem("denoising")
    monkeypatch.setattr(type(asked), "test_batches", lambda self: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        bench.export(asked, tmp_path / "pairs.h5")
    assert list(tmp_path.iterdir()) == []
