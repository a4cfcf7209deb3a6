"""Tables in a Markdown file are generated from records, and only between the markers."""

from pathlib import Path

import pytest

from bench.errors import UsageError
from bench.leaderboard.readme import BEGIN, END, section, update
from bench.leaderboard.table import board

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


@pytest.mark.skipif(
    not (ROOT / "leaderboard/published/runs").is_dir(), reason="no published records in this checkout"
)
def test_the_results_show_the_published_records():
    """What docs/results.md says was measured is what the published records say."""
    published = ROOT / "leaderboard/published"
    figures = sorted((published / "plots").glob("*.png"), key=lambda p: ["q", "s", "t"].index(p.stem[0]))
    assert section(board(published), figures, ROOT / "docs") in (ROOT / "docs/results.md").read_text()
