"""Nothing is imported because it lies in the current folder."""

import os
import subprocess
import sys

#: Prints what Python itself has imported before a package's ``__main__`` begins.
PROBE = "import sys; print(*sys.modules)"
PACKAGES = ["torch", "numpy", "pandas", "rich", "typer", "click", "pydantic", "scipy", "matplotlib", "PIL",
            "operators", "models", "leaderboard", "sitecustomize", "usercustomize"]  # fmt: skip


def run(home, *words):
    """Run Python in a folder; what it says."""
    done = subprocess.run(
        [sys.executable, *words], cwd=home, capture_output=True, text=True, check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"}, timeout=150,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_as_a_module(tmp_path):
    """``python -m bench`` among files called like every module that Python has not loaded by then."""
    probe, home = tmp_path / "probe", tmp_path / "home"
    (probe / "probe").mkdir(parents=True)
    home.mkdir()
    (probe / "probe" / "__init__.py").touch()
    (probe / "probe" / "__main__.py").write_text(PROBE)
    own = set(run(probe, "-m", "probe").split())
    names = {name for name in sys.stdlib_module_names if name[:2] != "__"} | set(PACKAGES)
    for name in names - own:
        (home / f"{name}.py").write_text(f"open({str(tmp_path / 'caught')!r}, 'a').write({name!r})\n")
    assert len(names - own) > 250
    told = run(home, "-m", "bench", "run", "-o", "noise", "-m", "mean", "--no-baselines",
               "-d", "ellipses:size=16,train=4,test=4")  # fmt: skip
    assert "results/runs/" in told
    assert not (tmp_path / "caught").exists()
