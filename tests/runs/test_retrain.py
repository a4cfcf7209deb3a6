"""Training again: a record is held to the spread of trainings, not to a digit."""

from dataclasses import replace

import numpy as np
import pytest

import bench
from bench.errors import UsageError
from bench.runs.retrain import Retraining, _bound, retrain


def test_the_bound_is_the_prediction_interval():
    """19, 20, 21: 20 +- t(0.975, 2) = 4.3027 times 1 times sqrt(4 / 3)."""

    found = _bound(np.array([19.0, 20.0, 21.0]))
    assert found == pytest.approx(4.302653 * (4 / 3) ** 0.5, rel=1e-6)
    assert Retraining(24.9, (19.0, 20.0, 21.0), found).agrees
    assert not Retraining(25.0, (19.0, 20.0, 21.0), found).agrees


def test_a_record_agrees_with_new_trainings_and_an_edited_one_does_not(tmp_path, tiny):
    """Two small trainings under other seeds; a record that claims 20 dB more is told from them."""
    record = bench.run(
        "denoising", "unet:width=4", tiny, epochs=1, device="cpu", results=tmp_path / "results"
    )
    found = retrain(record, trainings=2)
    assert len(set(found.again)) == 2
    assert record.scores["psnr"] not in found.again
    boasting = replace(found, recorded=found.again[0] + 20 + found.bound)
    assert not boasting.agrees
    assert "does NOT agree" in boasting.text()
    assert len(list((tmp_path / "results" / "runs").iterdir())) == 1


def test_a_method_without_training_is_scored_once_more(tmp_path, tiny):
    """The mean image has no spread: the same score to a hundredth of a dB."""
    record = bench.run("denoising", "mean", tiny, device="cpu", results=tmp_path / "results")
    found = retrain(record)
    assert found.again == (record.scores["psnr"],)
    assert found.agrees


def test_code_that_is_not_trusted_is_not_trained(tmp_path, tiny, plugin):
    """A record from elsewhere that names a file of code needs the reader's word."""
    path = plugin("own", "from bench.models.mean import Mean\n\n\nclass Own(Mean):\n    '''Mine.'''\n")
    record = bench.run("denoising", path, tiny, device="cpu", results=tmp_path / "results")
    with pytest.raises(UsageError, match="trust"):
        retrain(record)
