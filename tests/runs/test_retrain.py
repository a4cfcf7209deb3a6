"""Training again: a record is held to the spread of trainings, not to a digit."""

from dataclasses import replace

import numpy as np
import pytest

import bench
from bench.errors import UsageError
from bench.runs.retrain import Again, Retraining, _bound, retrain


def test_the_bound_is_the_prediction_interval():
    """19, 20, 21: 20 +- t(0.975, 2) = 4.3027 times 1 times sqrt(4 / 3)."""

    found = _bound(np.array([19.0, 20.0, 21.0]))
    assert found == pytest.approx(4.302653 * (4 / 3) ** 0.5, rel=1e-6)
    assert Again("psnr", "dB", 24.9, (19.0, 20.0, 21.0), found).agrees
    assert not Again("psnr", "dB", 25.0, (19.0, 20.0, 21.0), found).agrees


def test_a_record_agrees_with_new_trainings_and_an_edited_one_does_not(tmp_path, tiny):
    """Two small trainings of other seeds; a record that claims more, in one metric, is told from them."""
    record = bench.run(
        "denoising",
        "unet:width=4",
        tiny,
        epochs=1,
        device="cpu",
        results=tmp_path / "results",
        metrics=["mae"],
    )
    steps = []
    found = retrain(record, trainings=2, report=lambda run, step: steps.append((run.spec.seed, step.stage)))
    assert {seed for seed, _ in steps} == {1, 2}
    assert [m.name for m in found.metrics] == ["psnr", "ssim", "mae"]
    for metric in found.metrics:
        assert len(set(metric.again)) == 2
        assert metric.recorded == record.scores[metric.name]
    for place, metric in enumerate(found.metrics):
        others = [replace(m, recorded=m.again[0], bound=9.0) for m in found.metrics]
        assert Retraining(tuple(others)).agrees
        others[place] = replace(metric, recorded=metric.again[0] + 20 + metric.bound)
        boasting = Retraining(tuple(others))
        assert not boasting.agrees
        assert "does NOT agree" in boasting.text()
        assert f"NOT {metric.name} " in boasting.text()
    assert len(list((tmp_path / "results" / "runs").iterdir())) == 1


def test_a_method_without_training_is_scored_once_more(tmp_path, tiny):
    """The mean image has no spread: the same score to a hundredth of a dB."""
    record = bench.run("denoising", "mean", tiny, device="cpu", results=tmp_path / "results")
    found = retrain(record)
    assert {m.name: m.again for m in found.metrics} == {k: (v,) for k, v in record.scores.items()}
    assert found.agrees


def test_code_that_is_not_trusted_is_not_trained(tmp_path, tiny, plugin):
    """A record from elsewhere that names a file of code needs the reader's word."""
    path = plugin("own", "from bench.models.mean import Mean\n\n\nclass Own(Mean):\n    '''Mine.'''\n")
    record = bench.run("denoising", path, tiny, device="cpu", results=tmp_path / "results")
    with pytest.raises(UsageError, match="trust"):
        retrain(record)
