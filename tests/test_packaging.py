"""What is installed: the wheel's contents, and plug-ins from packages of other people."""

import ast
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = {"bench": "bench", "operators": "bench/operators", "models": "bench/models",
         "leaderboard": "bench/leaderboard"}  # fmt: skip

PLUGIN = {
    "pyproject.toml": """
        [build-system]
        requires = ["setuptools"]
        build-backend = "setuptools.build_meta"
        [project]
        name = "acme-plugin"
        version = "1.0"
        [project.entry-points."bench.operators"]
        acme_negative = "acme_plugin.operator:Negative"
        [project.entry-points."bench.models"]
        acme_network = "acme_plugin.model:acme_network"
        [project.entry-points."bench.datasets"]
        acme_stripes = "acme_plugin.dataset"
        [project.entry-points."bench.metrics"]
        acme_bias = "acme_plugin.metric:Bias"
        [tool.setuptools]
        packages = ["acme_plugin"]
    """,
    "acme_plugin/__init__.py": "",
    "acme_plugin/operator.py": '''
        from bench import Operator

        class Negative(Operator):
            """Photographic negative: y = strength (1 - x)."""
            def __init__(self, image_shape, strength: float = 1.0):
                super().__init__(image_shape)
                self.strength = strength
            def forward(self, x, generator):
                return self.strength * (1 - x)
    ''',
    "acme_plugin/model.py": '''
        from torch import nn

        def acme_network(in_channels, out_channels):
            """One convolution."""
            return nn.Conv2d(in_channels, out_channels, 3, padding=1)
    ''',
    "acme_plugin/metric.py": '''
        from bench import Metric

        class Bias(Metric):
            """Difference of the mean values."""
            unit = "grey levels"
            higher_is_better = False
            def __call__(self, image, truth, *, y, operator, noise, data_range):
                return 255 * (image - truth).flatten(1).mean(1).abs()
    ''',
    "acme_plugin/dataset.py": '''
        import torch
        from bench import Dataset
        from bench.datasets import Splits

        class Stripes(Dataset):
            """Vertical stripes."""
            def load(self):
                stripes = (torch.arange(24 * 256).view(24, 1, 1, 256) % 251).expand(24, 1, 16, 256)
                images = stripes[..., ::16].to(torch.uint8).contiguous()
                return Splits(images[:16], images[16:])
    ''',
}


def python(*arguments, path="", cwd=None):
    """Run Python in a process of its own; its output."""
    found = os.pathsep.join(filter(None, [str(path), *sys.path]))
    command = [sys.executable, *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": found}
    done = subprocess.run(command, check=False, cwd=cwd, env=environment, text=True, capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def install(source, target):
    """Install a package into a folder, without network."""
    python("-m", "pip", "install", "--quiet", "--no-build-isolation", "--no-deps", "--no-index",
           "--target", target, source)  # fmt: skip


def git(folder, *words):
    """Run git, as somebody, in a folder; its output."""
    who = {f"GIT_{role}_{what}": "a@b.c" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    done = subprocess.run(
        ["git", *words], check=True, cwd=folder, env=os.environ | who, text=True, capture_output=True
    )
    return done.stdout.strip()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from the source archive, which is built from a shallow clone of a copy."""
    folder = tmp_path_factory.mktemp("build")
    ignored = shutil.ignore_patterns(".*", "build", "dist", "*.egg-info", "__pycache__", "results", "data")
    shutil.copytree(ROOT, folder / "source", ignore=ignored)
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
        git(folder / "source", *words)
    git(folder, "clone", "-q", "--depth", "1", (folder / "source").as_uri(), "clone")
    python("-m", "build", "--no-isolation", "--outdir", folder / "dist", folder / "clone", cwd=folder)
    (found,) = (folder / "dist").glob("*.whl")
    return found


def test_all_code_is_in_the_wheel(wheel):
    """Every module of every room, subpackages included, and only those: no tests, no stray folders."""
    expected = {
        f"{inside}/{file.relative_to(ROOT / room).as_posix()}"
        for room, inside in ROOMS.items()
        for file in (ROOT / room).rglob("*.py")
    }
    names = zipfile.ZipFile(wheel).namelist()
    assert {name for name in names if name.endswith(".py")} == expected
    assert {name.partition("/")[0] for name in names} == {
        "bench",
        "-".join(wheel.name.split("-")[:2]) + ".dist-info",
    }


def test_the_installed_wheel_lists_its_rooms(wheel, tmp_path):
    """Installed, operators and models lie inside the package, and are found there."""
    install(wheel, tmp_path / "site")
    code = "from bench import operators, registry; print(operators.__file__, *registry.operators.entries())"
    told = python("-c", code, path=tmp_path / "site", cwd=tmp_path)
    assert told.split()[0] == str(tmp_path / "site" / "bench" / "operators" / "__init__.py")
    assert set(told.split()[1:]) == {file.stem for file in (ROOT / "operators").glob("[!_]*.py")}


def test_the_installed_wheel_knows_its_commit(wheel, tmp_path):
    """Its version has it, and so has what a record says of its origin, though no git folder is near."""
    install(wheel, tmp_path / "site")
    code = "import bench; from bench.runs.provenance import _commit; print(bench.__version__, _commit())"
    version, said = python("-c", code, path=tmp_path / "site", cwd=tmp_path).strip().split(" ", 1)
    commit = git(wheel.parent.parent / "clone", "rev-parse", "HEAD")
    found = ast.literal_eval(said)
    assert version.endswith(f"+g{found['commit']}")
    assert commit.startswith(found["commit"])
    assert found["dirty"] is False


def test_the_version_of_a_copy_without_git(tmp_path):
    """What ``git archive`` makes, or a download of the files, can be installed too."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    assert python("-m", "setuptools_scm", "-c", tmp_path / "pyproject.toml", cwd=tmp_path).strip() == "0.1.0"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder with an installed package that plugs in an operator, a model, a dataset and a metric."""
    folder = tmp_path_factory.mktemp("acme")
    for name, text in PLUGIN.items():
        lines = [line.removeprefix("        ") for line in text.splitlines()]
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("\n".join(lines).lstrip("\n") + "\n")
    install(folder, folder / "site")
    return folder / "site"


def test_plugins_are_listed(site, tmp_path):
    """``bench list`` shows them beside those that ship, with the first line of their docstrings."""
    told = python("-m", "bench", "list", path=site, cwd=tmp_path)
    for name, summary in (
        ("acme_negative", "Photographic negative"),
        ("acme_network", "One convolution."),
        ("acme_stripes", "Vertical stripes."),
        ("acme_bias", "Difference of the mean values."),
    ):
        assert any(name in line and summary in line for line in told.splitlines()), told


def test_plugins_run_by_name(site, tmp_path):
    """Operator, model, dataset and metric of another package, in one run from the command line."""
    told = python(
        "-m", "bench", "run", "--operator", "acme_negative:strength=0.5+noise:sigma=0.01", "--model",
        "acme_network", "--dataset", "acme_stripes", "--metric", "acme_bias", "--epochs", "1",
        "--device", "cpu",
        path=site, cwd=tmp_path,
    )  # fmt: skip
    assert "acme_network" in told
    records = [file.read_text() for file in tmp_path.glob("results/runs/*/record.json")]
    assert any('"acme_network"' in record and '"status": "ok"' in record for record in records)
    assert all(json.loads(record)["metrics"]["acme_bias"]["unit"] == "grey levels" for record in records)
