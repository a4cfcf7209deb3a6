"""Published figures: each has its source, and stands beside rows of its own problem and protocol alone."""

import tomllib
from pathlib import Path

import pytest
from pydantic import ValidationError
from rich.console import Console

from bench import registry
from bench.leaderboard import export, references
from bench.leaderboard.references import Published, beside, published
from bench.leaderboard.table import board
from bench.leaderboard.terminal import tables
from bench.protocols import names

FILES = sorted(Path(references.__file__).parent.glob("*.toml"))
FIGURES = [(file.dataset, figure) for file in published() for table in file.tables for figure in table.rows()]
LODOPAB = {"operator": "", "dataset": "lodopab:root=/data", "protocol": "lodopab"}


@pytest.mark.parametrize("figure", FIGURES, ids=lambda each: f"{each[0]} {each[1].method}")
def test_every_figure_has_a_source(figure):
    """A number whose origin is not told is no figure: source, an address, and how it was scored."""
    dataset, row = figure
    assert dataset in registry.datasets.entries()
    assert row.source
    assert row.url.startswith("https://")
    assert row.protocol
    assert 0 < row.scores["psnr"] < 100
    assert 0 < row.scores.get("ssim", 0.5) < 1


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_files_are_named_as_their_dataset(path):
    """One file a dataset, under protocols that there are."""
    file = Published.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    assert file.dataset == path.stem
    assert {table.protocol for table in file.tables} <= set(names())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"source": ""}, "at least 1 character"),
        ({"url": "javascript:alert(1)"}, "must begin with https://"),
        ({"scored": ""}, "at least 1 character"),
        ({"year": 2021}, "Extra inputs are not permitted"),
        ({"figures": []}, "at least 1 item"),
    ],
)
def test_a_file_without_a_source_is_refused(change, said):
    """Neither an empty source, nor an address that is none, nor a key that nobody reads."""
    table = {"operators": ["ct"], "protocol": "unit", "scored": "raw", "source": "a", "url": "https://a"}
    whole = {**table, "figures": [{"method": "b", "psnr": 30.0}], **change}
    with pytest.raises(ValidationError, match=said):
        Published.model_validate({"dataset": "photos", "tables": [whole]})


def test_a_figure_without_scores_is_none():
    """A method alone is no row."""
    table = {"operators": ["ct"], "protocol": "unit", "scored": "raw", "source": "a", "url": "https://a"}
    file = Published.model_validate(
        {"dataset": "photos", "tables": [{**table, "figures": [{"method": "b"}]}]}
    )
    with pytest.raises(ValidationError, match="scores"):
        list(file.tables[0].rows())


@pytest.mark.parametrize(
    "other",
    [
        {"protocol": "unit"},
        {"operator": "ct"},
        {"dataset": "photos"},
        {"dataset": "lodopab:root=/data,test=other"},
    ],
)
def test_figures_of_other_problems_stay_away(make, results, other):
    """Another protocol, operator, dataset or other test images: not one published row."""
    make(**{**LODOPAB, **other})
    [ranking] = board(results).rankings
    assert beside(ranking.group) == []


def test_rows_of_their_own_kind(make, results):
    """In terminal, Markdown and LaTeX, marked, with source; ranks, table and floor are as without them."""
    for model, psnr in (("unet", 35.0), ("tv", 33.0), ("mean", 20.0)):
        make(model=model, psnr=psnr, **LODOPAB)
    whole = board(results)
    [ranking] = whole.rankings
    assert [figure.method for figure in beside(ranking.group)][:2] == ["learned primal-dual", "FBP + U-Net"]
    assert [standing.rank for standing in ranking.standings] == [(1, 1), (2, 2), None]
    assert len(whole.frame) == 3

    console = Console(width=200, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    for table in tables(whole):
        console.print(table)
    shown = {
        "terminal": console.export_text(),
        "markdown": export.text(whole, "markdown"),
        "latex": export.text(whole, "latex"),
    }
    for form, text in shown.items():
        assert text.count("learned primal-dual") == 1, form
        assert "35.73" in text, form
        assert "dip-ct-benchmark" in text, form
    published_lines = [line for line in shown["latex"].splitlines() if line.strip().startswith("published")]
    assert len(published_lines) == 7
    assert all(line.count("&") == 6 for line in published_lines)
    rows = [line for line in shown["markdown"].splitlines() if line.startswith("|")]
    assert len({line.count("|") - line.count("\\|") for line in rows}) == 1


def test_the_challenge_is_another_problem(make, results):
    """Its own figures, for its own images."""
    make(**{**LODOPAB, "dataset": "lodopab:root=/data,test=challenge"})
    [ranking] = board(results).rankings
    assert [figure.scores for figure in beside(ranking.group)] == [{"psnr": 36.09}, {"psnr": 35.87}]
