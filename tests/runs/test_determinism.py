"""The same spec gives the same scores."""

from dataclasses import replace

import pandas as pd
import torch

from bench.runs.determinism import deterministic
from bench.runs.request import specify
from bench.runs.runner import Run

SMALL_UNET = "unet:width=4"


def test_same_spec_same_scores(tmp_path, tiny):
    """The same spec run twice on one machine gives identical scores, noise and training included."""
    spec = specify("xor_ctr+noise:sigma=0.01", SMALL_UNET, tiny, changes={"epochs": 2})
    one = Run(spec).execute(tmp_path / "a")
    two = Run(spec).execute(tmp_path / "b")
    assert one.fingerprint == two.fingerprint
    pd.testing.assert_frame_equal(one.per_unit, two.per_unit, check_exact=True)
    assert one.data.test_digest == two.data.test_digest


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
