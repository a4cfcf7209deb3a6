"""What the shell offers after Tab, as the shell asks for it."""

import os
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from bench.cli import app


def _offered(line: str) -> list[str]:
    """What fish is offered for a command line, its descriptions left out."""
    asked = {"_BENCH_COMPLETE": "complete_fish", "_TYPER_COMPLETE_ARGS": line}
    asked["_TYPER_COMPLETE_FISH_ACTION"] = "get-args"
    told = CliRunner().invoke(app, [], env=asked, prog_name="bench").output
    return [row.partition("\t")[0] for row in told.splitlines() if row]


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("bench run --operator xor_", ["xor_cbc", "xor_ctr"]),
        ("bench run --operator xor_ctr+noi", ["xor_ctr+noise"]),
        ("bench run -o ct -m learned_p", ["learned_primal_dual"]),
        ("bench run -d lodo", ["lodopab"]),
        ("bench run --metric haar", ["haarpsi"]),
        ("bench run --protocol lum", ["luma"]),
        ("bench list operat", ["operators"]),
        ("bench check pixel_g", ["pixel_gate"]),
        ("bench compare attention_u", ["attention_unet"]),
    ],
)
def test_names_of_components_are_completed(line, offered):
    """Each option offers what fits it; of a chain, its last part is completed."""
    assert _offered(line) == offered


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("bench run --operator ct:an", ["ct:angles=", "ct:angles=30"]),
        ("bench run --operator ct:angles=3", ["ct:angles=30"]),
        ("bench run --operator xor_ctr+noise:si", ["xor_ctr+noise:sigma="]),
        ("bench run -o ct -m unet:width=8,res", ["unet:width=8,residual=", "unet:width=8,residual=True"]),
        ("bench run -d folder:pa", ["folder:path="]),
        ("bench run -o ct:angles=30,angl", []),
        ("bench run -o nothing:an", []),
    ],
)
def test_parameters_are_completed(line, offered):
    """After a name and a colon its parameters are offered, those given left out; of one, its default too."""
    assert _offered(line) == offered


def test_parameters_of_an_own_file_are_read_not_run(tmp_path):
    """A file that has parameters of its own is not imported for Tab."""
    path = tmp_path / "own.py"
    path.write_text(
        "from bench import Operator\nraise SystemExit\n"
        "class Own(Operator):\n    def __init__(self, image_shape, strength=3): ..."
    )
    assert _offered(f"bench run -o {path}:st") == [f"{path}:strength=", f"{path}:strength=3"]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["run", "-o", "ct", ":", "an"], ["angles=", "angles=30"]),
        (["run", "--operator", "=", "ct", ":", "an"], ["angles=", "angles=30"]),
        (["run", "--operator", "="], None),
        (["run", "-o", "xor_ctr+noise", ":"], ["sigma=", "photons=", "salt_pepper=", "bits="]),
        (
            ["run", "-o", "ct:angles=15", "-m", "unet", ":", "width", "=", "8,res"],
            ["8,residual=", "8,residual=True"],
        ),
        (["run", "-o", "ct", ":", "angles", "=", "15", "-m", "pixel_g"], ["pixel_gate"]),
    ],
)
def test_bash_breaks_words_and_gets_their_last_part(words, offered):
    """Bash cuts words at ``:`` and ``=``, and puts what it is told in place of the last part alone."""
    asked = {"_BENCH_COMPLETE": "complete_bash", "COMP_CWORD": str(len(words))}
    asked["COMP_WORDS"] = "\n".join(["bench", *words])
    code = "import sys; sys.argv = ['bench']; from bench.cli import main; main()"
    told = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | asked, capture_output=True, text=True, check=True
    )
    found = told.stdout.split()
    assert "xor_ctr" in found if offered is None else found == offered


def test_names_of_recorded_runs_are_completed(tmp_path, monkeypatch):
    """Bench show offers the runs of the results folder, and not what a writer keeps beside them."""
    for name in ("0a1b", "0a2c", "ffff", ".0a3d-draft"):
        (tmp_path / "results" / "runs" / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert _offered("bench show 0a") == ["0a1b", "0a2c"]


def test_completion_needs_no_torch():
    """An answer to Tab comes at once: nothing heavy is imported for it."""
    asked = {"_BENCH_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": "bench run -o xor_"}
    code = (
        "import sys\nfrom bench.cli import app\ntry:\n    app(prog_name='bench')\n"
        "finally:\n    print('torch' in sys.modules, 'pandas' in sys.modules)"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | asked, capture_output=True, text=True, check=False
    )
    assert "xor_ctr" in told.stdout
    assert told.stdout.splitlines()[-1] == "False False"
