"""Parameters of components: checked and converted as their signatures say."""

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import registry
from bench.errors import UsageError
from bench.parameters import check_parameters, without_defaults


def thing(image_shape, size: int = 3, sigma: float = 0.5, name: str = "a", flag: bool = False,
          limit: int | None = None, previous=None, plain=1.5):  # fmt: skip
    """Stands for a component's constructor."""


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("size", "7", 7),
        ("sigma", "1e-3", 0.001),
        ("sigma", 2, 2.0),
        ("name", "7", "7"),
        ("flag", "true", True),
        ("flag", "no", False),
        ("limit", "none", None),
        ("limit", "4", 4),
        ("plain", "2", 2.0),
    ],
)
def test_text_becomes_the_annotated_type(key, text, value):
    """Also None, and the default's type where there is no annotation."""
    ((found_key, found),) = check_parameters(thing, "thing", {key: text}).items()
    assert (found_key, found, type(found)) == (key, value, type(value))


@pytest.mark.parametrize(
    ("key", "value"),
    [("size", "big"), ("size", "1.5"), ("sigma", ""), ("flag", "maybe"), ("limit", "x"), ("size", "none")],
)
def test_a_wrong_type(key, value):
    """The message names component, parameter and value, and shows what the component takes."""
    with pytest.raises(UsageError, match=rf"thing: {key}={value}: .*valid.* thing takes size=3, sigma=0.5"):
        check_parameters(thing, "thing", {key: value})


def test_all_problems_in_one_message():
    """Nobody has to repair a command line one word at a time."""
    with pytest.raises(UsageError, match=r"'sise' \(did you mean size\?\).*'zzz'.*flag=maybe"):
        check_parameters(thing, "thing", {"sise": "1", "flag": "maybe", "zzz": "1"})


@pytest.mark.parametrize("name", ["image_shape", "previous"])
def test_what_the_harness_gives_cannot_be_set(name):
    """The image shape comes from the dataset, not from the command line."""
    with pytest.raises(UsageError, match=f"no parameter '{name}'"):
        check_parameters(thing, "thing", {name: "1"})


def test_a_parameter_without_default():
    """It must be given."""
    with pytest.raises(UsageError, match="path has no default and must be given"):
        check_parameters(lambda path: None, "folder", {})


def test_any_parameter_where_the_thing_takes_any():
    """``**params`` are passed on as text."""
    assert check_parameters(lambda **params: None, "open", {"a": "1"}) == {"a": "1"}


def test_annotations_may_be_strings(tmp_path):
    """A plug-in with ``from __future__ import annotations`` is checked like any other."""
    path = tmp_path / "mine.py"
    path.write_text(
        "from __future__ import annotations\n"
        "from bench import Operator\n"
        "class Mine(Operator):\n"
        "    def __init__(self, image_shape: tuple[int, ...], strength: float = 1.0):\n"
        "        super().__init__(image_shape)\n"
        "    def forward(self, x, generator):\n"
        "        return x\n"
    )
    assert check_parameters(registry.operators.load(str(path)), "mine", {"strength": "2"}) == {
        "strength": 2.0
    }


@given(st.fixed_dictionaries({}, optional={"size": st.integers(0, 5), "flag": st.booleans()}))
def test_defaults_need_not_be_said(params):
    """What equals the default is left out, and nothing else."""
    left = without_defaults(thing, params)
    assert left == {k: v for k, v in params.items() if v != {"size": 3, "flag": False}[k]}


def test_a_choice_among_numbers_is_taken_from_text():
    """Numbers come as text from a command line; another number is refused with those there are."""

    def scanner(mode: Literal[1, 2, 3] = 2): ...

    assert check_parameters(scanner, "scanner", {"mode": "1"}) == {"mode": 1}
    assert check_parameters(scanner, "scanner", {"mode": 3}) == {"mode": 3}
    with pytest.raises(UsageError, match="mode=4: input should be 1, 2 or 3"):
        check_parameters(scanner, "scanner", {"mode": "4"})
