"""Verification: stored weights score what the record says; a changed record or weight is found out."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

import bench
from bench.errors import UsageError
from bench.leaderboard.loading import load
from bench.runs.verify import reconstructions, verify

DATASET = "photos:train=40,test=8,size=16"


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """One tiny real run each of a network and of a statistic."""
    folder = tmp_path_factory.mktemp("results")
    for model in ("unet:width=2", "mean"):
        bench.run("noise", model, DATASET, epochs=1, device="cpu", results=folder)
    return folder


def _record(results, model):
    return next(r for r in load(results).records if r.spec.model.name == model)


@pytest.mark.parametrize("model", ["unet", "mean"])
def test_an_honest_record_is_verified(results, model):
    """On the machine that made it the scores come out the same to the last bit."""
    found = verify(_record(results, model))
    assert found.verified
    assert found.drift == {"psnr": 0, "ssim": 0}
    assert found.largest == 0
    assert found.text().startswith("verified")


def test_changed_weights_are_found(results):
    """Weights that are not those that were scored drift."""
    record = _record(results, "unet")
    path = record.folder / "model.safetensors"
    kept = path.read_bytes()
    weights = load_file(path)
    save_file({k: torch.zeros_like(v) for k, v in weights.items()}, path)
    try:
        found = verify(record)
    finally:
        path.write_bytes(kept)
    assert not found.verified
    assert found.drift["psnr"] != 0
    assert found.text().startswith("not verified")


def test_invented_scores_are_found(results, tmp_path):
    """A record whose table and mean were both raised by a decibel does not verify."""
    record = _record(results, "mean")
    scores = record.per_unit.assign(psnr=record.per_unit["psnr"] + 1)
    content = json.loads((record.folder / "record.json").read_text())
    content["scores"]["psnr"] += 1
    copy = tmp_path / "runs" / record.fingerprint
    copy.mkdir(parents=True)
    (copy / "record.json").write_text(json.dumps(content))
    (copy / "model.safetensors").write_bytes((record.folder / "model.safetensors").read_bytes())
    scores.to_parquet(copy / "scores.parquet")
    found = verify(_record(tmp_path, "mean"))
    assert not found.verified
    assert found.drift["psnr"] == pytest.approx(-1)


def test_weights_that_are_missing_or_foreign_are_named(results, tmp_path):
    """What cannot be made again says why, as a usage error."""
    record = _record(results, "unet")
    path = record.folder / "model.safetensors"
    kept = path.read_bytes()
    try:
        save_file({"other": torch.zeros(1)}, path)
        with pytest.raises(UsageError, match="do not fit"):
            verify(record)
        path.write_bytes(kept[:100])
        with pytest.raises(UsageError, match="do not fit"):
            verify(record)
        path.unlink()
        with pytest.raises(UsageError, match=r"no model\.safetensors"):
            verify(record)
    finally:
        path.write_bytes(kept)


def test_chosen_images_are_made_again_in_the_order_asked_for(results):
    """Reconstructions of images 5 and 1 are those of the stored samples 5 and 1."""
    record = _record(results, "unet")
    stored = load_file(record.folder / "samples.safetensors")
    made = reconstructions(record, (5, 1))
    for kind in ("truth", "reconstruction"):
        torch.testing.assert_close(
            torch.from_numpy(made[kind]).permute(0, 3, 1, 2), stored[kind][[5, 1]], atol=0, rtol=0
        )
