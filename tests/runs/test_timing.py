"""Speed is measured on the right calls; memory since the reset."""

import sys

import pytest
import torch

from bench.runs import timing


class Machine:
    """A clock, and a reconstruction that takes what it says: each call as long as its turn in a list."""

    def __init__(self, seconds):
        self.now, self.calls = 0.0, []
        self.seconds = seconds

    def perf_counter(self):
        return self.now

    def reconstruct(self, y):
        self.calls.append(len(y))
        turns = self.seconds[len(y)]
        self.now += turns[(self.calls.count(len(y)) - 1) % len(turns)]
        return 1 - y


def test_speeds_are_medians_with_quartiles_of_calls_in_turn(monkeypatch):
    """By hand: 8 images in 0.1 s, single ones in 0.02 s, after 2 slow calls each and one to look at.

    Calls in turn end after half a second each: 5 batches, 25 single images.
    """
    machine = Machine({8: [9.0, 9.0, 9.0] + [0.1] * 50, 1: [9.0, 9.0] + [0.02] * 50})
    monkeypatch.setattr(timing, "time", machine)
    found = timing.inference(machine.reconstruct, torch.rand(8, 3))
    assert found == pytest.approx(
        {"images_per_second": 80, "images_per_second_q1": 80, "images_per_second_q3": 80, "batch_size": 8}
        | {"latency_ms": 20, "latency_ms_q1": 20, "latency_ms_q3": 20}
    )
    assert machine.calls[5:11] == [8, 1, 8, 1, 8, 1]
    assert machine.calls.count(8) in (3 + 5, 3 + 6)  # sums of tenths may fall short of a half
    assert machine.calls.count(1) in (2 + 25, 2 + 26)


def test_a_spread_shows_in_the_quartiles(monkeypatch):
    """Calls of 1, 2 and 4 s: the median is 2 s; NumPy's quartiles of 1, 1/2 and 1/4 lie half-way."""
    machine = Machine({2: [1.0, 1.0, 1.0, 1.0, 2.0, 4.0], 1: [1.0]})
    monkeypatch.setattr(timing, "time", machine)
    found = timing.inference(machine.reconstruct, torch.rand(2, 3))
    rates = [found[f"images_per_second{end}"] for end in ("_q1", "", "_q3")]
    assert rates == [0.75, 1.0, 1.5]


@pytest.mark.parametrize(
    ("reconstruct", "computes"),
    [
        (lambda y: y, False),
        (lambda y: y.clone(), False),
        (lambda y: torch.full_like(y, 0.5), False),
        (lambda y: y * 0.999, True),
        (lambda y: y.mean((1, 2, 3), keepdim=True).expand_as(y), True),
    ],
)
def test_what_computes_nothing_has_no_speed(reconstruct, computes):
    """The identity, copied or not, and a constant; what scales or averages the measurement does compute."""
    found = timing.inference(reconstruct, torch.rand(4, 1, 5, 5))
    assert ("images_per_second" in found) == ("latency_ms" in found) == computes
    assert found["batch_size"] == 4


def test_equal_measurements_have_equal_images():
    """Blank test images say nothing of the method: it is timed."""
    assert "latency_ms" in timing.inference(lambda y: 1 - y, torch.zeros(4, 1, 5, 5))


def test_training_speed_leaves_the_first_epoch_out():
    """The first epoch is warm-up: 100 images in 2, 1 and 4 s after it are 50 per second in the middle."""
    assert timing.training([100] * 4, [9.0, 2.0, 1.0, 4.0]) == {
        "train_images_per_second": 50.0,
        "train_images_per_second_q1": 37.5,
        "train_images_per_second_q3": 75.0,
    }
    assert timing.training([100], [4.0])["train_images_per_second"] == 25.0
    assert timing.training([], []) == {}


def test_circumstances_name_threads_and_load():
    """A speed is read beside the number of threads and what else the machine did."""
    found = timing.circumstances()
    assert found["threads"] == torch.get_num_threads()
    assert found["load"] >= 0


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
