"""Suite files that are wrong: refused before anything is trained, naming the file and what is wrong in it."""

import os
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.errors import UsageError
from bench.sweeps.suite import load

#: Suites tried.
MANY = 5_000 if os.environ.get("BENCH_HOSTILE") == "large" else 200
BLOCK = '[[runs]]\noperators = ["noise"]\nmodels = ["mean"]\ndataset = "ellipses:size=16,train=4,test=4"\n'
HEAD = 'title = "x"\n'
SUITES = {
    "no seeds": (HEAD + "seeds = []\n" + BLOCK, "seeds: "),
    "no seeds in a block": (HEAD + BLOCK + "seeds = []\n", "runs.0.seeds: "),
    "a seed too large": (HEAD + f"seeds = [{2**64}]\n" + BLOCK, "a seed is from 0 to"),
    "all blocks left out": (
        HEAD
        + '[[runs]]\noperators = ["noise"]\nmodels = ["mean"]\noptional = true\ndataset = "folder:path=no"\n',
        "nothing is left to run: left out noise on folder:path=no: .*does not exist",
    ),
    "deep nesting": (HEAD + "x = " + "[" * 20_000, "nested too deeply"),
    "a number without end": (HEAD + f"seeds = [{'9' * 5000}]\n" + BLOCK, "is not a suite"),
    "a misspelt recipe key, nothing trained": (HEAD + BLOCK + "recipe = {epoch = 3}\n", "'epoch'.* epochs"),
    "a figure of another operator": (
        HEAD + BLOCK + '[[figures]]\nname = "a"\ntitle = "t"\noperator = "ct"\nmodels = ["mean"]\n',
        "'t' shows operator ct, which no block of the suite runs",
    ),
    "a figure of another model": (
        HEAD + BLOCK + '[[figures]]\nname = "a"\ntitle = "t"\noperator = "noise"\nmodels = ["unet"]\n',
        "'t' shows model unet, which no block of the suite runs there",
    ),
    "a row of another model": (
        HEAD
        + BLOCK.replace("mean", "unet:width=4")
        + '[table]\nrows = [{title = "r", model = "unet:width=5"}]\n'
        'columns = [{title = "c", operator = "noise"}]\n',
        "'r' shows model unet:width=5, which no block of the suite runs there",
    ),
    "a column of another operator": (
        HEAD + BLOCK + '[table]\nrows = []\ncolumns = [{title = "c", operator = "ct"}]\n',
        "'c' shows operator ct, which no block of the suite runs",
    ),
    "a figure elsewhere": (
        HEAD + BLOCK + '[[figures]]\nname = "../a"\ntitle = "t"\noperator = "noise"\nmodels = ["mean"]\n',
        "figures.0.name",
    ),
    "binary": (b"\xff\xfe\x00", "not a TOML file"),
    "empty": ("", "title: .*required"),
    "names nothing": (HEAD + BLOCK.replace("noise", ":"), "names nothing|no block"),
}


@pytest.mark.parametrize(("text", "message"), SUITES.values(), ids=SUITES)
def test_a_wrong_suite(attack, text, message):
    """Exit code 2 and what is wrong; nothing is recorded."""
    Path("mine.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
    code, said = attack(["run", "mine.toml"])
    assert code == 2, said
    assert re.search(message, said), said
    assert not Path("results").exists()


def test_one_parameter_written_in_two_ways(attack):
    """``sigma=1e-2`` in the table is the run of ``sigma=0.01``: no empty cell; of a model likewise."""
    table = '[table]\nrows = [{title = "TV", model = "tv:weight=5e-2,iterations=5"}]\n'
    table += 'columns = [{title = "c", operator = "noise:sigma=1e-2"}]\n'
    block = '[[runs]]\noperators = ["noise:sigma=0.01"]\nmodels = ["tv:iterations=5,weight=0.05"]\n'
    block += "baselines = false\n"
    data = 'dataset = "ellipses:size=16,train=4,test=4"\n'
    Path("mine.toml").write_text(HEAD + data + block + table)
    code, said = attack(["run", "mine.toml"])
    assert code == 0, said
    (row,) = re.findall(r"\| TV \|(.*)\|", Path("results/suites/mine/table.md").read_text())
    assert "-" not in row


KEYS = st.sampled_from(
    ["title", "seeds", "dataset", "preset", "runs", "operators", "models", "recipe", "table", "figures",
     "columns", "rows", "name", "operator", "x"]
)  # fmt: skip
SIMPLE = st.one_of(
    st.integers(), st.booleans(), st.floats(), st.text(st.characters(codec="utf-8"), max_size=5)
)


def _toml(value):
    """A value as TOML writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return "'''" + re.sub(r"['\x00-\x08\x0b-\x1f\x7f]", "", value) + "'''"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k} = {_toml(v)}" for k, v in value.items()) + "}"
    return repr(value)


TREES = st.recursive(
    SIMPLE,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=12,
)


@settings(max_examples=MANY, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(KEYS, TREES, max_size=6), st.integers(0, 400))
def test_any_suite_is_read_or_refused(tmp_path, content, cut):
    """Whatever types stand in it, and wherever it is cut off: a suite, or one error of the caller's."""
    path = tmp_path / "mine.toml"
    text = "".join(f"{key} = {_toml(value)}\n" for key, value in content.items())
    for written in (text, text[:cut]):
        path.write_text(written, encoding="utf-8")
        try:
            assert load(str(path)).runs
        except UsageError:
            continue
