"""Eight writers of many records with a reader beside them: a record is there whole or not at all."""

import multiprocessing

from bench.component import Component
from bench.runs.parts import Provenance
from bench.runs.record import Record, runs_folder
from bench.runs.writing import tidy, writing
from bench.spec import RunSpec

CONTEXT = multiprocessing.get_context("fork")
SPEC = RunSpec(operator=(Component("denoising"),), model=Component("mean"), dataset=Component("photos"))


def _write(results, number, turns):
    for turn in range(turns):
        # Every second name is written by all of them, the others by one.
        name = f"{turn if turn % 2 else number * 1000 + turn:016x}"
        mark = f"{number}-{turn}"
        tidy(results)
        with writing(results, name) as folder:
            (folder / "mark.txt").write_text(mark)
            Record(name, SPEC, provenance=Provenance(hardware=mark)).write(folder)


def test_readers_see_whole_records(tmp_path, world):
    """Whatever is seen can be read and belongs together, and in the end all is there and nothing else."""
    writers, turns = 8, 50 if world.large else 6
    processes = [CONTEXT.Process(target=_write, args=(tmp_path, n, turns)) for n in range(writers)]
    for process in processes:
        process.start()
    seen = 0
    while any(process.is_alive() for process in processes):
        for folder in list(runs_folder(tmp_path).glob("[!.]*")):
            try:
                text = (folder / "record.json").read_text()
            except FileNotFoundError:
                continue  # it is being replaced at this moment
            assert text.endswith("}\n")
            seen += 1
    assert [process.exitcode for process in processes] == [0] * writers
    names = {f"{turn if turn % 2 else n * 1000 + turn:016x}" for n in range(writers) for turn in range(turns)}
    assert {path.name for path in runs_folder(tmp_path).iterdir()} == names
    for folder in runs_folder(tmp_path).iterdir():
        assert (folder / "mark.txt").read_text() == Record.read(folder).provenance.hardware
    assert seen
