"""What is run: text forms, recipes, and fingerprints that change when the scores may."""

import json
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import registry
from bench.errors import UsageError
from bench.runs.request import specify
from bench.spec import PRESETS, Component, Recipe, RunSpec, override, parse_chain, source_digest

names = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
values = st.one_of(
    st.integers(-1000, 1000), st.floats(-1e6, 1e6), st.from_regex(r"[a-z0-9./ -]{1,9}", fullmatch=True)
)
components = st.builds(Component, names, st.dictionaries(names, values, max_size=3))

SPEC = RunSpec(
    operator=(Component("xor_ctr"), Component("noise", {"sigma": 0.01})),
    model=Component("unet", {"width": 8}),
    dataset=Component("photos", {"size": 16}),
    recipe=Recipe(),
)


@given(components)
def test_a_component_reads_what_it_writes(component):
    """Names and parameters survive the text form; types are checked later, by the signature."""
    read = Component.parse(str(component))
    assert read.name == component.name
    assert dict(read.params) == {k: str(v).strip() for k, v in component.params.items()}


@given(st.lists(components, min_size=1, max_size=3))
def test_a_chain_reads_what_it_writes(chain):
    """Operators from left to right, whatever their parameters; 1e+06 is a number, not a chain."""
    read = parse_chain("+".join(map(str, chain)))
    assert [part.name for part in read] == [part.name for part in chain]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ct", Component("ct")),
        (" ct ", Component("ct")),
        ("ct:angles=30,detectors=95", Component("ct", {"angles": "30", "detectors": "95"})),
        ("./my_operator.py:strength=3", Component("./my_operator.py", {"strength": "3"})),
        ("folder:path=a,b/c", Component("folder", {"path": "a,b/c"})),
        ("folder:path=C=1", Component("folder", {"path": "C=1"})),
        ("noise:", Component("noise")),
    ],
)
def test_text_forms(text, expected):
    """A comma separates parameters only where a key follows; values may hold = and commas."""
    assert Component.parse(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "names nothing"),
        (":sigma=1", "names nothing"),
        ("noise:sigma", "'sigma' is not key=value"),
        ("noise:=1", "'=1' is not key=value"),
        ("noise:sigma=1,photons", "sigma=1,photons"),
        ("noise:sigma=1,sigma=2", "sigma is given twice"),
    ],
)
def test_bad_text(text, message):
    """The message quotes what could not be read."""
    with pytest.raises(UsageError, match=message):
        Component.parse(text).checked(registry.operators)


@pytest.mark.parametrize("text", ["", "+", "ct+", "+ct", "ct++noise"])
def test_a_chain_with_a_gap(text):
    """A chain that begins or ends with + is not taken for a shorter one."""
    with pytest.raises(UsageError):
        [part.checked(registry.operators) for part in parse_chain(text)]


def test_labels_do_not_show_where_a_file_lies():
    """Tables show a plug-in by its file's name."""
    assert Component("/home/me/my_operator.py", {"a": 1}).label == "my_operator:a=1"


def test_presets_fill_in_what_a_component_takes():
    """The preset's values go to whoever has such a parameter; what the user says goes first."""
    paper = PRESETS["paper"].parameters
    photos = Component.parse("photos:test=7").checked(registry.datasets, paper)
    assert photos.params == {"size": 96, "train": 90_000, "test": 7}
    assert Component.parse("mean").checked(registry.models, paper).params == {}


def test_presets_do_not_reach_operators(plugin):
    """A parameter of an operator that happens to be called size stays what its author made it."""
    code = "def __init__(self, image_shape, size: int = 3):\n        super().__init__(image_shape)\n"
    path = plugin(
        "sized",
        f"from bench import Operator\n\nclass Sized(Operator):\n    {code}"
        "    def forward(self, x, generator):\n        return x\n",
    )
    assert specify(path, "mean", "photos", preset="paper").operator[0].params == {}


def test_the_paper_preset_is_the_papers():
    """Width 64 on 96x96, Adam at 2e-3, batch 32, 35 epochs, MSE, constant rate (section III)."""
    recipe = PRESETS["paper"].recipe
    assert (recipe.epochs, recipe.batch_size, recipe.lr) == (35, 32, 2e-3)
    assert (recipe.optimizer, recipe.loss, recipe.schedule) == ("adam", "mse", "constant")
    assert PRESETS["paper"].parameters == {
        "size": 96,
        "width": 64,
        "residual": False,
        "train": 90_000,
        "test": 10_000,
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0),
        ("batch_size", 0),
        ("lr", 0.0),
        ("lr", -1.0),
        ("lr", float("nan")),
        ("lr", float("inf")),
        ("weight_decay", -0.1),
        ("clip", -1.0),
        ("clip", float("nan")),
        ("ema", 1.0),
        ("ema", -0.5),
        ("patience", -1),
        ("optimizer", "sgd"),
        ("schedule", "linear"),
        ("loss", "l3"),
        ("precision", "float8"),
    ],
)
def test_bad_recipes(name, value):
    """A value that cannot work is refused before anything is loaded, with its name and what would do."""
    with pytest.raises(UsageError, match=rf"{name}.*{value}"):
        override(Recipe(), {name: value})


def test_what_is_not_given_is_not_changed():
    """None stands for an option that was left out."""
    assert override(Recipe(), {"epochs": None, "lr": 1e-3}) == Recipe(lr=1e-3)


def test_the_fingerprint_covers_all_that_can_change_the_scores():
    """Each change gives another fingerprint; a path and a dataset's folder do not matter by themselves."""
    changed = [
        replace(SPEC, operator=SPEC.operator[:1]),
        replace(SPEC, operator=SPEC.operator[::-1]),
        replace(SPEC, operator=(SPEC.operator[0], Component("noise", {"sigma": 0.02}))),
        replace(SPEC, model=Component("unet")),
        replace(SPEC, model=Component("attention_unet", {"width": 8})),
        replace(SPEC, seed=1),
        replace(SPEC, device="cuda"),
        replace(SPEC, recipe=None),
    ]
    prints = [spec.fingerprint("images", ["a", "b", "c"]) for spec in [SPEC, *changed]]
    prints += [SPEC.fingerprint("other images", ["a", "b", "c"]), SPEC.fingerprint("images", ["a", "b", "d"])]
    assert len(set(prints)) == len(prints)
    elsewhere = replace(SPEC, dataset=Component("folder", {"path": "elsewhere"}))
    assert elsewhere.fingerprint("images", ["a", "b", "c"]) == prints[0]


@pytest.mark.parametrize("field", [f.name for f in fields(Recipe)])
def test_the_fingerprint_covers_the_recipe(field):
    """Every value of the recipe counts."""
    words = {"optimizer": "adamw", "schedule": "cosine", "loss": "l1", "precision": "bfloat16"}
    other = {int: 7, float: 0.5, bool: True}[type(getattr(Recipe(), field))] if field not in words else ""
    plain = Recipe(optimizer="adamw") if field == "weight_decay" else Recipe()
    recipe = replace(plain, **{field: words.get(field, other)})
    prints = [replace(SPEC, recipe=r).fingerprint("", []) for r in (plain, recipe)]
    assert prints[0] != prints[1]


def test_weight_decay_without_effect():
    """Adam has no decoupled weight decay: given one, it would be ignored and yet change the run's name."""
    with pytest.raises(UsageError, match="adamw only"):
        Recipe(weight_decay=0.1)


def test_a_fingerprint_names_a_folder():
    """16 hexadecimal digits, the same in every process."""
    assert SPEC.fingerprint("images", ["a"]) == SPEC.fingerprint("images", ["a"])
    assert len(SPEC.fingerprint("", [])) == 16
    assert int(SPEC.fingerprint("", []), 16) >= 0


def test_a_spec_is_json():
    """Everything in it can be written down."""
    assert json.loads(json.dumps(SPEC.to_json()))["operator"][1]["params"] == {"sigma": 0.01}


def digest(tmp_path: Path, text: str, **helpers: str) -> str:
    """Digest of a file with private helpers beside it."""
    for name, helper in helpers.items():
        (tmp_path / f"{name}.py").write_text(helper)
    (tmp_path / "mine.py").write_text(text)
    return source_digest(tmp_path / "mine.py")


def test_comments_and_docstrings_do_not_count(tmp_path):
    """A record stays valid when only words changed."""
    plain = digest(tmp_path, "class A:\n    x = 1\n")
    assert digest(tmp_path, '"""Doc."""\nclass A:  # why\n    """Doc."""\n\n    x = (1)\n') == plain
    assert digest(tmp_path, "class A:\n    x = 2\n") != plain


def test_an_operator_made_of_another_counts_it():
    """Denoising is the noise operator at one setting: a change of either is another run."""
    room = Path(registry.operators.find("denoising").path).parent
    alone = source_digest(room / "denoising.py")
    noise = (room / "noise.py").read_text(encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        read = Path.read_text
        changed = lambda path, **how: noise + "\nX = 1\n" if path.name == "noise.py" else read(path, **how)  # noqa: E731
        patch.setattr(Path, "read_text", changed)
        assert source_digest(room / "denoising.py") != alone


@pytest.mark.parametrize(
    "line", ["from bench.operators._help import f", "import bench.operators._help", "from _help import f"]
)
def test_private_helpers_count(tmp_path, line):
    """Code in a private file beside it counts as its own, at any depth."""
    before = digest(tmp_path, line, _help="from _deep import g", _deep="g = 1")
    assert digest(tmp_path, line, _help="from _deep import g", _deep="g = 2") != before


def test_helpers_that_import_each_other(tmp_path):
    """A circle of imports comes to an end."""
    assert digest(tmp_path, "import _a", _a="import _b", _b="import _a")


def test_helpers_of_other_rooms_count(tmp_path, monkeypatch):
    """A model that computes with an operator's helper changes when that helper does."""
    monkeypatch.setattr("bench.__path__", [str(tmp_path)])
    for room in ("models", "operators"):
        (tmp_path / room).mkdir()
    helper = tmp_path / "operators" / "help.py"
    helper.write_text("f = 1")
    before = digest(tmp_path / "models", "from bench.operators.help import f")
    helper.write_text("f = 2")
    assert digest(tmp_path / "models", "from bench.operators.help import f") != before
