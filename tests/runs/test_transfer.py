"""Trained runs scored on other problems: what is recorded, found again, refused and shown."""

import json
import shutil
import sys

import numpy as np
import pytest

from bench import cli
from bench.errors import BenchError, UsageError
from bench.leaderboard import markdown, page, plots
from bench.leaderboard.table import board
from bench.leaderboard.transfer import matrices
from bench.runs.interface import run
from bench.runs.record import Record
from bench.runs.retrain import retrain
from bench.runs.runner import Run
from bench.runs.transfer import misfit, targets
from bench.runs.verify import verify
from bench.sweeps.means import Means
from bench.sweeps.plan import sweep

DATA = "ellipses:size=16,train=40,test=8"
SAME = """
from bench import Operator


class Same(Operator):
    def forward(self, x, generator):
        return x.clone()
"""
BROKEN = SAME.replace("return x.clone()", "raise ValueError('out of order')")
SMALLER = "ellipses:size=16,train=20,test=6"


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A small network trained on strong noise."""
    results = tmp_path_factory.mktemp("transfer")
    return run("denoising:sigma=0.2", "unet:width=4", DATA, results=results, epochs=1)


@pytest.fixture
def results(source, tmp_path):
    """A folder of results with that run alone."""
    shutil.copytree(source.folder, tmp_path / "results" / "runs" / source.fingerprint)
    return tmp_path / "results"


def moved(source, results, *operators, **more):
    """Records of the run on other problems."""
    return [Run(spec).execute(results) for spec in targets(source, operators, device="cpu", **more)]


def test_a_record_of_its_own(source, results):
    """It names its source and has its budget, but no weights; another one than training there gives."""
    (record,) = moved(source, results, "denoising:sigma=0.05")
    assert record.status == "ok"
    assert record.role == "transfer"
    learned = record.spec.trained_on
    assert (learned.run, learned.weights) == (source.fingerprint, source.files["model.safetensors"])
    assert "model.safetensors" not in record.files
    assert (record.budget, record.data.train) == (source.budget, source.data.train)
    assert record.parameters == source.parameters
    there = run("denoising:sigma=0.05", "unet:width=4", DATA, results=results, epochs=1)
    assert record.data.test_digest == there.data.test_digest
    assert record.scores["psnr"] != there.scores["psnr"]
    assert record.fingerprint != there.fingerprint
    assert Record.read(record.folder) == record


def test_on_its_own_problem_the_scores_are_its_own(source, results):
    """The same weights on the same measurements: nothing of the way there changes a score."""
    spec = targets(source, ["denoising:sigma=0.05"], device="cpu")[0]
    learned = spec.trained_on
    again = Run(type(spec)(**{**vars(spec), "operator": learned.operator})).execute(results)
    assert again.scores == source.scores


def test_datasets_and_problem_seeds_cross(source):
    """Every combination but the one that was trained; what is not given is as it was."""
    found = targets(source, ["denoising:sigma=0.2", "denoising"], [DATA, SMALLER], [0, 1], device="cpu")
    assert len(found) == len(set(found)) == 7
    only = targets(source, datasets=[SMALLER], device="cpu")
    assert [(s.operator, s.problem_seed) for s in only] == [(source.spec.operator, 0)]
    assert targets(source, ["denoising:sigma=0.2"], device="cpu") == []


def test_verify_finds_the_source_or_says_what_it_needs(source, results):
    """Scores are made again from the source's weights; without it, or with others, the message names it."""
    (record,) = moved(source, results, "denoising")
    assert verify(record).verified
    weights = results / "runs" / source.fingerprint / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(UsageError, match="are not those that were written"):
        verify(record)
    shutil.rmtree(weights.parent)
    with pytest.raises(UsageError, match=rf"run {source.fingerprint} \(weights of SHA-256 .*bench merge"):
        verify(record)


def test_what_a_fingerprint_covers(source, results):
    """A record that names other weights is not the one that its name says."""
    (record,) = moved(source, results, "denoising")
    path = record.folder / "record.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["spec"]["trained_on"]["train_size"] = 7
    path.write_text(json.dumps(content), encoding="utf-8")
    assert any("its name is" in fault for fault in verify(Record.read(record.folder)).faults)


@pytest.mark.parametrize(("field", "value"), [("run", "../../elsewhere"), ("run", ""), ("weights", "x" * 64)])
def test_a_record_leads_nowhere_else(source, results, field, value):
    """A crafted name of the source is no record; a link in its place is not followed."""
    (record,) = moved(source, results, "denoising")
    path = record.folder / "record.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["spec"]["trained_on"][field] = value
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(BenchError, match="names no run"):
        Record.read(record.folder)
    folder = results / "runs" / source.fingerprint
    folder.rename(results / "elsewhere")
    folder.symlink_to(results / "elsewhere")
    with pytest.raises(UsageError, match="it is a link"):
        verify(record)


def test_what_was_not_trained_is_not_transferred(source, results):
    """Not twice; and there is nothing to train again."""
    (record,) = moved(source, results, "denoising")
    with pytest.raises(UsageError, match=f"was not trained.*run {source.fingerprint}; transfer that one"):
        targets(record, ["denoising:sigma=0.1"])
    with pytest.raises(UsageError, match=f"its source was: run {source.fingerprint}"):
        retrain(record)


def test_what_does_not_fit_is_said_before(source, results):
    """Measurements of another shape, and a model that needs of the operator what it has not."""
    (spec,) = targets(source, ["compressed_sensing"], device="cpu")
    colour = "photos:size=16,train=40,test=8"
    (other,) = targets(source, datasets=[colour], device="cpu")
    assert "cannot reconstruct denoising:sigma=0.2 on photos" in misfit(Run(other), results)
    assert misfit(Run(spec), results) == ""
    unrolled = run("denoising", "learned_primal_dual:width=4", DATA, results=results, epochs=1)
    (lost,) = targets(unrolled, ["xor_ctr"], device="cpu")
    assert "does not work with xor_ctr: it needs an operator that is linear" in misfit(Run(lost), results)


def test_code_that_only_the_record_names_is_not_imported(source, results, plugin):
    """The rules of verify: a plug-in is named in the same call, and known by its content."""
    path = plugin("mine", SAME)
    trained = run(path, "unet:width=4", DATA, results=results, epochs=1)
    with pytest.raises(UsageError, match=f"bench transfer {trained.fingerprint} --trust"):
        targets(trained, ["denoising"])
    (record,) = moved(trained, results, "denoising", trust=[path])
    with pytest.raises(UsageError, match="--trust"):
        verify(record)
    assert verify(record, [path]).verified


def test_workers_do_it_too(source, results):
    """With --jobs the worker finds the weights in the results folder."""
    runs = [Run(s) for s in targets(source, ["denoising", "denoising:sigma=0.3"], device="cpu")]
    made = {record.fingerprint: record for _, record in sweep(runs, results, means=Means(jobs=2, threads=1))}
    assert {r.status for r in made.values()} == {"ok"}
    assert made[runs[0].fingerprint].scores == Run(runs[0].spec).execute(results, force=True).scores


def test_the_table_and_the_matrix(source, results):
    """A row of the problem that is never ranked; trained on the rows, tested on the columns."""
    other = run("denoising:sigma=0.05", "unet:width=4", DATA, results=results, epochs=1)
    moved(source, results, "denoising:sigma=0.05", "denoising:sigma=0.1")
    loaded = board(results)
    ranking = next(r for r in loaded.rankings if r.group.operator == "denoising:sigma=0.05")
    standing = dict(zip([e.label for e in ranking.group.entries], ranking.standings, strict=True))
    assert standing["unet:width=4, trained on denoising:sigma=0.2"].rank is None
    assert standing["unet:width=4"].rank == (1, 1)
    (matrix,) = matrices(r.group for r in loaded.rankings)
    assert matrix.method == f"unet:width=4: denoising on {DATA}"
    assert matrix.trained == ("sigma=0.05", "sigma=0.2")
    assert matrix.tested == ("sigma=0.05", "sigma=0.1", "sigma=0.2")
    assert matrix.own == (0, 2)
    assert matrix.scores[0, 0] == other.scores["psnr"]
    assert np.isnan(matrix.scores[0, 1:]).all()
    assert matrix.behind[1, 2] == 0
    assert plots.series(loaded) is not None  # of what was trained there alone
    index = page.write(loaded, results / "page").read_text(encoding="utf-8")
    assert "<caption>unet:width=4: denoising on" in index
    assert "Only models that were trained elsewhere: at best" in index
    summed = index[index.index('id="summary"') : index.index('id="problems"')]
    assert "sigma=0.05" in summed
    assert "sigma=0.1" not in summed  # where nothing was trained: no row of blanks, here and in Markdown
    assert "sigma=0.1 on" not in markdown.summary(loaded.rankings)
    texts = [text.get_text() for text in plots.transfer(loaded).axes[0].texts]
    assert len([text for text in texts if text]) == 4


def test_the_command(source, results, monkeypatch, capsys):
    """Says what would run, runs it, shows the matrix; refuses what is already trained there."""

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["bench", "transfer", source.fingerprint[:6], *words])
        # The environment is looked at once, by whichever test came first.
        monkeypatch.setattr("bench.console.screen.console._width", 200)
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = end.code or 0
        told = capsys.readouterr()
        return code, " ".join((told.out + told.err).split())

    here = ["--results", str(results), "--device", "cpu"]
    code, said = call("-o", "denoising", "--grid", "denoising.sigma=0.05,0.1", "--dry-run", *here)
    assert (code, said.count("trained on denoising:sigma=0.2")) == (0, 2)
    assert len(list((results / "runs").iterdir())) == 1
    code, said = call("-o", "denoising:sigma=0.05", *here)
    assert code == 0
    assert "trained on \\ tested on sigma=0.05" in said
    assert call("-o", "denoising:sigma=0.2", *here)[0] == 2
    code, said = call("-d", "photos:size=16,train=40,test=8", *here)
    assert code == 2
    assert "cannot reconstruct" in said
    assert call("-o", "denoisin", *here)[0] == 2


def test_a_failing_operator_is_a_failed_record(source, results, plugin):
    """The run says how, and its row that it was transferred."""
    path = plugin("broken", BROKEN)
    (record,) = moved(source, results, path)
    assert (record.status, record.role) == ("failed", "transfer")
    assert "out of order" in record.reason
