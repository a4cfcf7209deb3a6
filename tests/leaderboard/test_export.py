"""Text forms of the table: right figures, escaped names."""

import re
import shutil
import subprocess
from itertools import accumulate

import numpy as np
import pandas as pd
import pytest

from bench.errors import UsageError
from bench.leaderboard import export, markdown
from bench.leaderboard.table import board
from bench.recipe import Recipe


@pytest.fixture
def filled(make, results):
    """Two models that nothing is shown about, one with a name full of markup, and a ceiling."""
    hard = np.random.default_rng(0).normal(18, 3, 60)
    noise = np.random.default_rng(1).normal(0, 0.3, 60)
    make(model="unet", psnr=hard)
    make(model="a_b&c|<i>%", psnr=hard + noise - noise.mean() + 0.001)
    make(model="inverse", psnr=np.full(60, np.inf))
    return board(results)


def test_markdown_has_rank_intervals_and_escapes(filled):
    """Ranks are intervals, the scope is a sentence, and a name cannot open a cell or a tag."""
    text = markdown.markdown(filled.rankings)
    assert "| 1–2 | a\\_b&amp;c\\|&lt;i&gt;% |" in text
    assert "| ceiling | inverse | +∞ |  | 1.000 |" in text
    assert "holds for methods and images like these" in text


def test_summary_has_a_row_for_each_problem(make, results):
    """Floor, plain U-Net, highest mean, who may be best, ceiling; and that none beats the floor, where so."""
    hard = np.random.default_rng(0).normal(18, 3, 60)
    make(model="mean", psnr=hard - 6)
    make(model="unet", psnr=hard)
    make(model="best", psnr=hard + 2)
    make(model="inverse", psnr=np.full(60, np.inf))
    make(operator="xor_cbc", model="mean", psnr=hard)
    make(operator="xor_cbc", model="unet", psnr=hard - 0.1)
    means = [f"{hard.mean() + shift:.2f}" for shift in (-6, 0, 2, -0.1)]
    cbc, ctr = markdown.summary(board(results).rankings).splitlines()[2:]
    assert ctr.startswith("| xor\\_ctr on photos | 2 | " + " | ".join(means[:3]))
    assert ctr.endswith(" | best | +∞ |")
    assert cbc.startswith(f"| xor\\_cbc on photos | 1 | {means[1]} | {means[3]} | {means[3]} |")
    assert cbc.endswith("| none is shown above the mean |  |")


def test_the_summarys_unet_is_the_one_of_most_trainings(make, results):
    """Of several budgets none is chosen by what it scored on the test images."""
    for seed in range(2):
        make(model="unet", psnr=18.25, seed=seed, recipe=Recipe(epochs=10))
    make(model="unet", psnr=19.5, recipe=Recipe(epochs=40))
    (row,) = markdown.summary(board(results).rankings).splitlines()[2:]
    assert row.startswith("| xor\\_ctr on photos | 2 |  | 18.25 | 19.50 |")


def test_latex_is_booktabs_with_bold_for_what_is_shown_best(filled, make, results):
    """Nothing is bold where nothing is shown; what is shown better than all is; characters are escaped."""
    text = export.latex(filled.rankings)
    assert "\\toprule" in text
    assert "1--2 & a\\_b\\&c\\textbar{}\\textless{}i\\textgreater{}\\% & 18" in text
    assert "textbf" not in text
    assert "+$\\infty$" in text
    make(model="best", psnr=np.random.default_rng(0).normal(18, 3, 60) + 2)
    text = export.latex(board(results).rankings)
    assert "1 & best & \\textbf{" in text
    assert "Bold: shown better than all others." in text


SPECIAL = r"a\b{c}$d&e#f_g%h~i^j<k>|l"


def test_latex_is_whole_whatever_a_name_holds(make, results):
    """Braces and environments close, every row has seven cells, and no special character stays bare."""
    make(model=SPECIAL, psnr=20.0)
    make(model="mean", psnr=12.0)
    tex = export.text(board(results), "latex")
    printed = re.sub(r"\\[a-z]+|\\[{}$&#_%]|%.*\n", "", tex)
    depths = list(accumulate({"{": 1, "}": -1}.get(c, 0) for c in printed))
    assert min(depths) == depths[-1] == 0
    assert re.findall(r"\\begin\{(\w+)\}", tex) == re.findall(r"\\end\{(\w+)\}", tex)[::-1]
    rows = [re.sub(r"\\&", "", line) for line in tex.splitlines() if line.endswith(r" \\")]
    assert len(rows) == 3
    assert {row.count("&") for row in rows} == {6}
    assert not re.search(r"(?<!\\)[#_~^]|[<>|]", printed.replace("$", ""))
    name = r"a\textbackslash{}b\{c\}\$d\&e\#f\_g\%h\textasciitilde{}i\textasciicircum{}j"
    assert rf"& {name}\textless{{}}k\textgreater{{}}\textbar{{}}l &" in tex


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="pdflatex is not installed")
def test_latex_compiles(filled, tmp_path):
    """The table goes through LaTeX as it is, and fits an article's page."""
    body = export.latex(filled.rankings)
    head = "\\documentclass{article}\\usepackage{booktabs}\\begin{document}"
    (tmp_path / "t.tex").write_text(head + body + "\\end{document}")
    command = ["pdflatex", "-halt-on-error", "t.tex"]
    told = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert "Overfull" not in told


def test_files_hold_the_same_table(filled, tmp_path):
    """CSV and Parquet read back as the frame; infinities included."""
    export.write(filled, tmp_path)
    csv, parquet = (
        pd.read_csv(tmp_path / "leaderboard.csv"),
        pd.read_parquet(tmp_path / "leaderboard.parquet"),
    )
    assert list(csv.columns) == list(parquet.columns) == list(filled.frame.columns)
    assert list(csv.psnr) == list(parquet.psnr) == list(filled.frame.psnr)


def test_unknown_format_says_what_there_is(filled):
    """A mistyped format is a usage error."""
    with pytest.raises(UsageError, match="choose table, csv, markdown or latex"):
        export.text(filled, "latx")


def test_latex_tables_can_be_referred_to_and_read(make, results):
    """Each table has a label of its own, names without colons, its trainings and its protocol."""
    make("ct:angles=20", "unet:width=8,levels=3", 20.0)
    for epochs in (3, 5):
        make("ct:angles=30", "unet:width=8", 21.0, recipe=Recipe(epochs=epochs))
    tex = export.text(board(results), "latex")
    labels = re.findall(r"\\label\{(tab:ct-angles-\d0-on-photos-[0-9a-f]{4})\}", tex)
    assert len(set(labels)) == 2
    assert re.search(r"& unet \((levels 3, width 8|width 8, levels 3)\) &", tex)
    assert "ct (angles 20) on photos. Protocol unit." in tex
    assert "& unet (width 8; epochs=5) &" in tex
    assert "Rank & Method" in tex
    assert "Trainings" in tex
