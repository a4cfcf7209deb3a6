"""The house: what a room shares with others has no underscore, what it took from others has its source."""

import ast
import re
from pathlib import Path

import pytest

from bench import registry

ROOT = Path(__file__).parents[1]
#: Folders, and the packages that they are imported as.
ROOMS = {"bench": "bench", "operators": "bench.operators", "models": "bench.models"}
ROOMS |= {"leaderboard": "bench.leaderboard"}


def private_imports(tree: ast.Module):
    """Package and name of everything with an underscore that a file imports from this project."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "bench":
            for name in (f"{node.module}.{alias.name}" for alias in node.names):
                parts = name.split(".")
                private = [i for i, part in enumerate(parts) if part.startswith("_") and part[1] != "_"]
                if private:
                    yield ".".join(parts[: private[0]]), name


@pytest.mark.parametrize("room", ROOMS)
def test_private_names_stay_in_their_room(room):
    """A module or function that begins with _ is imported by its neighbours in the same folder alone."""
    files = list((ROOT / room).rglob("*.py"))
    assert files
    strangers = []
    for file in files:
        inside = file.parent.relative_to(ROOT / room).parts
        package = ".".join([ROOMS[room], *inside])
        for home, name in private_imports(ast.parse(file.read_text(encoding="utf-8"))):
            if home != package:
                strangers.append(f"{file.relative_to(ROOT)} imports {name}")
    assert strangers == []


@pytest.mark.parametrize("name", sorted(set(registry.datasets.entries()) - {"folder", "leaves", "stack"}))
def test_a_dataset_of_others_says_where_it_is_from(name):
    """Its docstring, which a problem's page shows, names its home, so that a reader can get it."""
    assert re.search(r"https?://[a-z]", registry.datasets.find(name).outline.doc)
