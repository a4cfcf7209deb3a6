"""What a sweep keeps of its records."""

from types import SimpleNamespace

from bench.component import Component
from bench.console.runs import kept
from bench.runs.parts import Data, Failure, Provenance
from bench.runs.record import Record
from bench.spec import RunSpec


def _spec():
    return RunSpec((Component("ct", {"angles": 24}),), Component("unet"), Component("photos"), 1)


def test_what_is_kept_says_the_same_in_less(tmp_path):
    """Thousands of records are held until the last table: its cells, its captions and what failed stay."""
    run = SimpleNamespace(spec=_spec())
    record = Record(
        "0123456789abcdef",
        _spec(),
        status="failed",
        error=Failure("out of memory", place="my.py, line 3", traceback="here"),
        scores={"psnr": 20.0},
        timings={"total_seconds": 1.0},
        parameters=7,
        data=Data(unit="volume", implied=("noise 0.01",), certificate={"condition": 3.0}),
        provenance=Provenance(packages={"torch": "2.11"}),
        sources={"model unet": "0" * 64},
        folder=tmp_path,
    )
    small = kept(run, record)
    for name in ("fingerprint", "spec", "status", "scores", "timings", "parameters", "folder", "problem"):
        assert getattr(small, name) == getattr(record, name)
    assert small.reason_and_place == "out of memory (my.py, line 3)"
    assert small.data.unit == "volume"
    assert small.spec is run.spec
    assert [small.sources, small.provenance.packages, small.data.certificate] == [{}, {}, {}]
