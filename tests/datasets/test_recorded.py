"""A dataset of recorded measurements, from the command line to the record."""

import numpy as np
import pytest

import bench
from bench.errors import UsageError
from bench.leaderboard.rows import footnote
from bench.leaderboard.table import board

#: Every item was measured under its own factor, by an operator that only this file knows.
SCANNER = """
import torch
from bench.datasets import Dataset, Split, Splits
from bench.operators import Operator

class Gain(Operator):
    linear = True
    def __init__(self, image_shape, gain):
        super().__init__(image_shape)
        self.gain = gain
    def forward(self, x, generator):
        return x * self.gain
    def inverse(self, y):
        return y / self.gain

class Scans(Split):
    def __init__(self, first, count):
        self.first, self.count = first, count
        self.groups = [f"patient {i // 2}" for i in range(count)]
    def __len__(self):
        return self.count
    def __getitem__(self, index):
        generator = torch.Generator().manual_seed(self.first + index)
        return torch.rand(1, 16, 16, generator=generator)
    def gain(self, index):
        return 1.0 + index % 3
    def measurement(self, index):
        return self[index] * self.gain(index)
    def operator(self, indices):
        return Gain((1, 16, 16), torch.tensor([self.gain(i) for i in indices]).view(-1, 1, 1, 1))

class Scanner(Dataset):
    '''Scans as they were recorded.'''
    brings_operator = True
    def load(self):
        return Splits(Scans(0, 20), Scans(100, 6), Scans(200, 4))
"""


def test_a_dataset_brings_its_operator(tmp_path, plugin):
    """No operator need be named; its groups are in the rows, and its command line names none either."""
    path = plugin("scanner", SCANNER)
    record = bench.run("", "mean", path, results=tmp_path)
    assert record.status == "ok", record.error
    assert record.spec.operator == ()
    assert record.spec.operator_label == "recorded"
    assert "--operator" not in record.spec.command()
    assert record.per_unit["group"].tolist() == [f"patient {i // 2}" for i in range(6)]


def test_a_network_learns_from_recorded_measurements(tmp_path, plugin):
    """Measurements of each item under its own operator: training, scoring, timing and storing."""
    record = bench.run("", "unet:width=4", plugin("scanner", SCANNER), results=tmp_path, epochs=1)
    assert record.status == "ok", record.error


def test_a_dataset_without_one_is_told_before_anything_is_loaded(tmp_path):
    """The message names the dataset and the option."""
    with pytest.raises(UsageError, match=r"photos.* brings no operator of its own; give --operator"):
        bench.run("", "mean", "photos:size=16,train=40,test=12", results=tmp_path)


@pytest.fixture
def slices(tmp_path):
    """A file of CT slices, and a dataset of them that says so and names its protocol."""
    np.save(tmp_path / "slices.npy", np.random.default_rng(0).random((30, 16, 16), np.float32))
    source = f"""
import numpy, torch
from bench.datasets import Dataset, Splits
class Slices(Dataset):
    '''CT slices.'''
    protocol = "lodopab"
    def load(self):
        images = torch.from_numpy(numpy.load({str(tmp_path / "slices.npy")!r}))[:, None]
        return Splits(images[:20], images[20:], reconstructions=True)
"""
    path = tmp_path / "slices.py"
    path.write_text(source)
    return str(path)


def test_a_dataset_is_scored_as_its_literature_scores_it(tmp_path, slices):
    """The dataset's protocol is the default; another one can be asked for."""
    assert bench.run("denoising", "mean", slices, results=tmp_path).spec.protocol == "lodopab"
    asked = bench.run("denoising", "mean", slices, protocol="unit", results=tmp_path)
    assert asked.spec.protocol == "unit"


def test_measurements_simulated_from_reconstructions_are_labelled(tmp_path, slices, plugin):
    """In the record, in the table's frame and below the table; recorded measurements are not."""
    simulated = bench.run("denoising", "mean", slices, results=tmp_path)
    recorded = bench.run("", "mean", plugin("scanner", SCANNER), results=tmp_path)
    assert (simulated.data.note, recorded.data.note) == ("simulated from reconstructions", "")
    whole = board(tmp_path)
    assert sorted(whole.frame["note"]) == ["", "simulated from reconstructions"]
    told = {ranking.group.operator: footnote(ranking) for ranking in whole.rankings}
    assert "Shimron" in told["denoising"]
    assert "Shimron" not in told["recorded"]
