"""Suites: files that are read strictly, runs that follow from them, tables beside published numbers."""

import math

import pytest

from bench import registry
from bench.component import Component, parse_chain
from bench.errors import UsageError
from bench.leaderboard.suite import table, write
from bench.problem import build_operator
from bench.sweeps.plan import plan, sweep
from bench.sweeps.suite import Suite, expand, load, names

SMALL = """
title = "Small"
dataset = "photos:size=16,train=40,test=12"

[[runs]]
operators = ["denoising", "xor_ctr"]
models = ["unet:width=4"]
recipe = {epochs = 1}

[[runs]]
operators = ["denoising"]
models = ["mean"]
dataset = "folder:path=nowhere"
optional = true

[table]
source = "paper"
columns = [{title = "A", operator = "denoising"}, {title = "B", operator = "xor_ctr"}]
[[table.rows]]
title = "U-Net"
model = "unet"
published = [[30.0, 0.9], [18.0, 0.62]]
[[table.rows]]
title = "Exact"
model = "inverse"

[[figures]]
name = "one"
title = "One"
operator = "xor_ctr"
models = ["inverse", "unet"]
"""


@pytest.fixture
def small(tmp_path):
    """A suite file with a required and an optional block."""
    path = tmp_path / "small.toml"
    path.write_text(SMALL, encoding="utf-8")
    return str(path)


def test_shipped_suites_name_what_exists():
    """Every operator, model and dataset of the suites that ship is found and takes its parameters."""
    assert names() == ["board", "contrast", "controls", "deepinv", "paper"]
    for name in names():
        suite = load(name)
        for block in suite.runs:
            for operator in block.operators:
                assert [part.checked(registry.operators) for part in parse_chain(operator)]
            for model in block.models:
                assert Component.parse(model).checked(registry.models)
            assert Component.parse(block.dataset or suite.dataset).checked(registry.datasets)


def test_contrast_has_every_operator():
    """A new operator has to be put into the contrast suite."""
    named = {part.name for b in load("contrast").runs for o in b.operators for part in parse_chain(o)}
    assert named == set(registry.operators.entries())


def test_controls_have_every_model_that_can_learn_a_cipher():
    """A new model has to be put into the suite that shows what it learns where nothing can be learned."""
    operator = build_operator([Component("xor_cbc")], (3, 32, 32), 0)
    models = {name: Component(name).build(registry.models, seed=0) for name in registry.models.entries()}
    fitting = {name for name, model in models.items() if not model.fits(operator)}
    (block,) = load("controls").runs
    assert {*block.models, "mean", "inverse"} == fitting


def test_runs_table_and_figure(small, tmp_path):
    """A suite becomes runs with baselines, once each; then a table beside the published numbers."""
    suite = load(small)
    runs, left_out = expand(suite)
    assert [f"{r.spec.operator_label} {r.spec.model.label}" for r in runs] == [
        "denoising unet:width=4", "denoising mean", "denoising inverse",
        "xor_ctr unet:width=4", "xor_ctr mean", "xor_ctr inverse",
    ]  # fmt: skip
    assert len(left_out) == 1
    assert "nowhere" in left_out[0]
    records = [record for _, record in sweep(runs, tmp_path)]
    assert suite.table is not None
    frame = table(suite.table, records)
    assert frame.loc["U-Net", ("B", "PSNR", "paper")] == 18.0
    assert frame.loc["U-Net", ("A", "SSIM", "measured")] == records[0].scores["ssim"]
    assert frame.loc["Exact", ("B", "PSNR", "measured")] == math.inf
    paths = write(suite, records[0].spec.dataset.label, records, tmp_path / "out")
    assert [path.name for path in paths] == ["table.md", "table.csv", "one.png"]
    text = paths[0].read_text(encoding="utf-8")
    assert "| Exact |" in text
    assert "+∞" in text


def test_what_is_given_goes_first(small):
    """--dataset, --preset and recipe values apply to a whole suite."""
    runs, _ = expand(
        load(small),
        dataset="ellipses:size=16,train=20,test=4",
        preset="paper",
        changes={"lr": 0.5, "epochs": None},
        seeds=[7],
    )
    trained = runs[0].spec
    assert trained.dataset.name == "ellipses"
    assert trained.recipe is not None
    assert (trained.recipe.lr, trained.recipe.epochs, trained.seed) == (0.5, 1, 7)


def test_paper_suite_holds_the_papers_numbers():
    """Table I as printed: 18.0/0.62 and 17.6/0.57 for the U-Net, infinite for decryption, 11.8/0.16."""
    layout = load("paper").table
    assert layout is not None
    published = {row.title: row.published for row in layout.rows}
    assert published == {
        "U-Net": [(18.0, 0.62), (17.6, 0.57)],
        "Decryption": [(math.inf, 1.0), (-math.inf, 0.0)],
        "Mean of train set": [(11.8, 0.16), (11.8, 0.16)],
    }


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("title = ", "not a TOML file"),
        ("title = 'x'\nruns = []", "runs"),
        ("title = 'x'\n[[runs]]\noperators = ['ct']\nmodels = ['unet']\nepoch = 3", "runs.0.epoch"),
    ],
)
def test_bad_files(tmp_path, text, reason):
    """A file that is no suite is refused, naming what is wrong."""
    path = tmp_path / "bad.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=reason):
        load(str(path))


def test_no_baselines(small):
    """--no-baselines holds for a suite too."""
    runs, _ = expand(load(small), baselines=False)
    assert {run.spec.model.name for run in runs} == {"unet"}


def test_a_table_does_not_average_different_models(small, tmp_path):
    """A row that could be either of two widths is refused, not their mean shown."""
    suite = load(small)
    runs = plan(
        ["denoising"], ["unet:width=4", "unet:width=5"], suite.dataset, baselines=False, changes={"epochs": 1}
    )
    records = [record for _, record in sweep(runs, tmp_path)]
    with pytest.raises(UsageError, match="could be any of unet:width=4, unet:width=5"):
        table(suite.table, records)


def test_unknown_suite():
    """An unknown name says which suites there are."""
    with pytest.raises(UsageError, match="board, contrast, controls, deepinv, paper"):
        load("papre")


def test_required_data_that_is_missing(tmp_path):
    """Without ``optional`` a block that cannot run stops the suite before anything is trained."""
    suite = Suite.model_validate(
        {
            "title": "x",
            "runs": [{"operators": ["denoising"], "models": ["mean"], "dataset": "folder:path=nowhere"}],
        }
    )
    with pytest.raises(UsageError, match="nowhere"):
        expand(suite)
