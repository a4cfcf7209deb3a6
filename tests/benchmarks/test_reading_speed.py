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

from bench.datasets.fastmri import FastMRI
from bench.datasets.lodopab import Lodopab
from bench.datasets.shared.reading import Reader, Source, Wanted
from bench.datasets.shared.rows import Rows

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
            with h5py.File(root / f"{kind}_train_{number:03d}.hdf5", locking=False) as file:
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


#: Slices of a volume of knees, one coil.
SLICES, GRID = 36, (640, 372)


@pytest.fixture(scope="module")
def knees(tmp_path_factory):
    """Three volumes of fastMRI's size and types, stored in one piece as h5py does by itself."""
    folder = tmp_path_factory.mktemp("knees")
    rng = np.random.default_rng(0)
    for part, count in (("train", 2), ("val", 1)):
        (folder / f"singlecoil_{part}").mkdir()
        for number in range(count):
            with h5py.File(folder / f"singlecoil_{part}" / f"file{1000000 + number}.h5", "w") as file:
                file["kspace"] = rng.random((SLICES, *GRID, 2), np.float32).view(np.complex64)[..., 0]
                file["reconstruction_esc"] = rng.random((SLICES, 320, 320), np.float32)
                file.attrs["max"], file.attrs["acquisition"] = 1.0, "CORPD_FBK"
    return folder


def knees_ours(folder):
    """Pairs as networks get them: k-space masked, levelled, its parts apart; images levelled."""
    train = FastMRI(str(folder)).load().train
    for start in range(0, 2 * SLICES, 8):
        train.read(range(start, start + 8))
        train.measurements(range(start, start + 8))


def knees_rows(folder):
    """The reading alone: slices from where they lie, nothing done to them."""
    for path in sorted((folder / "singlecoil_train").glob("*.h5")):
        with h5py.File(path, locking=False) as file:  # as ours are open
            for key in ("kspace", "reconstruction_esc"):
                rows = Rows(file[key])
                found = np.empty((1, *rows.shape[1:]), rows.dtype)
                for index in range(SLICES):
                    rows.read([index], found)


def knees_h5py(folder):
    """The same by h5py."""
    for path in sorted((folder / "singlecoil_train").glob("*.h5")):
        with h5py.File(path, locking=False) as file:  # as ours are open
            for key in ("kspace", "reconstruction_esc"):
                for index in range(SLICES):
                    file[key][index]


@pytest.mark.parametrize("read", [knees_h5py, knees_rows, knees_ours])
@pytest.mark.benchmark(group="fastMRI: 72 single-coil pairs, warm")
def test_reading_kspace(benchmark, knees, read):
    """What reading costs, and what is done to k-space besides (no Fourier transform is)."""
    benchmark.pedantic(read, (knees,), rounds=7, warmup_rounds=1)
