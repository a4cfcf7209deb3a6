"""What is run: text forms, recipes, and fingerprints that change when the scores may."""

import copy
import json
import pickle
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import registry
from bench.component import Component, parse_chain
from bench.errors import UsageError
from bench.recipe import PRESETS, Recipe, override
from bench.runs.request import specify
from bench.sources import Source, source_digest
from bench.spec import RunSpec

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
        ("schedule", "linear"),
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
        replace(SPEC, problem_seed=1),
        replace(SPEC, protocol="luma"),
        replace(SPEC, metrics=(Component("nmse"),)),
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
    with pytest.raises(UsageError, match="choose adamw"):
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


@pytest.mark.parametrize("line", ["from helper import f", "import helper"])
def test_files_beside_a_file_count(tmp_path, line):
    """What a file given by path imports from its own folder is part of it, at any depth."""
    before = digest(tmp_path, line, helper="from deep import g", deep="g = 1")
    assert digest(tmp_path, line, helper="from deep import g", deep="g = 2") != before


IMPORTS = {
    "absolute": "from plug.deep.help import f",
    "module": "import plug.deep.help",
    "relative": "from .help import f",
    "from the package": "from . import help",
    "through another": "from ..through import f",
    "by its package": "from plug import deep",
}


@pytest.mark.parametrize("line", IMPORTS.values(), ids=IMPORTS)
def test_a_plug_ins_own_package_counts(tmp_path, line):
    """Every module of the package that is reached by import counts, others do not."""
    folder = tmp_path / "plug" / "deep"
    folder.mkdir(parents=True)
    (tmp_path / "plug" / "__init__.py").write_text("")
    (folder / "__init__.py").write_text("from plug.deep import help")
    (tmp_path / "plug" / "through.py").write_text("from plug.deep import help as f")
    (tmp_path / "other.py").write_text("x = 1")
    (folder / "mine.py").write_text(f"import other\n{line}")
    source = Source(folder / "mine.py", "plug.deep.mine")

    def after(path: Path, text: str) -> str:
        path.write_text(text)
        return source_digest(source)

    before = after(folder / "help.py", "f = 1")
    assert after(folder / "help.py", "f = 2") != before
    assert after(folder / "help.py", "f = 1") == before
    assert after(tmp_path / "other.py", "x = 2") == before


def test_files_that_parameters_name_count(tmp_path):
    """Other weights under the same path are another run; the same weights under another path are not."""

    def print_of(name: str, content: bytes, base: Path = tmp_path) -> str:
        path = base / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        return replace(SPEC, model=Component("unet", {"weights": str(path)})).fingerprint("", [])

    before = print_of("weights.pt", b"one")
    assert print_of("weights.pt", b"two!") != before
    assert print_of("weights.pt", b"one") == before
    assert print_of("moved.pt", b"one", tmp_path / "elsewhere") == before


def test_folders_that_parameters_name_count(tmp_path):
    """A folder stands for all files in it, their names and their content."""
    spec = replace(SPEC, model=Component("unet", {"weights": tmp_path / "w"}))
    (tmp_path / "w").mkdir()
    prints = []
    for name, text in (("a", "1"), ("a", "22"), ("b", "22")):
        (tmp_path / "w" / name).write_text(text)
        prints.append(spec.fingerprint("", []))
    assert len(set(prints)) == 3


def test_the_version_of_the_numbers_counts(monkeypatch):
    """When the harness computes other scores, old records are not taken for new ones."""
    before = SPEC.fingerprint("", [])
    monkeypatch.setattr("bench.spec.NUMBERS", 10**6)
    assert SPEC.fingerprint("", []) != before


def test_components_are_keys():
    """Equal components are one key, in whatever order their parameters were typed."""
    one = Component("ct", {"angles": 3, "span": [0, 180]})
    two = Component("ct", {"span": [0, 180], "angles": 3})
    assert {one: 1}[two] == 1
    assert one != Component("ct", {"angles": 4, "span": [0, 180]})
    assert pickle.loads(pickle.dumps(one)) == copy.deepcopy(one) == one


def test_a_component_cannot_be_changed():
    """Its parameters are read only: a key that changes is lost."""
    params = Component("ct", {"angles": 3}).params
    for change in (lambda: params.update(angles=4), lambda: params.__setitem__("angles", 4), params.clear):
        with pytest.raises(TypeError, match="make another component"):
            change()


@pytest.mark.parametrize("name", ["seed", "problem_seed"])
@pytest.mark.parametrize("seed", [-1, 2**63, 2**64])
def test_seeds_that_no_generator_takes(name, seed):
    """Refused where they are given, with the range."""
    with pytest.raises(UsageError, match=f"from 0 to {2**63 - 1}, not {seed}"):
        replace(SPEC, **{name: seed})


def test_a_seed_that_is_given_is_kept():
    """``seed=0`` is the default's value, and still not the same as leaving it to the harness."""
    kept = Component.parse("xor_ctr:seed=0").checked(registry.operators)
    assert kept.params == {"seed": 0}
    assert Component.parse("xor_ctr").checked(registry.operators).params == {}


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
