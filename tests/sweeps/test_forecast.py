"""What --dry-run says: what is recorded, what is begun, and times from the runs most like each."""

import json
import math
from pathlib import Path

import pytest

from bench.sweeps.forecast import forecasts, wall_seconds
from bench.sweeps.plan import plan, sweep


def test_states_and_times(tmp_path, tiny):
    """Recorded runs cost nothing; a new seed takes its like's median; what is like nothing is unknown."""
    one = {"baselines": False, "changes": {"epochs": 1}}
    done = plan(["denoising"], ["unet:width=4"], tiny, seeds=[0, 1, 2], **one)
    records = [record for _, record in sweep(done, tmp_path)]
    runs = [*done, *plan(["denoising"], ["unet:width=4"], tiny, seeds=[3], **one)]
    runs += plan(["permutation"], ["unet:width=4", "dncnn:width=4"], tiny, **one)
    found = forecasts(runs, tmp_path)
    assert [each.state for each in found] == ["recorded"] * 3 + ["new"] * 3
    middle = sorted(record.timings["total_seconds"] for record in records)[1]
    assert [each.seconds for each in found[3:5]] == [middle, middle]
    assert math.isnan(found[5].seconds)
    assert wall_seconds(found, 1) == 2 * middle
    assert wall_seconds(found, 8) == middle
    assert {each.state for each in forecasts(runs, tmp_path, force=True)} == {"new"}


@pytest.mark.parametrize(
    ("said", "known"), [("0", True), *[(said, False) for said in ("1e308", "-5", "1" + "0" * 400, "null")]]
)
def test_times_that_make_no_sense(tmp_path, tiny, said, known):
    """A record that was edited says nothing about time, and the forecast goes on without it."""
    (run,) = plan(["denoising"], ["mean"], tiny, baselines=False)
    path = run.execute(tmp_path).folder / "record.json"
    text = json.loads(path.read_text())
    text["timings"]["total_seconds"] = "said"
    path.write_text(json.dumps(text).replace('"said"', said))
    (found,) = forecasts([run], tmp_path, force=True)
    assert found.seconds == 0 if known else math.isnan(found.seconds)


def test_a_run_that_was_begun(tmp_path, tiny):
    """A run with a checkpoint is gone on with: the forecast says so."""
    (run,) = plan(["denoising"], ["unet:width=4"], tiny, baselines=False)
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / f"{run.fingerprint}.safetensors").touch()
    assert forecasts([run], tmp_path)[0].state == "begun"


def test_nothing_is_run(attack, tiny):
    """The command shows the matrix, trains nothing and writes nothing."""
    words = ["run", "-o", "denoising", "-m", "unet:width=4", "-d", tiny, "--seeds", "2", "--dry-run"]
    code, told = attack(words)
    assert code == 0
    assert ": 0 are recorded" in told
    assert "no record says how long" in told
    assert not Path("results").exists()
