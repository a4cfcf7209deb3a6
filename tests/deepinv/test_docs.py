"""The page about deepinv in docs/ is executed, block after block."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "deepinv.md"


def test_the_page_runs(tmp_path, monkeypatch):
    """A reader who copies the blocks gets what they say, and nothing is left in the folder but the file."""
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    assert len(blocks) == 3
    names = {"__name__": "page"}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    assert names["Checkered"]((1, 8, 8)).linear
    assert (tmp_path / "pairs.h5").is_file()


@pytest.mark.parametrize("name", ["deepinv.Blur", "deepinv.TVDenoiser", "deepinv.VarNet", "deepinv.DPIR"])
def test_names_on_the_page(name):
    """What the page names can be named."""
    from bench import registry

    assert name in [*registry.operators.members("deepinv"), *registry.models.members("deepinv")]
    assert name in PAGE.read_text(encoding="utf-8")
