"""Which runs belong together, and that one failing leaves the others alone."""

import pytest

from bench.errors import MismatchError, UsageError
from bench.sweeps.means import Means
from bench.sweeps.plan import plan, sweep

BROKEN = """
from bench import Operator


class Broken(Operator):
    def forward(self, x, generator):
        raise ValueError("out of order")
"""


def labels(runs):
    """Operator, model and seed of each run."""
    return [(run.spec.operator_label, run.spec.model.label, run.spec.seed) for run in runs]


def test_baselines_run_along(tiny):
    """Every operator gets its floor and the ceilings it knows, once, whatever was asked for."""
    runs = plan(["xor_ctr", "phase_retrieval"], ["unet:width=4", "mean"], tiny)
    assert [r[:2] for r in labels(runs)] == [
        ("xor_ctr", "unet:width=4"), ("xor_ctr", "mean"), ("xor_ctr", "inverse"),
        ("phase_retrieval", "unet:width=4"), ("phase_retrieval", "mean"),
    ]  # fmt: skip
    assert labels(plan(["xor_ctr"], ["mean"], tiny, baselines=False)) == [("xor_ctr", "mean", 0)]


def test_noisy_xor_knows_its_posterior_mean(tiny):
    """With Gaussian noise behind the cipher the posterior mean is a ceiling that runs along."""
    runs = plan(["xor_ctr+noise:sigma=0.01"], ["unet:width=4"], tiny, seeds=[3])
    assert [model for _, model, _ in labels(runs)] == ["unet:width=4", "mean", "inverse", "posterior_mean"]
    assert {model: seed for _, model, seed in labels(runs)}["unet:width=4"] == 3


def test_what_was_asked_for_must_fit(tiny):
    """A pair that cannot work is an error before any training, also behind pairs that can."""
    with pytest.raises(MismatchError, match="inverse does not work with phase_retrieval"):
        plan(["xor_ctr", "phase_retrieval"], ["inverse"], tiny)


def test_typing_errors_come_before_the_data():
    """A mistyped model is found although the dataset could not even be loaded."""
    with pytest.raises(UsageError, match="unknown model 'une'"):
        plan(["xor_ctr"], ["une"], "folder:path=nowhere")


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_failing_operator_leaves_the_others(tmp_path, tiny, plugin, jobs):
    """A run that fails is a record with its error; the others go on, in one process or in several."""
    runs = plan([plugin("broken", BROKEN), "denoising"], ["mean"], tiny)
    records = [record for _, record in sweep(runs, tmp_path, means=Means(jobs=jobs))]
    found = {(r.spec.operator_label, r.spec.model.label): r.status for r in records}
    assert found == {
        ("broken", "mean"): "failed", ("denoising", "mean"): "ok", ("denoising", "inverse"): "ok",
    }  # fmt: skip
    failed = next(r for r in records if r.status == "failed")
    assert "out of order" in failed.reason
    assert failed.folder is not None
    assert (failed.folder / "record.json").is_file()
