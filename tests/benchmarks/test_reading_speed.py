"""Reading LoDoPaB-CT beside h5py's own sequential read of the same files: ``tox -e benchmarks``.

The files are stored as LoDoPaB-CT's are (create_dataset.py of lodopab_tech_ref: h5py's own chunks, of
eight slices each). h5py reads them in order, slice by slice and 32 at a time; ours in order, and shuffled as
training does. Cold means that the system was told to drop the files from its cache before each round. MB/s
and pairs/s stand in ``extra_info``; at least 0.8 of h5py's faster rate is wanted in order, the first batch
within 3 s, and less than 2 GB over all processes (PSS) beyond torch itself.
"""

import os
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from bench.datasets.lodopab import Lodopab
from bench.datasets.shared.reading import Reader, Source, Wanted

#: Pairs, and those in a batch.
PAIRS, BATCH = 256, 32
BYTES = 4 * (362 * 362 + 1000 * 513)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Two full files of training pairs and the least of the rest."""
    folder = tmp_path_factory.mktemp("lodopab")
    rng = np.random.default_rng(0)
    for part, count in (("train", PAIRS), ("validation", 1), ("test", 1)):
        for number in range((count + 127) // 128):
            held = min(128, count - 128 * number)
            for kind, shape in (("ground_truth", (362, 362)), ("observation", (1000, 513))):
                with h5py.File(folder / f"{kind}_{part}_{number:03d}.hdf5", "w") as file:
                    whole = (128, *shape)
                    data = file.create_dataset("data", whole, np.float32, chunks=True, maxshape=whole)
                    for index in range(held):
                        data[index] = rng.random(shape, np.float32)
                    data.resize(held, axis=0)
        ids = "".join(f"{number // 50}\n" for number in range(count))
        (folder / f"patient_ids_rand_{part}.csv").write_text(ids)
    return folder


def forget(root):
    """Drop the files from the system's cache."""
    os.sync()
    for path in root.glob("*.hdf5"):
        descriptor = os.open(path, os.O_RDONLY)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def ours(root, order):
    """The reader alone, batch by batch."""
    splits = Lodopab(str(root)).load()
    reader = Reader(splits.train, splits.values, (362, 362), recorded=True)
    for start in range(0, PAIRS, BATCH):
        reader.read(Wanted(order[start : start + BATCH], torch.zeros(BATCH, 2)))


def ours_in_order(root):
    """As h5py reads them."""
    ours(root, list(range(PAIRS)))


def ours_shuffled(root):
    """As training does."""
    ours(root, np.random.default_rng(1).permutation(PAIRS).tolist())


def theirs(root, step):
    """h5py, some slices at a time."""
    for number in range(PAIRS // 128):
        for kind in ("ground_truth", "observation"):
            with h5py.File(root / f"{kind}_train_{number:03d}.hdf5") as file:
                for index in range(0, 128, step):
                    file["data"][index : index + step]


def h5py_slices(root):
    """One by one."""
    theirs(root, 1)


def h5py_batches(root):
    """32 at a time."""
    theirs(root, BATCH)


@pytest.mark.parametrize("state", ["warm", "cold"])
@pytest.mark.parametrize("read", [h5py_slices, h5py_batches, ours_in_order, ours_shuffled])
@pytest.mark.benchmark(group="LoDoPaB-CT: 256 pairs")
def test_reading(benchmark, root, read, state):
    """MB/s and pairs/s of each."""
    before = (lambda: forget(root)) if state == "cold" else (lambda: None)
    benchmark.pedantic(read, (root,), setup=before, rounds=5, warmup_rounds=state == "warm")
    if benchmark.disabled:
        return
    seconds = benchmark.stats.stats.median
    benchmark.extra_info.update(mb_per_s=PAIRS * BYTES / 1e6 / seconds, pairs_per_s=PAIRS / seconds)


def memory():
    """Proportional set size of this process and its children, in bytes."""
    own = os.getpid()
    children = Path(f"/proc/{own}/task/{own}/children").read_text().split()
    lines = [Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in (own, *children)]
    return sum(int(text.partition("\nPss:")[2].split()[0]) * 1024 for text in lines)


def test_first_batch_and_memory(benchmark, root):
    """Seconds until the first shuffled batch of the worker processes, and memory beyond torch itself."""
    before = memory()
    seen = {"first_batch_s": 0.0, "extra_pss_mb": 0.0}

    def stream():
        started = time.perf_counter()
        splits = Lodopab(str(root)).load()
        source = Source(Reader(splits.train, splits.values, (362, 362), recorded=True), torch.device("cpu"))
        order = torch.randperm(PAIRS, generator=torch.Generator().manual_seed(0))
        wanted = [Wanted(part.tolist(), torch.zeros(len(part), 2)) for part in order.split(BATCH)]
        for number, _ in enumerate(source.batches(wanted)):
            if number == 0:
                seen["first_batch_s"] = max(seen["first_batch_s"], time.perf_counter() - started)
            seen["extra_pss_mb"] = max(seen["extra_pss_mb"], (memory() - before) / 2**20)

    benchmark.pedantic(stream, rounds=3)
    benchmark.extra_info.update(seen)
