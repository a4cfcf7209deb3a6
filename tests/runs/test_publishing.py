"""What a run leaves: its record and files, that of a failure too."""

import math

import pytest

import bench
from bench.runs.record import Record
from bench.runs.request import specify
from bench.runs.runner import Run

SMALL_UNET = "unet:width=4"


def test_record_is_complete(tmp_path, tiny):
    """A run leaves everything that the record promises, and reads back as what was returned."""
    record = bench.run("xor_ctr", SMALL_UNET, tiny, results=tmp_path, epochs=2)
    assert record.status == "ok"
    assert record.folder == tmp_path / "runs" / record.fingerprint
    names = {path.name for path in record.folder.iterdir()}
    assert names == {
        "record.json", "scores.parquet", "history.parquet", "model.safetensors",
        "samples.safetensors", "samples.png",
    }  # fmt: skip
    again = Record.read(record.folder)
    assert again.to_json() == record.to_json()
    assert list(again.per_unit.columns) == ["psnr", "ssim", "group"]
    assert len(again.per_unit) == again.data.test == 12
    assert again.per_unit["psnr"].mean() == pytest.approx(again.scores["psnr"])
    assert list(again.history["epoch"]) == [1, 2]
    assert again.timings["images_per_second"] > 0
    assert again.timings["train_images_per_second"] > 0
    assert set(again.settings) == {"key", "iv"}


def test_decryption_as_in_table_one(tmp_path, tiny):
    """Table I of the paper: decryption is exact without noise and collapses with 1 per cent."""
    clean = bench.run("xor_ctr", "inverse", tiny, results=tmp_path)
    assert clean.scores == {"psnr": math.inf, "ssim": 1.0}
    noisy = bench.run("xor_ctr+noise:sigma=0.01", "inverse", tiny, results=tmp_path)
    assert noisy.scores["psnr"] < -40
    assert noisy.scores["ssim"] == pytest.approx(0, abs=0.02)


def test_inverse_is_a_ceiling_only_where_exact(tmp_path, tiny):
    """Decryption bounds what can be reached; the noisy image that is "denoised" by nothing does not."""
    roles = {o: bench.run(o, "inverse", tiny, results=tmp_path).role for o in ("xor_ctr", "denoising", "ct")}
    assert roles == {"xor_ctr": "ceiling", "denoising": "model", "ct": "model"}


def test_failed_run_is_recorded(tmp_path, tiny, plugin):
    """A model that raises leaves a record that says so, and is run again next time."""
    path = plugin(
        "broken",
        "from bench import Model\n\n"
        "class Broken(Model):\n"
        "    def fit(self, problem):\n        raise RuntimeError('no luck')\n"
        "    def reconstruct(self, y, operator, generator):\n        return y\n",
    )
    record = bench.run("denoising", path, tiny, results=tmp_path)
    assert record.status == "failed"
    assert record.error.message == "RuntimeError: no luck"
    assert Record.read(record.folder).status == "failed"
    assert Run(record.spec).recorded(tmp_path) is None


def test_a_failure_leaves_no_half_files_and_no_gap(tmp_path, tiny, monkeypatch):
    """What a failed run wrote is removed; it never takes the place of an earlier success."""

    def fail(*_):
        raise OSError("no room")

    spec = specify("denoising", "mean", tiny)
    with monkeypatch.context() as patch:
        patch.setattr("bench.runs.publishing.save_samples", fail)
        failed = Run(spec).execute(tmp_path)
    assert failed.status == "failed"
    assert [path.name for path in failed.folder.iterdir()] == ["record.json"]
    good = Run(spec).execute(tmp_path)
    monkeypatch.setattr("bench.runs.publishing.save_samples", fail)
    forced = Run(spec).execute(tmp_path, force=True)
    assert forced.reason.endswith("no room (its earlier record is kept)")
    assert Record.read(good.folder).to_json() == good.to_json()


def test_provenance_is_of_the_start(tmp_path, tiny, monkeypatch):
    """A commit made during training is not the one whose code was trained."""
    from bench.runs import provenance

    collected = []
    whole = provenance.collect
    monkeypatch.setattr(provenance, "collect", lambda device: collected.append("origin") or whole(device))
    bench.run("denoising", "mean", tiny, results=tmp_path, report=lambda step: collected.append(step.stage))
    assert collected[:2] == ["origin", "fitting"]
    assert collected.count("origin") == 1


@pytest.mark.parametrize(
    ("operator", "model", "uses", "trials"),
    [
        ("ct+noise:sigma=0.01", "inverse", ("inverse",), 1),
        ("ct+noise:sigma=0.01", "landweber:iterations=7", ("adjoint", "forward"), 7),
        ("ct+noise:sigma=0.01", SMALL_UNET, (), 1),
        ("ct+noise:sigma=0.01", "unrolled_gradient:width=2", ("adjoint", "forward", "inverse"), 1),
        ("xor_ctr+noise:sigma=0.01", "posterior_mean", ("posterior mean",), 1),
        ("xor_ctr", "known_plaintext", ("cipher structure",), 1),
    ],
)
def test_what_a_model_used_is_recorded(tmp_path, tiny, operator, model, uses, trials):
    """Its row says what it was told of the operator, and how many settings it tried: rule 5 of fairness."""
    record = bench.run(operator, model, tiny, results=tmp_path, epochs=1)
    assert (record.status, record.uses, record.budget.trials) == ("ok", uses, trials)


def test_using_the_inverse_labels_a_plain_model(tmp_path, tiny, plugin):
    """A network in name that calls the operator's inverse stands in its row as what it is."""
    path = plugin(
        "sly",
        "from bench import Model\n\n"
        "class Sly(Model):\n"
        "    def fit(self, problem):\n        return []\n\n"
        "    def reconstruct(self, y, operator, generator):\n        return operator.inverse(y)\n",
    )
    record = bench.run("xor_ctr", path, tiny, results=tmp_path)
    assert record.uses == ("inverse",)
