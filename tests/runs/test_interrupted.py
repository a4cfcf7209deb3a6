"""Runs that were cut off, or failed late: what was trained is kept and gone on with."""

import pandas as pd
import pytest

from bench.runs import lease
from bench.runs.request import specify
from bench.runs.runner import Run
from bench.runs.writing import run_lease

SMALL_UNET = "unet:width=4"


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


@pytest.mark.parametrize(
    "step", ["evaluation.evaluate", "publishing.save_samples", "publishing.repeated_ivs", "timing.inference"]
)
def test_what_fails_after_the_last_epoch_costs_no_training(tmp_path, tiny, monkeypatch, trained, step):
    """Scoring, pictures, the leakage check and timing are repeated from the checkpoint, with one result."""

    def fail(*_):
        raise OSError(28, "No space left on device")

    spec = specify("denoising", SMALL_UNET, tiny, changes={"epochs": 2})
    expected = Run(spec).execute(tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr(f"bench.runs.{step}", fail)
        failed = Run(spec).execute(tmp_path / "cut")
    assert (failed.status, "No space left" in failed.reason) == ("failed", True)
    assert len(list((tmp_path / "cut" / "checkpoints").iterdir())) == 1
    epochs = trained()
    record = Run(spec).execute(tmp_path / "cut")
    assert (record.status, epochs) == ("ok", [])
    pd.testing.assert_frame_equal(record.per_unit, expected.per_unit, check_exact=True)
    assert list((tmp_path / "cut" / "checkpoints").iterdir()) == []


def test_a_record_that_cannot_be_put_in_place_costs_no_training(tmp_path, tiny, monkeypatch, trained):
    """The checkpoint goes when the record is in place, and only then; nor does the failure stop a sweep."""
    from bench import files

    def fail(*_):
        raise OSError(28, "No space left on device")

    spec = specify("denoising", SMALL_UNET, tiny, changes={"epochs": 1})
    with monkeypatch.context() as patch:
        patch.setattr(files, "put_in_place", fail)
        failed = Run(spec).execute(tmp_path)
    assert (failed.status, failed.folder) == ("failed", None)
    epochs = trained()
    assert Run(spec).execute(tmp_path).status == "ok"
    assert epochs == []


def test_what_a_killed_process_leaves_beside_its_record(tmp_path, tiny):
    """Killed between the record and the end of the run: the same command removes checkpoint and lease."""
    run = Run(specify("denoising", SMALL_UNET, tiny, changes={"epochs": 1}))
    run.execute(tmp_path)
    checkpoint = tmp_path / "checkpoints" / f"{run.fingerprint}.safetensors"
    beat = run_lease(tmp_path, run.fingerprint)
    checkpoint.touch()
    with lease.held(beat):
        run.execute(tmp_path)
        assert checkpoint.exists()  # of somebody who makes the run anew
        words = beat.read_bytes()
    beat.write_bytes(words.replace(b'"started": "', b'"started": "1'))  # a process that is gone
    run.execute(tmp_path)
    assert (checkpoint.exists(), beat.exists()) == (False, False)


def test_what_a_killed_process_leaves_of_its_checkpoint(tmp_path, tiny):
    """The next start removes drafts of its own run, and what a library has put beside them."""
    run = Run(specify("denoising", SMALL_UNET, tiny, changes={"epochs": 1}))
    draft = tmp_path / "checkpoints" / f".{run.fingerprint}-0123456789abcdef"
    other = draft.with_name(f".{'0' * 16}-0123456789abcdef")
    for folder in (draft, other):
        folder.mkdir(parents=True)
        (folder / ".tmp1234").touch()
    run.execute(tmp_path)
    assert list(draft.parent.iterdir()) == [other]


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
