"""Images on their way to a model: windows, sizes, recorded measurements, and streams from disk."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from bench.datasets import InMemory, Split, Splits, Values
from bench.datasets.shared import reading
from bench.errors import UsageError
from bench.operators import Operator
from bench.operators.noise import Noise
from bench.problem import Problem


class Scaled(Operator):
    """The image times a factor."""

    def __init__(self, image_shape, factor=1.0):
        super().__init__(image_shape)
        self.factor = factor

    def forward(self, x, generator):
        return x * self.factor


class Drawn(Split):
    """Float images that are drawn as they are read, the same at every call; ``wrong`` one is too bright."""

    def __init__(self, count, size=(9, 8), wrong=None):
        self.count, self.size, self.wrong = count, size, wrong

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        image = torch.rand(1, *self.size, generator=torch.Generator().manual_seed(index))
        return image + 7 if index == self.wrong else image


class Recorded(Drawn):
    """Images beside measurements that no operator here would have made, each item with its own operator."""

    def measurement(self, index):
        return torch.full((1, *self.size), float(index))

    def operator(self, indices):
        return Scaled((1, *self.size), torch.tensor(indices).view(-1, 1, 1, 1))


def gathered(batches):
    """All measurements and all images of some batches."""
    y, x, _ = zip(*batches, strict=True)
    return torch.cat(y), torch.cat(x)


def streamed(monkeypatch):
    """From now on nothing is kept in memory."""
    monkeypatch.setattr(reading, "KEPT", 0)


def test_a_stream_gives_the_batches_of_memory(monkeypatch):
    """Order, windows, flips and noise are the same, whichever process reads the images."""
    make = lambda split: Problem(Noise((1, 9, 8)), Splits(split(40), split(3), split(5))).training(7)  # noqa: E731
    held = make(lambda count: InMemory(Drawn(count).read(range(count))))
    streamed(monkeypatch)
    lazy = make(Drawn)
    assert lazy._train._workers([reading.Wanted([0], torch.zeros(1, 2))] * 9) > 0
    for epoch in (1, 2):
        one, two = (gathered(p.training_batches(7, epoch, augment=True)) for p in (held, lazy))
        assert torch.equal(one[0], two[0])
        assert torch.equal(one[1], two[1])
    one, two = (gathered(p.validation_batches(2)) for p in (held, lazy))
    assert torch.equal(one[0], two[0])


def test_a_stream_leaves_the_global_generator_alone(monkeypatch):
    """Dropout would differ from that of images in memory; DataLoader draws a seed from it by default."""
    streamed(monkeypatch)
    training = Problem(Noise((1, 9, 8)), Splits(Drawn(20), Drawn(2))).training()
    before = torch.get_rng_state()
    next(training.training_batches(4))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_stream_names_the_image_that_is_wrong(monkeypatch):
    """Found by a worker process, told in one line."""
    streamed(monkeypatch)
    training = Problem(Noise((1, 9, 8)), Splits(Drawn(20, wrong=11), Drawn(2), Drawn(2))).training()
    with pytest.raises(UsageError, match=r"^training image 10 to 14: the value 7\.\d+ lies outside"):
        list(training.training_batches(5, shuffle=False))


def test_a_wrong_image_is_found_in_memory_too():
    """Few images are read once and kept; the test split is read when it is scored."""
    with pytest.raises(UsageError, match="training image 0 to 18: the value"):
        Problem(Noise((1, 9, 8)), Splits(Drawn(20, wrong=11), Drawn(2))).training()
    with pytest.raises(UsageError, match="test image 0 to 1: the value"):
        next(Problem(Noise((1, 9, 8)), Splits(Drawn(20), Drawn(2, wrong=1))).test_batches())


def ramps(*sizes):
    """Images whose pixels tell row and column: 16 row + column."""
    return [
        (16 * torch.arange(h)[:, None] + torch.arange(w)).to(torch.uint8).expand(1, h, w) for h, w in sizes
    ]


def test_training_takes_windows_of_images_that_differ():
    """Each is a window of its image, elsewhere in another epoch, and all places occur, the last one too."""
    splits = Splits(ramps(*[(8, 6), (6, 9)] * 40), ramps((7, 7)), ramps((8, 6), (6, 9)), crop=(5, 6))
    training = Problem(Scaled((1, 5, 6)), splits).training()
    window = (16 * torch.arange(5)[:, None] + torch.arange(6)).expand(16, 1, 5, 6)
    places = []
    for epoch in (1, 2):
        for y, x, _ in training.training_batches(16, epoch, shuffle=False):
            levels = (255 * x).round().long()
            corner = levels[:, :1, :1, :1]
            assert torch.equal(levels - corner, window)
            assert torch.equal(y, x)
            places += corner.flatten().tolist()
    assert places[:80] != places[80:]
    tall, wide = set(places[0::2]), set(places[1::2])
    assert tall == {16 * row for row in range(4)}
    assert wide == {16 * row + column for row in range(2) for column in range(4)}
    x = torch.cat([x for _, x, _ in training.validation_batches(1)])
    assert (255 * x[:, 0, 0, 0]).round().tolist() == [32, 16 + 2]


def test_images_larger_than_the_window_in_one_tensor():
    """Windows are taken of images of one size too, where the dataset says so."""
    images = torch.stack(ramps((8, 9), (8, 9), (8, 9)))
    training = Problem(Scaled((1, 4, 4)), Splits(images, images, images, crop=(4, 4))).training()
    assert training.image_shape == (1, 4, 4)
    assert next(training.training_batches(3)).x.shape == (3, 1, 4, 4)
    assert next(training.training_images(3)).shape == (3, 1, 4, 4)


def test_test_images_of_different_sizes_come_whole_and_one_by_one():
    """Each under an operator of its size; the noise is that of its number."""
    made = []

    def build(shape):
        made.append(shape)
        return Noise(shape, sigma=0.1)

    splits = Splits(ramps((8, 8), (8, 8)), ramps((8, 8), (6, 9), (6, 9)), crop=(4, 4))
    batches = list(Problem(build((1, 4, 4)), splits, build=build).test_batches())
    assert [tuple(batch.x.shape) for batch in batches] == [(1, 1, 8, 8), (1, 1, 6, 9), (1, 1, 6, 9)]
    assert [batch.operator.image_shape for batch in batches] == [(1, 8, 8), (1, 6, 9), (1, 6, 9)]
    assert made == [(1, 4, 4), (1, 8, 8), (1, 6, 9)]
    assert not torch.equal(batches[1].y - batches[1].x, batches[2].y - batches[2].x)
    with pytest.raises(UsageError, match=r"takes images \(1, 4, 4\); a test image is \(1, 8, 8\)"):
        next(Problem(Noise((1, 4, 4)), splits).test_batches())


@pytest.mark.parametrize("limit", [0, 2**29])
def test_recorded_measurements_take_the_place_of_simulated_ones(monkeypatch, limit):
    """Each beside its image, with the operator of these very items."""
    monkeypatch.setattr(reading, "KEPT", limit)
    problem = Problem(None, Splits(Recorded(12), Recorded(5), Recorded(3)))
    assert problem.recorded
    seen = []
    for y, x, operator in problem.training().training_batches(5, epoch=1, augment=True):
        numbers = y[:, 0, 0, 0].long().tolist()
        assert torch.equal(x, Recorded(12).read(numbers))
        assert operator.factor.flatten().tolist() == numbers
        seen += numbers
    assert sorted(seen) == list(range(12))
    (batch,) = problem.test_batches()
    assert batch.y[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4]
    assert batch.operator.factor.flatten().tolist() == [0, 1, 2, 3, 4]


def test_a_named_operator_simulates_though_measurements_were_recorded():
    """What was asked for is what is measured."""
    problem = Problem(Scaled((1, 9, 8), 2.0), Splits(Recorded(12), Recorded(5)))
    y, x, _ = next(problem.test_batches())
    assert torch.equal(y, 2 * x)


def test_a_dataset_without_an_operator_needs_one_named():
    """The message says how."""
    with pytest.raises(UsageError, match="brings no operator; name one: --operator"):
        Problem(None, Splits(Drawn(4), Drawn(2)))


def test_recorded_measurements_have_no_windows():
    """A window of an image has no measurement."""
    with pytest.raises(UsageError, match="takes no windows of them"):
        Problem(None, Splits(Recorded(4), Recorded(2), crop=(4, 4)))


MEASURED = """
import sys, threading, time
from pathlib import Path
import torch
from bench.datasets import Split, Splits
from bench.operators import Operator
from bench.problem import Problem
import numpy as np

PATH, COUNT = sys.argv[1], int(sys.argv[2])
SIDE = 512

class Mapped(Split):
    def __init__(self, first, count):
        self.first, self.count = first, count
    def __len__(self):
        return self.count
    def __getitem__(self, index):
        shape = (COUNT, 1, SIDE, SIDE)
        held = np.memmap(PATH, np.float32, "r", shape=shape)[self.first + index]
        return torch.from_numpy(np.array(held))

class Mean(Operator):
    def forward(self, x, generator):
        return x.mean((2, 3), keepdim=True)

def memory():
    total = 0
    mine = Path("/proc/self/task")
    children = [c for t in mine.iterdir() for c in (t / "children").read_text().split()]
    for pid in ["self", *children]:
        try:
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    return total / 2**10

most, done = 0.0, False
def watch():
    global most
    while not done:
        most = max(most, memory())
        time.sleep(0.02)

start = memory()
thread = threading.Thread(target=watch)
thread.start()
test = COUNT // 50
splits = Splits(Mapped(test, COUNT - test), Mapped(0, test))
problem = Problem(Mean((1, SIDE, SIDE)), splits)
batches = int(sys.argv[3])
for number, batch in enumerate(problem.training(0).training_batches(32)):
    if number >= batches:
        break
for number, batch in enumerate(problem.test_batches()):
    if number >= batches:
        break
done = True
thread.join()
print(f"{start:.0f} {most:.0f}")
"""


def memory_of(tmp_path, count, batches):
    """MiB before, and at most while ``count`` MiB of images are streamed: PSS of all processes."""
    path, script = tmp_path / "holes.f32", tmp_path / "measured.py"
    script.write_text(MEASURED)
    with path.open("wb") as file:
        file.truncate(count * 2**20)
    made = subprocess.run(
        [sys.executable, script, path, str(count), str(batches)],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ,
    )
    return [int(value) for value in made.stdout.split()]


@pytest.mark.skipif(sys.platform != "linux", reason="PSS is Linux's")
def test_streaming_keeps_no_images(tmp_path):
    """3 GB of images of 1 MB are read in passing: the processes together grow by what is read ahead."""
    before, most = memory_of(tmp_path, 3000, 40)
    assert most - before < 900


@pytest.mark.skipif("BENCH_LARGE" not in os.environ, reason="reads much: set BENCH_LARGE=1")
def test_fifty_gigabytes_in_two(tmp_path):
    """The whole of a file of holes of 50 GB, with at most 2 GB of memory for all processes."""
    _, most = memory_of(tmp_path, 50_000, 1_000_000)
    assert most < 2000


def test_batches_for_a_gpu_are_pinned_after_they_were_read(monkeypatch):
    """Images are indexed where they lie, pageable; the loader pins the batch, which is copied in passing.

    Shown without a GPU: by what the loader is asked for, and how its batches are moved.
    """
    asked, moved = [], []

    class Batch:
        def to(self, device, non_blocking=False):
            moved.append((device.type, non_blocking))
            return torch.zeros(2, 1, 9, 8)

    def loader(reader, pin_memory, sampler, **_):
        asked.append((pin_memory, reader[sampler[0]].images.is_pinned()))
        return [reading.Stored(Batch(), None)]

    streamed(monkeypatch)
    monkeypatch.setattr(reading.data, "DataLoader", loader)
    source = reading.Source(reading.Reader(Drawn(4), Values()), torch.device("cpu"))
    source.device = torch.device("cuda")
    list(source.batches([reading.Wanted([0, 1], torch.zeros(2, 2))]))
    assert asked == [(True, False)]
    assert moved == [("cuda", True)]


def test_numpy_images_are_read():
    """An array in place of a tensor is what most readers return."""
    split = InMemory(np.zeros((4, 1, 9, 8), np.float32))
    assert next(Problem(Noise((1, 9, 8)), Splits(split, split)).test_batches()).x.shape == (4, 1, 9, 8)


ORPHANED = """
import os, sys, time
import torch
from torch.utils.data import dataloader
from torch.utils.data._utils import worker
from bench.datasets import Split, Splits
from bench.datasets.shared import reading
from bench.operators.noise import Noise
from bench.problem import Problem

reading.KEPT, PARENT = 0, os.getpid()

class Late(worker.ManagerWatchdog):
    def __init__(self):
        print(os.getpid(), flush=True)
        while os.getppid() == PARENT:
            time.sleep(0.01)
        super().__init__()

class Zeros(Split):
    def __len__(self):
        return 40
    def __getitem__(self, index):
        return torch.zeros(1, 9, 8)

# Killed before it has given any order.
dataloader._MultiProcessingDataLoaderIter._reset = lambda *_, **__: time.sleep(600)
worker.ManagerWatchdog = Late
list(Problem(Noise((1, 9, 8)), Splits(Zeros(), Zeros())).training().training_batches(4))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="streams are read by processes on Linux alone")
def test_a_worker_whose_parent_is_killed_ends():
    """However early that is: before torch's own watch begins, which then watches the wrong process."""
    parent = subprocess.Popen([sys.executable, "-c", ORPHANED], stdout=subprocess.PIPE, text=True)
    worker = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    end = time.monotonic() + 30
    while runs(worker) and time.monotonic() < end:
        time.sleep(0.05)
    late = runs(worker)
    if late:
        os.kill(worker, signal.SIGKILL)
    assert not late
    parent.stdout.close()


def runs(process):
    """Whether a process is there, and has not ended."""
    try:
        with open(f"/proc/{process}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
