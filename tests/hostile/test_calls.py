"""Wrong and hostile command lines: one message, an exit code, and nothing else."""

import os
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

#: Command lines tried.
EXAMPLES = 1000 if os.environ.get("BENCH_HOSTILE") == "large" else 25
SMALL = "ellipses:size=16,train=4,test=4"
RUN = f"run -o noise -m mean --no-baselines -d {SMALL} --device cpu"
LONG = "a" * 300

OPERATOR = """import sys
from bench import Operator

class Mine(Operator):
    def __init__(self, image_shape, strength: float = 1.0):
        super().__init__(image_shape)
        {made}

    def forward(self, x, generator):
        {measured}
"""
DATASET = """import sys
from bench import Dataset

class Mine(Dataset):
    def load(self):
        {loaded}
"""
PLUGINS = {
    "exits_on_import.py": "import sys\nsys.exit(5)\n",
    "exits_when_made.py": OPERATOR.format(made="sys.exit(5)", measured="return x"),
    "exits_in_forward.py": OPERATOR.format(made="", measured="sys.exit(5)"),
    "data_exits.py": DATASET.format(loaded="sys.exit(5)"),
    "data_raises.py": DATASET.format(loaded="raise KeyError('no lamp oil')"),
    "data_is_none.py": DATASET.format(loaded="return None"),
}

#: Words, exit code, and what the message has to say.
CALLS = [
    (
        "run -o noise -m mean -d ellipses:size=100000,train=4,test=4",
        2,
        r"size=100000.* would take [\d,.]+ GB",
    ),
    (f"run -o noise -m mean -d ellipses:train={10**12}", 2, r"train=1000000000000.* would take [\d,.]+ GB"),
    (f"run -o noise -m mean -d photos:train={10**12}", 2, "is too many; there are"),
    (f"run -o noise -m mean -d folder:path=images,size={10**9}", 2, "size=1000000000 would take .* GB"),
    ("run -o noise -m mean -d folder:path=~nouser/x", 2, "does not exist"),
    (f"{RUN} --device cpu:", 2, "unknown device 'cpu:'; choose auto"),
    (f"{RUN} --device cpu:99", 2, "unknown device 'cpu:99'"),
    (f"{RUN} --device cuda:99999999999999999999", 2, "unknown device|there is"),
    ("run -o ~nouser/x.py -m mean", 2, "no such operator file: ~nouser/x.py"),
    (f"run -o {LONG}.py -m mean", 2, "no such operator file"),
    (f"run -o {LONG} -m mean", 2, "unknown operator"),
    ("run -o + -m mean", 2, "unknown operator"),
    ("run -o '' -m mean", 2, "names nothing|--operator"),
    ("run ~nouser/x.toml", 2, "No such file"),
    (f"run {LONG}.toml", 2, "File name too long"),
    (f"{RUN} --results {LONG}", 2, "cannot write results to .*File name too long"),
    (f"{RUN} --results /proc/nowhere", 2, "cannot write results to /proc/nowhere"),
    (f"{RUN} --results ''", 2, "the folder is empty text"),
    ("leaderboard --results ''", 2, "the folder is empty text"),
    ("show 12 --results ''", 2, "the folder is empty text"),
    ("run -o ct:angles=1000000000 -m mean", 2, "angles=1000000000.* would have .* values"),
    (f"{RUN} --seed {2**64}", 2, f"a seed is from 0 to {2**63 - 1}, not {2**64}"),
    (f"{RUN} --seed -1", 2, "a seed is from 0 to"),
    (f"{RUN} --problem-seed {2**63}", 2, "a problem seed is from 0 to"),
    (f"{RUN} --seeds 1000000000", 2, "Invalid value for '--seeds'"),
    (f"describe noise -d {SMALL} --seed -1", 2, "a seed is from 0 to"),
    (f"describe noise -d {SMALL} --results {LONG}", 2, "File name too long"),
    (f"run -o noise:sigma=1e400 -m mean -d {SMALL}", 2, "sigma must be finite, not inf"),
    (f"run -o noise:photons=1e400 -m mean -d {SMALL}", 2, "photons must be finite, not inf"),
    (
        f"run -o deblurring:kernel_size=99999 -m mean -d {SMALL}",
        2,
        r"kernel_size=99999 would take [\d,.]+ GB",
    ),
    (f"run -o phase_retrieval:oversample=100000 -m mean -d {SMALL}", 2, "oversample=100000 would take .* GB"),
    ("run -o noise -m mean --protocol nope -d folder:path=nowhere", 2, "unknown protocol 'nope'"),
    ("run --suite controls --protocol nope", 2, "unknown protocol 'nope'"),
    ("list \x1b[31mred", 2, r"\\x1b\[31mred"),
    (f"{RUN} -m unet --epochs {10**20}", 2, "epochs can be at most 1000000000, not 100000000000000000000"),
    (f"{RUN} -m unet --batch-size {10**20}", 2, "batch_size can be at most"),
    (f"run -o exits_on_import.py -m mean -d {SMALL}", 2, "line 2: raised SystemExit on import: 5"),
    (f"run -o exits_when_made.py -m mean -d {SMALL}", 1, "its constructor raised SystemExit: 5"),
    (f"run -o exits_in_forward.py -m mean -d {SMALL}", 1, "Mine.forward raised SystemExit: 5"),
    (f"describe exits_in_forward.py -d {SMALL}", 1, "SystemExit"),
    ("check exits_in_forward.py", 1, "exits_in_forward.py, line 10: called sys.exit|SystemExit: 5"),
    ("run -o noise -m mean -d data_exits.py", 1, "cannot be loaded: SystemExit: 5"),
    ("run -o noise -m mean -d data_raises.py", 1, "cannot be loaded: KeyError: 'no lamp oil'"),
    ("run -o noise -m mean -d data_is_none.py", 1, "data_is_none.* must return .*Splits, not a NoneType"),
]


@pytest.fixture
def workplace(attack):
    """The plug-ins and pictures that the calls name."""
    for name, text in PLUGINS.items():
        Path(name).write_text(text)
    Path("images").mkdir()
    for number in range(4):
        Image.fromarray(np.full((16, 16), 60 * number, np.uint8)).save(f"images/{number}.png")
    return attack


@pytest.mark.parametrize(("line", "code", "message"), CALLS, ids=[line[:70] for line, _, _ in CALLS])
def test_a_wrong_call(workplace, line, code, message):
    """The message has the value that was wrong; no traceback, no hang, nothing written elsewhere."""
    found, said = workplace(shlex.split(line))
    assert found == code, said
    assert re.search(message, said), said


def test_a_readme_that_is_not_text(workplace):
    """It is named and left as it is."""
    assert workplace(shlex.split(RUN))[0] == 0
    Path("README.md").write_bytes(b"\xff\xfe bad")
    code, said = workplace(["leaderboard", "--readme", "README.md"])
    assert (code, "README.md: it is not UTF-8 text" in said) == (2, True), said
    assert Path("README.md").read_bytes() == b"\xff\xfe bad"


#: What a hostile line is made of: words of the grammar, numbers without end, and what no shell would send.
TEXTS = st.text(st.characters(exclude_characters="\0"), max_size=30)
PIECES = st.sampled_from(
    ["noise", "xor_ctr", "ct", "mean", "unet", "photos", "+", ":", ",", "=", "sigma=", "angles=",
     "1e999", "nan", "-1", "../", "~", "~x/", ".py", "./x.py", "..", "none", "deepinv.Blur", "9" * 400,
     "\x1b[31m", "\ud800"]
)  # fmt: skip
ATOMS = st.one_of(TEXTS, st.lists(PIECES, max_size=6).map("".join))
FLAGS = st.sampled_from(
    ["-o", "-m", "-d", "--seed", "--seeds", "--problem-seed", "--protocol", "--metric", "--device",
     "--results", "--preset", "--epochs", "--lr", "--loss", "--jobs", "--suite", "--help", "--format"]
)  # fmt: skip
COMMANDS = st.sampled_from(
    ["run", "list", "leaderboard", "show", "compare", "describe", "check", "verify"]
)  # fmt: skip


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(COMMANDS, st.lists(st.one_of(FLAGS, ATOMS), max_size=7))
@example("run", ["-o", "noise", "-m", "\ud800"])
def test_any_line(attack, command, words):
    """Whatever the words are: a message and an exit code."""
    line = [os.fsdecode(os.fsencode(w)) if w.isascii() else w for w in words]
    attack([command, *line])
