"""Tables in a Markdown file are generated from records, and only between the markers."""

import re
from pathlib import Path

import pytest

from bench.errors import UsageError
from bench.leaderboard import markdown
from bench.leaderboard.readme import BEGIN, END, section, update
from bench.leaderboard.table import board
from bench.runs.record import Record
from bench.runs.verify import verify

ROOT = Path(__file__).parents[2]


def test_only_what_is_between_the_markers_changes(make, results, tmp_path):
    """Text before and after stays; doing it twice gives the same file; figures are linked and there."""
    make(model="unet", psnr=20.0)
    make(model="mean", psnr=12.0)
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{BEGIN}\nstale\n{END}\nafter\n")
    update(board(results), results, readme)
    first = readme.read_text()
    assert first.startswith(f"before\n{BEGIN}\n")
    assert first.endswith(f"{END}\nafter\n")
    assert "stale" not in first
    assert "| 1 | unet | 20.00 |" in first
    assert "![Quality of every method, with floor and ceiling](results/plots/quality.png)" in first
    assert (tmp_path / "results/plots/quality.png").is_file()
    assert "2 runs on Test CPU, 2 cores." in first
    update(board(results), results, readme)
    assert readme.read_text() == first


@pytest.mark.parametrize("text", ["", BEGIN, f"{END}\n{BEGIN}", f"{BEGIN}{END}{BEGIN}{END}"])
def test_missing_markers_are_named(make, results, tmp_path, text):
    """A file without its markers is left as it is, and the answer says which lines to add."""
    make()
    readme = tmp_path / "README.md"
    readme.write_text(text)
    with pytest.raises(UsageError, match="needs these two lines"):
        update(board(results), results, readme)
    assert readme.read_text() == text


here = pytest.mark.skipif(
    not (ROOT / "leaderboard/published/runs").is_dir(), reason="no published records in this checkout"
)


@here
def test_the_results_show_the_published_records():
    """What docs/results.md says was measured is what the published records say."""
    published = ROOT / "leaderboard/published"
    figures = sorted((published / "plots").glob("*.png"), key=lambda p: ["q", "s", "t"].index(p.stem[0]))
    assert section(board(published), figures, ROOT / "docs") in (ROOT / "docs/results.md").read_text()


@here
def test_the_readme_shows_their_summary():
    """The table of the README is the summary of the published records."""
    rankings = board(ROOT / "leaderboard/published").rankings
    assert markdown.summary(rankings).strip() in (ROOT / "README.md").read_text(encoding="utf-8")


def test_what_is_said_of_them_has_their_figures():
    """Every score with two decimals that docs/board.md names stands in the tables."""
    said = re.findall(r"\d+\.\d\d\b", (ROOT / "docs/board.md").read_text(encoding="utf-8"))
    shown = (ROOT / "docs/results.md").read_text(encoding="utf-8")
    assert said
    assert [figure for figure in said if figure not in shown] == []


@here
def test_small_weights_are_scored_again():
    """Of a published run with its weights anybody gets its scores: today's code has not moved them."""
    runs = [Record.read(run) for run in (ROOT / "leaderboard/published/runs").iterdir()]
    found = verify(next(r for r in runs if r.spec.model.name == "pixel_gate"))
    assert abs(found.drift["psnr"]) < 0.01
    assert found.largest["psnr"] < 0.1
