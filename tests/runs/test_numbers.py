"""The version of the numbers: scores that move while it stays would make old records pass for new ones.

Where scores are meant to move, raise ``NUMBERS`` in ``bench/spec.py`` and store them anew:

    python tests/runs/test_numbers.py
"""

import json
import tempfile
from pathlib import Path

import pytest

import bench
from bench.spec import NUMBERS

STORED = Path(__file__).with_name("numbers.json")
DATASET = "ellipses:size=16,train=40,test=8"
#: Data order, initialisation, training noise, test noise, ciphers, sinograms, masks, choice by validation.
PAIRS = [
    ("noise:sigma=0.1", "dncnn:depth=3,width=4"),
    ("xor_ctr", "unet:width=4"),
    ("ct:angles=8", "inverse"),
    ("inpainting", "mean"),
    ("denoising", "tv:iterations=20"),
]
#: Rounding differs between processors by less (0.0012 dB was seen); another order of the training images
#: moves more.
DECIBEL = 5e-3


def scores(operator: str, model: str, folder: str | Path, **changes: int) -> dict[str, float]:
    """Means of a tiny run."""
    record = bench.run(
        operator, model, DATASET, results=folder, device="cpu", epochs=2, batch_size=8, **changes
    )
    assert record.status == "ok", record.error
    return {name: record.scores[name] for name in ("psnr", "ssim")}


@pytest.mark.parametrize(("operator", "model"), PAIRS, ids=[" ".join(pair) for pair in PAIRS])
def test_scores_stay_while_the_version_of_the_numbers_does(tmp_path, operator, model):
    """A change that moves a score raises NUMBERS, so that what is recorded is run again."""
    stored = json.loads(STORED.read_text(encoding="utf-8"))
    assert stored["numbers"] == NUMBERS, "store the scores anew: python tests/runs/test_numbers.py"
    found = scores(operator, model, tmp_path)
    was = stored["scores"][f"{operator} {model}"]
    assert found["psnr"] == pytest.approx(was["psnr"], abs=DECIBEL), "raise NUMBERS and store them anew"
    assert found["ssim"] == pytest.approx(was["ssim"], abs=1e-4), "raise NUMBERS and store them anew"


def test_another_order_of_the_images_is_seen(tmp_path):
    """The tolerance is below what another training seed moves: the test above can fail."""
    operator, model = PAIRS[0]
    was = json.loads(STORED.read_text(encoding="utf-8"))["scores"][f"{operator} {model}"]
    assert abs(scores(operator, model, tmp_path, seed=1)["psnr"] - was["psnr"]) > 2 * DECIBEL


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        content = {"numbers": NUMBERS, "scores": {f"{o} {m}": scores(o, m, folder) for o, m in PAIRS}}
    STORED.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
