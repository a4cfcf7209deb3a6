"""Speed is measured on the right calls; memory since the reset."""

import sys

import pytest
import torch

from bench.runs import timing


def test_inference_speed_is_per_batch_and_per_image():
    """Images per second count the batch; latency is of one image; warm-up calls come first."""
    calls = []

    def reconstruct(y):
        calls.append(len(y))
        return y

    result = timing.inference(reconstruct, torch.zeros(8, 3))
    assert result["batch_size"] == 8
    assert result["images_per_second"] > 0
    assert set(calls) == {8, 1}
    assert calls.count(8) <= timing.WARM_UP_CALLS + timing.MOST_CALLS


def test_training_speed_leaves_the_first_epoch_out():
    """The first epoch is warm-up: 100 images in 2 s and 2 s after it are 50 per second."""
    assert timing.training([100, 100, 100], [9.0, 2.0, 2.0]) == {"train_images_per_second": 50.0}
    assert timing.training([100], [4.0]) == {"train_images_per_second": 25.0}
    assert timing.training([], []) == {}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux resets a process's peak")
def test_peak_memory_is_since_the_reset():
    """A large tensor shows in the peak, and no longer after a reset."""
    device = torch.device("cpu")
    timing.reset_peak_memory(device)
    before = timing.peak_memory_mb(device)
    torch.ones(300 * 2**20 // 4)
    during = timing.peak_memory_mb(device)
    assert during - before > 250
    timing.reset_peak_memory(device)
    assert timing.peak_memory_mb(device) < during - 250
