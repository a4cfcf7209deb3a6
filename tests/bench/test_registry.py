"""Names: where they are found, what is imported, and what is said when something is wrong."""

import inspect
import subprocess
import sys
import textwrap
from importlib.metadata import EntryPoint

import pytest

from bench import registry
from bench.component import Component
from bench.errors import UsageError
from bench.registry import Registry, is_path

OPERATOR = '''
from bench import Operator

class {name}(Operator):
    """{summary}"""
    def forward(self, x, generator):
        return x
'''


def operator(path, name="Mine", summary="An operator."):
    """A file with one operator."""
    path.write_text(OPERATOR.format(name=name, summary=summary))
    return path


@pytest.fixture
def room(tmp_path, monkeypatch):
    """A registry of operators with a room of its own, and without plug-ins."""
    folder = tmp_path / "a_room_of_tests"
    folder.mkdir()
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("bench.registry.entry_points", lambda group: [])
    made = Registry("operator", "a_room_of_tests", "bench.operators:Operator")
    yield made
    for name in [name for name in sys.modules if name.startswith("a_room_of_tests")]:
        del sys.modules[name]


def plug_in(monkeypatch, name, value, group="a_room_of_tests"):
    """Pretend that a package with this entry point is installed."""
    point = EntryPoint(name, value, group)
    monkeypatch.setattr("bench.registry.entry_points", lambda group: [point])


def test_names_are_file_names(room):
    """Every public file of the room is a name, with the first line of its docstring."""
    operator(room.room / "first.py", summary="One line.\n\n    More.")
    operator(room.room / "_private.py")
    (room.room / "notes.txt").write_text("mine")
    assert {name: entry.summary for name, entry in room.entries().items()} == {"first": "One line."}


def test_listing_imports_nothing(room):
    """A file that cannot even be imported is listed; nothing is run to list it."""
    (room.room / "bad.py").write_text("raise RuntimeError\n")
    (room.room / "worse.py").write_text("def (\n")
    assert [entry.summary for entry in room.entries().values()] == ["", ""]


def test_bench_itself_lists_without_torch():
    """``bench list`` answers at once: names and summaries of all rooms, and torch is not imported."""
    code = """
        import sys
        from bench import registry
        for room in (registry.operators, registry.models, registry.datasets):
            for entry in room.entries().values():
                assert entry.summary, entry
        assert "torch" not in sys.modules
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)


def test_a_name_of_the_room(room):
    """It is imported as a module of the room's package."""
    operator(room.room / "first.py", "First")
    assert room.load("first").__name__ == "First"
    assert "a_room_of_tests.first" in sys.modules


def test_a_path(room, tmp_path, monkeypatch):
    """A file anywhere, absolute or relative, is a name too."""
    operator(tmp_path / "mine.py", "Mine")
    monkeypatch.chdir(tmp_path)
    for path in (str(tmp_path / "mine.py"), "./mine.py", "mine.py"):
        assert room.load(path).__name__ == "Mine"


def test_a_path_is_loaded_once_until_it_changes(room, tmp_path):
    """Two uses of a file share its class; an edited file is read again."""
    path = str(operator(tmp_path / "mine.py", "Before"))
    assert room.load(path) is room.load(path)
    operator(tmp_path / "mine.py", "After")
    assert room.load(path).__name__ == "After"


def test_a_missing_file(room):
    """The message names the file, not an unknown operator."""
    with pytest.raises(UsageError, match=r"no such operator file: \./none\.py"):
        room.load("./none.py")


@pytest.mark.parametrize(
    ("name", "path"), [("xor_ctr", False), ("my.py", True), ("./my", True), ("a/b", True), ("~/x.py", True)]
)
def test_what_is_a_path(name, path):
    """A name is a file if it says so: by its ending or by a folder in it."""
    assert is_path(name) is path


def test_an_unknown_name(room):
    """What is near, what there is, and that a path would do."""
    operator(room.room / "deblurring.py")
    operator(room.room / "ct.py")
    with pytest.raises(
        UsageError, match=r"unknown operator 'debluring'\. Did you mean deblurring\?"
    ) as caught:
        room.load("debluring")
    assert "There are: ct, deblurring; or give the path of a .py file." in str(caught.value)


def test_summary_is_the_thing_s_not_its_helper_s():
    """`bench list` says what the class is that is registered, for every file of the rooms."""
    for room in (registry.operators, registry.models, registry.datasets):
        for name, entry in room.entries().items():
            documented = inspect.getdoc(room.load(name)) or ""
            assert entry.summary == documented.splitlines()[0], name


TWO = OPERATOR.format(name="A", summary="") + OPERATOR.format(name="B", summary="")
BAD_FILES = {
    "none": ("x = 1", "an operator file holds one class derived from bench.Operator; found none"),
    "empty": ("", "found none"),
    "two": (
        OPERATOR.format(name="A", summary="") + OPERATOR.format(name="B", summary=""),
        r"found 2 \(A, B\)",
    ),
    "only imported": ("from bench import Operator", "found none"),
    "abstract": ("from bench import Operator\nclass A(Operator):\n    pass", "A does not define forward"),
    "raises": ("x = 1\nx / 0", r"bad\.py, line 2: raised ZeroDivisionError on import: division by zero"),
    "raises inside": ("def f():\n    raise KeyError('k')\n\nf()", r"line 2: raised KeyError on import: 'k'"),
    "syntax": ("x = 1\ndef (", r"bad\.py, line 2: raised SyntaxError"),
    "exits": ("import sys\nsys.exit(3)", "line 2: raised SystemExit on import: 3"),
    "missing package": ("import a_package_that_is_not_there", "line 1: raised ModuleNotFoundError"),
    "binary": (b"\x00\xff\xfe", r"bad\.py.*: raised \w+ on import"),
}


@pytest.mark.parametrize(("content", "message"), BAD_FILES.values(), ids=BAD_FILES.keys())
@pytest.mark.parametrize("inside", [True, False], ids=["room", "path"])
def test_a_file_that_cannot_be_used(room, tmp_path, content, message, inside):
    """Each failure is one message with the file and, where there is one, the line."""
    path = (room.room if inside else tmp_path) / "bad.py"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UsageError, match=message):
        room.load("bad" if inside else str(path))


def test_a_failed_import_may_be_mended(room, tmp_path):
    """After an error, the corrected file is loaded in the same process."""
    path = tmp_path / "mine.py"
    path.write_text("1 / 0")
    with pytest.raises(UsageError):
        room.load(str(path))
    operator(path)
    assert room.load(str(path)).__name__ == "Mine"


def test_helpers_beside_the_operator(room, tmp_path):
    """Private classes, functions and an own abstract base do not count as second operators."""
    operator(tmp_path / "mine.py", "Mine")
    with (tmp_path / "mine.py").open("a") as file:
        file.write("class _Helper(Mine):\n    pass\n\ndef helper():\n    pass\n")
        file.write("from bench.operators import Operator\nclass Base(Operator):\n    pass\n")
    assert room.load(str(tmp_path / "mine.py")).__name__ == "Mine"


def test_an_entry_point(room, tmp_path, monkeypatch):
    """A plug-in's class, or its module with one class, is found by the name it registers."""
    operator(tmp_path / "a_room_of_tests_plugin.py", "Theirs", "From a plug-in.")
    for value in ("a_room_of_tests_plugin:Theirs", "a_room_of_tests_plugin"):
        plug_in(monkeypatch, "theirs", value)
        assert room.load("theirs").__name__ == "Theirs"
        assert room.entries()["theirs"].summary == "From a plug-in."


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("a_package_that_is_not_there:X", "raised ModuleNotFoundError"),
        ("json:Missing", "raised AttributeError"),
        ("json:dumps", "is not an operator"),
        ("json", "found none"),
    ],
)
def test_a_broken_entry_point(room, monkeypatch, value, message):
    """A broken plug-in is listed, and named when it is used; the others work."""
    operator(room.room / "first.py", "First")
    plug_in(monkeypatch, "theirs", value)
    assert list(room.entries()) == ["first", "theirs"]
    assert room.load("first").__name__ == "First"
    with pytest.raises(UsageError, match=f"{value}.*{message}"):
        room.load("theirs")


def test_two_things_with_one_name(room, monkeypatch):
    """The message says where both live; a path still works."""
    path = operator(room.room / "first.py", "First")
    plug_in(monkeypatch, "first", "theirs:X")
    with pytest.raises(UsageError, match=r"two operators are called 'first': .*first\.py and theirs:X"):
        room.load("first")
    assert room.load(str(path)).__name__ == "First"


def test_a_collision_in_an_unused_name(room, monkeypatch):
    """It breaks neither the list nor the other names."""
    operator(room.room / "first.py", "First")
    operator(room.room / "other.py", "Other")
    plug_in(monkeypatch, "first", "theirs:X")
    assert list(room.entries()) == ["first", "other"]
    assert room.load("other").__name__ == "Other"


FAMILY = """
from bench import Operator

packages = ("pytest",)

def members():
    return ["Blur", "Radon"]

def member(name):
    class Made(Operator):
        '''Theirs.'''
        def __init__(self, image_shape, width: int = 2):
            super().__init__(image_shape)
        def forward(self, x, generator):
            return x
    Made.__name__ = name
    return {"Blur": Made, "Radon": int}[name]
"""


@pytest.fixture
def family(room, tmp_path, monkeypatch):
    """A plug-in that offers many operators by one entry point."""
    (tmp_path / "a_room_of_tests_family.py").write_text(FAMILY)
    plug_in(monkeypatch, "theirs", "a_room_of_tests_family")
    return room


def test_a_member_of_a_family(family):
    """``family.Name`` is the class that the plug-in makes; the family is no operator by itself."""
    assert list(family.entries()) == []
    assert list(family.families()) == ["theirs"]
    assert family.members("theirs") == ["theirs.Blur", "theirs.Radon"]
    assert family.load("theirs.Blur").__name__ == "Blur"
    assert Component.parse("theirs.Blur:width=3").checked(family).params == {"width": 3}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("theirs", "theirs offers many operators; name one of them: theirs.Blur, theirs.Radon"),
        ("theirs.Blurr", r"unknown operator 'theirs.Blurr'\. Did you mean theirs.Blur\?"),
        ("theirs.Radon", "<class 'int'> is not an operator"),
        ("others.Blur", "unknown operator 'others.Blur'"),
    ],
)
def test_no_member_of_a_family(family, name, message):
    """What is wrong with the name, or with what the plug-in made of it."""
    with pytest.raises(UsageError, match=message):
        family.load(name)


def test_a_plain_operator_has_no_members(room):
    """A dot after a name that is no family is an unknown name."""
    operator(room.room / "first.py", "First")
    with pytest.raises(UsageError, match=r"unknown operator 'first\.Blur'"):
        room.load("first.Blur")


def test_the_version_behind_a_family_counts(family, monkeypatch):
    """What a member computes is in the package it wraps, not in the adapter's file alone."""
    before = family.digest("theirs.Blur")
    monkeypatch.setattr("importlib.metadata.version", lambda package: "0.0.0")
    assert family.digest("theirs.Blur") != before


def test_an_entry_point_shows_its_own_summary(room, tmp_path, monkeypatch):
    """Of several things in a module, the one that the entry point names; the module is not imported."""
    path = tmp_path / "a_room_of_tests_plugin.py"
    path.write_text(
        OPERATOR.format(name="Mine", summary="First.") + OPERATOR.format(name="Other", summary="Second.")
        + "def build():\n    '''Third.'''\nraise RuntimeError\n"
    )  # fmt: skip
    for name, summary in (("Mine", "First."), ("Other", "Second."), ("build", "Third.")):
        plug_in(monkeypatch, "theirs", f"a_room_of_tests_plugin:{name}")
        assert room.entries()["theirs"].summary == summary


def test_listing_imports_no_package(room, tmp_path, monkeypatch):
    """A plug-in's package, which might import torch, is not imported to read what its module says."""
    package = tmp_path / "a_room_of_tests_package"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError")
    operator(package / "deep.py", summary="Deep.")
    plug_in(monkeypatch, "theirs", "a_room_of_tests_package.deep:Mine")
    assert room.entries()["theirs"].summary == "Deep."


def test_what_a_person_mistypes_is_found_without_torch():
    """Names and parameters are looked up before anything is imported that takes seconds."""
    code = """
        import sys
        from bench.errors import UsageError
        from bench.runs.request import check_names
        check_names(["xor_ctr+noise:sigma=1"], ["unet:width=3"], ["photos:size=32"])
        for words in (["xor_crt"], ["mean"]), (["ct:angels=3"], ["mean"]), (["ct"], ["unet:widht=3"]):
            try:
                check_names(*words, ["photos"])
            except UsageError:
                continue
            raise AssertionError(words)
        assert not {"torch", "pandas", "numpy"} & set(sys.modules)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)


@pytest.mark.parametrize(
    "words",
    [
        "describe xor_crt", "describe ct:angels=3", "describe ct -d photoss", "check ct unett",
        "check ct+noize", "run --suite papper", "run -o ct -m unett", "list unett",
        "run -o ct -m unet --loss msee", "run -o ct -m unet --optimizer adamm",
        "run -o deepinv.Blurr -m unet", "run -o ct -m deepinv.DPRI", "list deepinv.Blurr",
        "check deepinv.Blurr", "describe deepinv.Blurr",
    ],
)  # fmt: skip
def test_every_command_tells_a_mistyped_name_without_torch(words):
    """``describe``, ``check`` and suites as ``run`` does; losses, optimisers and deepinv's names too."""
    code = f"""
        import sys
        from bench import cli
        sys.argv = ["bench", *{words.split()!r}]
        try:
            cli.main()
        except SystemExit as end:
            assert end.code == 2
        assert not {{"torch", "deepinv"}} & set(sys.modules)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], check=True, capture_output=True, text=True
    )
    assert "unknown" in done.stderr or "no parameter" in done.stderr or "deepinv is not" in done.stderr


@pytest.mark.parametrize("room_", [registry.operators, registry.models, registry.datasets, registry.metrics])
def test_the_text_says_what_the_import_says(room_):
    """Parameters read from a file's text are those of its constructor, in order, for all that ships."""
    for name, entry in room_.entries().items():
        read, real = entry.outline.parameters, inspect.signature(room_.load(name)).parameters
        assert read is None or [p.name for p in read if p.name != "image_shape"] == [
            key for key in real if key != "image_shape"
        ], name
        assert read is not None, name


@pytest.mark.parametrize("room_", [registry.operators, registry.models, registry.datasets, registry.losses])
def test_every_name_that_ships_loads(room_):
    """All files of the rooms hold what they should."""
    for name in room_.entries():
        assert callable(room_.load(name))
