"""Whole runs on a tiny dataset: what scores depend on, and what is not run again."""

import pytest

import bench
from bench.errors import MismatchError
from bench.runs.request import specify
from bench.runs.runner import Run

SMALL_UNET = "unet:width=4"


def test_other_seed_other_scores(tmp_path, tiny):
    """The training seed reaches training noise and weights; what is scored by stays the same."""
    runs = [bench.run("denoising", SMALL_UNET, tiny, results=tmp_path, epochs=1, seed=s) for s in (0, 1)]
    assert runs[0].scores != runs[1].scores
    assert runs[0].data.test_digest == runs[1].data.test_digest
    assert runs[0].data.digest == runs[1].data.digest


def test_other_problem_seed_other_measurements(tmp_path, tiny):
    """The problem seed reaches test noise, and not the images."""
    runs = [bench.run("denoising", "inverse", tiny, results=tmp_path, problem_seed=s) for s in (0, 1)]
    assert runs[0].data.test_digest != runs[1].data.test_digest
    assert runs[0].data.digest == runs[1].data.digest


def test_models_see_the_same_measurements(tmp_path, tiny):
    """Two models on one operator are scored on identical test measurements (sha256)."""
    digests = {
        bench.run("denoising", model, tiny, results=tmp_path, epochs=1).data.test_digest
        for model in (SMALL_UNET, "attention_unet:width=4", "mean", "inverse")
    }
    assert len(digests) == 1


def test_batch_size_of_training_leaves_test_measurements(tmp_path, tiny):
    """Test measurements do not depend on the recipe."""
    runs = [
        bench.run("denoising", SMALL_UNET, tiny, results=tmp_path, epochs=1, batch_size=size)
        for size in (8, 16)
    ]
    assert runs[0].data.test_digest == runs[1].data.test_digest


def test_recorded_run_is_not_repeated(tmp_path, tiny):
    """A spec that has a record is answered from it, unless forced."""
    first = bench.run("denoising", "mean", tiny, results=tmp_path)
    written = (first.folder / "record.json").stat().st_mtime_ns
    assert bench.run("denoising", "mean", tiny, results=tmp_path).scores == first.scores
    assert (first.folder / "record.json").stat().st_mtime_ns == written
    bench.run("denoising", "mean", tiny, results=tmp_path, force=True)
    assert (first.folder / "record.json").stat().st_mtime_ns > written


def test_fingerprint_follows_the_source(tmp_path, tiny, plugin):
    """Changing an operator's code changes the fingerprint; a comment does not."""
    text = (
        "from bench import Operator\n\n"
        "class Half(Operator):\n    def forward(self, x, generator):\n        return x / 2\n"
    )
    prints = []
    for source in (text, text + "# a remark\n", text.replace("/ 2", "/ 3")):
        prints.append(Run(specify(plugin("half", source), "mean", tiny)).fingerprint)
    assert prints[0] == prints[1] != prints[2]


def test_mismatch_names_what_fits(tiny, plugin):
    """An inverse of an operator that has none is refused before any training, with what would fit."""
    path = plugin(
        "half",
        "from bench import Operator\n\n"
        "class Half(Operator):\n    def forward(self, x, generator):\n        return x / 2\n",
    )
    run = Run(specify(path, "inverse", tiny))
    with pytest.raises(MismatchError, match=r"(?s)needs the operator's inverse.*xor_ctr"):
        run.model  # noqa: B018
