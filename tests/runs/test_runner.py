"""Whole runs on a tiny dataset: from spec to record."""

import math
from dataclasses import replace

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

import bench
from bench.errors import MismatchError, UsageError
from bench.runs.record import Record
from bench.runs.request import find_device, specify
from bench.runs.runner import Run, deterministic

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


def test_same_spec_same_scores(tmp_path, tiny):
    """The same spec run twice on one machine gives identical scores, noise and training included."""
    spec = specify("xor_ctr+noise:sigma=0.01", SMALL_UNET, tiny, changes={"epochs": 2})
    one = Run(spec).execute(tmp_path / "a")
    two = Run(spec).execute(tmp_path / "b")
    assert one.fingerprint == two.fingerprint
    pd.testing.assert_frame_equal(one.per_unit, two.per_unit, check_exact=True)
    assert one.data.test_digest == two.data.test_digest


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


def test_untrained_models_ignore_the_recipe(tmp_path, tiny):
    """Changing epochs does not run the mean again: its fingerprint has no recipe."""
    specs = [specify("denoising", "mean", tiny, changes={"epochs": n}) for n in (1, 5)]
    assert specs[0] == specs[1]


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


def test_weights_are_those_of_the_best_epoch(tmp_path, tiny):
    """The stored weights rebuild a model that scores the same test images identically."""
    from bench.models import NetworkModel
    from bench.runs.evaluation import evaluate
    from bench.training import Trainer

    record = bench.run("denoising", SMALL_UNET, tiny, results=tmp_path, epochs=2)
    fresh = Run(record.spec)
    model = fresh.model
    assert isinstance(model, NetworkModel)
    model.trainer = Trainer()
    model.restore(fresh.problem.training(), load_file(record.folder / "model.safetensors"))
    scores, digest, _ = evaluate(model, fresh.problem)
    assert digest == record.data.test_digest
    pd.testing.assert_frame_equal(scores, record.per_unit)


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
        patch.setattr("bench.runs.runner.save_samples", fail)
        failed = Run(spec).execute(tmp_path)
    assert failed.status == "failed"
    assert [path.name for path in failed.folder.iterdir()] == ["record.json"]
    good = Run(spec).execute(tmp_path)
    monkeypatch.setattr("bench.runs.runner.save_samples", fail)
    forced = Run(spec).execute(tmp_path, force=True)
    assert forced.reason.endswith("no room (its earlier record is kept)")
    assert Record.read(good.folder).to_json() == good.to_json()


def times_trained(monkeypatch):
    """How often the training loop goes through an epoch from now on, as a list that grows."""
    from bench.training import Trainer

    epochs, whole = [], Trainer._epoch

    def counted(self, state, problem, epoch):
        epochs.append(epoch)
        return whole(self, state, problem, epoch)

    monkeypatch.setattr(Trainer, "_epoch", counted)
    return epochs


@pytest.mark.parametrize("step", ["evaluate", "save_samples", "repeated_ivs", "timing.inference"])
def test_what_fails_after_the_last_epoch_costs_no_training(tmp_path, tiny, monkeypatch, step):
    """Scoring, pictures, the leakage check and timing are repeated from the checkpoint, with one result."""

    def fail(*_):
        raise OSError(28, "No space left on device")

    spec = specify("denoising", SMALL_UNET, tiny, changes={"epochs": 2})
    expected = Run(spec).execute(tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr(f"bench.runs.runner.{step}", fail)
        failed = Run(spec).execute(tmp_path / "cut")
    assert (failed.status, "No space left" in failed.reason) == ("failed", True)
    assert len(list((tmp_path / "cut" / "checkpoints").iterdir())) == 1
    epochs = times_trained(monkeypatch)
    record = Run(spec).execute(tmp_path / "cut")
    assert (record.status, epochs) == ("ok", [])
    pd.testing.assert_frame_equal(record.per_unit, expected.per_unit, check_exact=True)
    assert list((tmp_path / "cut" / "checkpoints").iterdir()) == []


def test_a_record_that_cannot_be_put_in_place_costs_no_training(tmp_path, tiny, monkeypatch):
    """The checkpoint goes when the record is in place, and only then; nor does the failure stop a sweep."""
    from bench import files

    def fail(*_):
        raise OSError(28, "No space left on device")

    spec = specify("denoising", SMALL_UNET, tiny, changes={"epochs": 1})
    with monkeypatch.context() as patch:
        patch.setattr(files, "put_in_place", fail)
        failed = Run(spec).execute(tmp_path)
    assert (failed.status, failed.folder) == ("failed", None)
    epochs = times_trained(monkeypatch)
    assert Run(spec).execute(tmp_path).status == "ok"
    assert epochs == []


def test_a_diverged_training_is_not_gone_on_from(tmp_path, tiny):
    """Its checkpoint would lead to the same end."""
    changes = {"epochs": 3, "lr": 1e30, "batch_size": 4, "schedule": "constant"}
    record = Run(specify("denoising", SMALL_UNET, tiny, changes=changes)).execute(tmp_path)
    assert "diverged" in record.reason
    assert list((tmp_path / "checkpoints").iterdir()) == []


def test_a_resumed_run_has_taken_all_its_time(tmp_path, tiny):
    """The total of a run that was killed counts what it had taken before."""
    import json

    from bench import tensors

    def stop(progress):
        if progress.epoch == 2:
            raise KeyboardInterrupt

    spec = specify("denoising", SMALL_UNET, tiny, changes={"epochs": 2})
    with pytest.raises(KeyboardInterrupt):
        Run(spec).execute(tmp_path, report=stop)
    (path,) = (tmp_path / "checkpoints").iterdir()
    state, text = tensors.load(path)
    content = json.loads(text)
    assert 0 < content["seconds"] < 100
    tensors.save(path, state, json.dumps(content | {"seconds": 1000.0}))
    assert 1000 < Run(spec).execute(tmp_path).timings["total_seconds"] < 1100


def test_a_fitted_model_is_let_go(tmp_path, tiny, monkeypatch):
    """What a sweep holds does not grow with the runs it has done."""
    import gc
    import weakref

    from bench.models import NetworkModel

    fitted, whole = [], NetworkModel.fit

    def noted(self, problem):
        fitted.append(weakref.ref(self))
        return whole(self, problem)

    monkeypatch.setattr(NetworkModel, "fit", noted)
    run = Run(specify("denoising", SMALL_UNET, tiny, changes={"epochs": 1}))
    run.execute(tmp_path)
    gc.collect()
    assert [model() for model in fitted] == [None]


def test_tied_weights_are_recorded(tmp_path, tiny, plugin):
    """A network that uses one weight twice is trained, recorded and restored."""
    from bench.runs.evaluation import evaluate

    path = plugin(
        "tied",
        "from torch import nn\n\n"
        "class _Tied(nn.Module):\n"
        "    def __init__(self, channels):\n"
        "        super().__init__()\n"
        "        self.first = nn.Conv2d(channels, channels, 3, padding=1)\n"
        "        self.last = nn.Conv2d(channels, channels, 3, padding=1)\n"
        "        self.last.weight = self.first.weight\n"
        "    def forward(self, x):\n        return self.last(self.first(x))\n\n"
        "def tied(in_channels, out_channels):\n    return _Tied(in_channels)\n",
    )
    record = bench.run("denoising", path, tiny, results=tmp_path, epochs=1)
    assert record.status == "ok"
    again = Run(record.spec)
    again.restore(record.folder / "model.safetensors")
    scores, _, _ = evaluate(again.model, again.problem)
    pd.testing.assert_frame_equal(scores, record.per_unit)


def test_what_cannot_be_saved_is_found_before_training(tmp_path, tiny, plugin, monkeypatch):
    """Not after the whole of it."""
    path = plugin(
        "sparse",
        "import torch\nfrom torch import nn\n\n"
        "class _Sparse(nn.Conv2d):\n"
        "    def get_extra_state(self):\n        return {'seen': 3}\n\n"
        "    def set_extra_state(self, content):\n        pass\n\n"
        "def sparse(in_channels, out_channels):\n"
        "    return _Sparse(in_channels, out_channels, 3, padding=1)\n",
    )
    epochs = times_trained(monkeypatch)
    record = bench.run("denoising", path, tiny, results=tmp_path, epochs=1)
    assert "only tensors can be saved" in record.reason
    assert epochs == []


def test_provenance_is_of_the_start(tmp_path, tiny, monkeypatch):
    """A commit made during training is not the one whose code was trained."""
    from bench.runs import provenance

    collected = []
    whole = provenance.collect
    monkeypatch.setattr(provenance, "collect", lambda device: collected.append("origin") or whole(device))
    bench.run("denoising", "mean", tiny, results=tmp_path, report=lambda step: collected.append(step.stage))
    assert collected[:2] == ["origin", "fitting"]
    assert collected.count("origin") == 1


def test_function_as_model(tmp_path, tiny, plugin):
    """A plain function that returns a module is a model; its parameters can be set."""
    path = plugin(
        "tiny_net",
        "from torch import nn\n\n"
        "def tiny_net(in_channels, out_channels, width: int = 3):\n"
        "    first = nn.Conv2d(in_channels, width, 3, padding=1)\n"
        "    return nn.Sequential(first, nn.Conv2d(width, out_channels, 1))\n",
    )
    record = bench.run("denoising", f"{path}:width=5", tiny, results=tmp_path, epochs=1)
    assert record.status == "ok"
    assert record.spec.model.label == "tiny_net:width=5"
    assert record.parameters == (3 * 9 * 5 + 5) + (5 * 3 + 3)


def test_module_class_as_model(tmp_path, tiny, plugin):
    """An nn.Module class is a model, told the channels as a function is; its own parameters can be set."""
    path = plugin(
        "tiny_class",
        "from torch import nn\n\n"
        "class TinyClass(nn.Module):\n"
        "    def __init__(self, in_channels, out_channels, width: int = 3):\n"
        "        super().__init__()\n"
        "        self.first = nn.Conv2d(in_channels, width, 3, padding=1)\n"
        "        self.last = nn.Conv2d(width, out_channels, 1)\n\n"
        "    def forward(self, x):\n        return self.last(self.first(x))\n",
    )
    record = bench.run("denoising", f"{path}:width=5", tiny, results=tmp_path, epochs=1, optimizer="sgd")
    assert record.status == "ok"
    assert record.spec.recipe.optimizer == "sgd"
    assert record.parameters == (3 * 9 * 5 + 5) + (5 * 3 + 3)


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


def test_paper_preset(tiny):
    """--preset paper is the paper's setting; the user's own values go first."""
    spec = specify("xor_ctr", "unet", "photos", preset="paper")
    assert spec.model.params == {"width": 64, "residual": False}
    assert spec.dataset.params == {"size": 96, "train": 90_000, "test": 10_000}
    recipe = spec.recipe
    assert recipe is not None
    assert (recipe.epochs, recipe.lr, recipe.batch_size, recipe.loss) == (35, 2e-3, 32, "mse")
    assert (recipe.optimizer, recipe.schedule) == ("adam", "constant")
    own = specify("xor_ctr", "unet:width=8", "photos:size=48", preset="paper", changes={"lr": 1e-3})
    assert own.model.params == {"width": 8, "residual": False}
    assert own.recipe == replace(recipe, lr=1e-3)


def test_models_own_recipes_are_for_quick_only(tiny):
    """A model's own learning rate holds under quick; the paper's preset is the same for every model."""
    quick, paper = (specify("xor_ctr", "pixel_gate", tiny, preset=name).recipe for name in ("quick", "paper"))
    assert quick is not None
    assert paper is not None
    assert (quick.lr, quick.batch_size) == (2e-2, 16)
    assert (paper.lr, paper.batch_size, paper.epochs) == (2e-3, 32, 35)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_missing_gpu():
    """A GPU that is not there is an error that says what to do."""
    with pytest.raises(UsageError, match="no GPU"):
        find_device("cuda")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"epochs": 0}, "epochs must be at least 1"),
        ({"lr": -1.0}, "lr must be positive"),
        ({"loss": "huber"}, "Did you mean HuberLoss"),
        ({"epoch": 3}, "did you mean epochs"),
    ],
)
def test_bad_recipe(tiny, changes, reason):
    """Recipe values that make no sense are refused, naming the value."""
    with pytest.raises(UsageError, match=reason):
        specify("xor_ctr", "unet", tiny, changes=changes)


def test_interrupted_run_goes_on(tmp_path, tiny):
    """Ctrl-C leaves a checkpoint and no record; the same call then ends as if nothing had happened."""
    spec = specify("denoising", SMALL_UNET, tiny, changes={"epochs": 3})
    expected = Run(spec).execute(tmp_path / "whole")

    def stop(progress):
        if progress.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Run(spec).execute(tmp_path / "cut", report=stop)
    assert Run(spec).recorded(tmp_path / "cut") is None
    assert len(list((tmp_path / "cut" / "checkpoints").iterdir())) == 1
    record = Run(spec).execute(tmp_path / "cut")
    pd.testing.assert_frame_equal(record.per_unit, expected.per_unit, check_exact=True)
    assert list((tmp_path / "cut" / "checkpoints").iterdir()) == []


def test_damaged_checkpoint_fails_the_run(tmp_path, tiny):
    """The run is recorded as failed, with what to do; --force starts anew."""
    run = Run(specify("denoising", SMALL_UNET, tiny, changes={"epochs": 1}))
    path = tmp_path / "checkpoints" / f"{run.fingerprint}.safetensors"
    path.parent.mkdir()
    path.write_bytes(b"junk")
    record = run.execute(tmp_path)
    assert record.status == "failed"
    assert "use --force" in record.reason
    assert run.execute(tmp_path, force=True).status == "ok"


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


def test_samplers_are_repeatable(tmp_path, tiny, plugin):
    """What a method draws depends on the training seed, not on the clock's calls or what ran before."""
    path = plugin(
        "sampler",
        "import torch\nfrom bench import Model\n\n"
        "class Sampler(Model):\n"
        "    def fit(self, problem):\n        return []\n\n"
        "    def reconstruct(self, y, operator, generator):\n"
        "        assert not torch.is_grad_enabled()\n"
        "        return y + 0.1 * torch.randn(y.shape, generator=generator)\n",
    )
    spec = specify("denoising", path, tiny)
    one, two = (Run(spec).execute(tmp_path / name) for name in "ab")
    pd.testing.assert_frame_equal(one.per_unit, two.per_unit, check_exact=True)
    other = Run(replace(spec, seed=1)).execute(tmp_path / "c")
    assert other.scores["psnr"] != one.scores["psnr"]
    assert other.data.test_digest == one.data.test_digest


def test_float32_is_not_tf32():
    """Ten bits of mantissa would be called float32: it is off while a run works, and only then."""
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = True
    try:
        with deterministic(torch.device("cpu")):
            assert not torch.backends.cudnn.allow_tf32
            assert not torch.backends.cuda.matmul.allow_tf32
        assert torch.backends.cudnn.allow_tf32
        assert torch.backends.cuda.matmul.allow_tf32
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before
