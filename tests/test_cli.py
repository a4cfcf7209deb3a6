"""The command line as a person meets it: whole runs, and one clear message for whatever is wrong."""

import hashlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import fields

import numpy as np
import pytest
import torch
from PIL import Image

from bench import cli, registry
from bench.leaderboard.loading import load
from bench.recipe import Recipe
from bench.spec import RunSpec

IDENTITY = """
from bench import Operator

class {name}(Operator):
    def forward(self, x, generator):
        {body}
"""


@pytest.fixture
def bench(tmp_path, monkeypatch, capsys):
    """Run the command in a folder of its own; its exit code and all that it said."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def call(line):
        monkeypatch.setattr(sys, "argv", ["bench", *shlex.split(line)])
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = end.code
        told = capsys.readouterr()
        return code or 0, told.out + told.err

    return call


def contents(folder):
    """Every file below a folder, with the digest of its content; not what a living or dead writer keeps."""
    return {
        file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in folder.rglob("*")
        if file.is_file() and not any(part.startswith(".") for part in file.relative_to(folder).parts)
    }


def operator(path, body, name="Mine"):
    """An operator file."""
    path.write_text(IDENTITY.format(name=name, body=body))


def pictures(folder, count=12, shape=(16, 16, 3)):
    """A folder of random images."""
    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(count):
        Image.fromarray(random.integers(0, 256, shape, np.uint8)).save(folder / f"{number}.png")


def test_the_first_five_minutes(bench, tmp_path, tiny):
    """Run, list, leaderboard, run again: what the README promises, on a tiny dataset."""
    line = f"run --operator xor_ctr --model unet:width=4 --dataset {tiny} --epochs 2 --device cpu"
    code, told = bench(line)
    assert code == 0, told
    for said in ("xor_ctr", "unet:width=4", tiny, "40 training", "2 epochs", "cpu", "results"):
        assert said in told.partition("PSNR")[0], told
    rows = {name: row for row in told.splitlines() for name in ("unet", "mean", "inverse") if name in row}
    assert rows.keys() == {"unet", "mean", "inverse"}
    assert re.search(r"\+?(inf|∞)", rows["inverse"])
    loaded = load(tmp_path / "results")
    records, problems = loaded.records, loaded.skipped
    assert (len(records), problems) == (3, ())
    assert all(str(record.folder.relative_to(tmp_path)) in told for record in records)

    code, told = bench("list")
    assert code == 0
    for room in (registry.operators, registry.models, registry.datasets):
        for name in room.entries():
            assert re.search(rf"^\W*{name}\b", told, re.M), name

    code, told = bench("leaderboard")
    assert code == 0, told
    for name in ("leaderboard.csv", "leaderboard.md", "plots/quality.png"):
        assert (tmp_path / "results" / name).stat().st_size > 0

    before = contents(tmp_path / "results" / "runs")
    code, told = bench(line)
    assert code == 0
    assert "3 of 3 runs are already recorded" in told
    assert "unet:width=4" in told
    assert contents(tmp_path / "results" / "runs") == before


def test_one_thing_whole(bench, tmp_path):
    """``bench list ct``: formula, shapes, every parameter with type and default, reference."""
    code, told = bench("list ct")
    assert code == 0
    for said in (
        re.escape("y[a, k] = mean over bin k of the integral"),
        re.escape("x (B, C, H, W), y (B, C, angles, detectors)"),
        r"angles +int +30 +number of views",
        r"geometry +'parallel' \| 'fan' +'parallel'",
        "Leuschner et al., Sci. Data 8, 2021",
    ):
        assert re.search(said, " ".join(told.split())), said
    assert "image_shape" not in told
    operator(tmp_path / "mine.py", "return x", "Mine")
    assert "operator mine" in bench("list ./mine.py")[1]
    assert bench("list psnr")[0] == 0
    assert "Mean absolute error" in bench("list l1")[1]


def test_losses_and_optimizers_are_listed(bench):
    """Ours with one line each, torch's by name; one of torch's whole, with what it takes."""
    told = bench("list losses")[1]
    assert "Mean squared error" in told
    assert "SmoothL1Loss" in told
    assert re.search(
        r"optimizers of torch.optim: .*adamw.*sgd", " ".join(bench("list optimizers")[1].split())
    )
    assert re.search(r"betas +tuple.* +\(0.9, 0.999\)", bench("list adamw")[1])
    assert re.search(r"beta +float +1.0", bench("list SmoothL1Loss")[1])


def test_the_recipe_has_an_option_for_each_of_its_values(bench):
    """Names, types and descriptions of ``bench run``'s options are the recipe's own."""
    told = bench("run --help")[1]
    for field in fields(Recipe):
        assert f"--{field.name.replace('_', '-')}" in told
    assert "Smith 2018" in told


def test_several_trainings_in_short(bench, tmp_path, tiny):
    """``--seeds 2`` is ``--seed 0 --seed 1``; both at once is refused; the problem has a seed of its own."""
    line = f"run -o permutation -m mean -m unet:width=4 --epochs 1 --no-baselines -d {tiny} --device cpu"
    assert bench(f"{line} --seeds 2 --problem-seed 5")[0] == 0
    specs = [record.spec for record in load(tmp_path / "results").records]
    # What is not trained has nothing that a training seed would change.
    found = {(spec.model.name, spec.seed, spec.problem_seed) for spec in specs}
    assert found == {("unet", 0, 5), ("unet", 1, 5), ("mean", 0, 5)}
    code, told = bench(f"{line} --seeds 2 --seed 1")
    assert code == 2
    assert "not both" in told


def test_as_a_module(tmp_path):
    """``python -m bench`` is the command."""
    running = process("--version", tmp_path)
    told, _ = running.communicate(timeout=60)
    assert (running.returncode, told.split()[0]) == (0, "invbench")


def test_the_public_interface():
    """Every public name is there, completes, and is documented."""
    import bench as package

    assert set(package.__all__) <= set(dir(package))
    for name in package.__all__:
        assert getattr(package, name).__doc__, name
    with pytest.raises(AttributeError):
        package.nothing  # noqa: B018


def test_a_record_tells_the_command_that_makes_it(bench, tmp_path, tiny):
    """The command of every record, as it stands there, names the same run."""
    code, told = bench(
        f"run -o denoising -o xor_ctr+noise:sigma=0.01 -m unet:width=4 -d {tiny} --epochs 1 --lr 0.001 "
        "--seed 3 --augment --device cpu"
    )
    assert code == 0, told
    for record in load(tmp_path / "results").records:
        command = record.spec.command().removeprefix("bench ")
        code, told = bench(f"{command} --no-baselines")
        assert code == 0
        assert "1 of 1 runs are already recorded" in told
        assert record.fingerprint in told


def test_operators_models_and_seeds_are_crossed(bench, tmp_path, tiny):
    """Every operator with every model and seed, and each operator's floor and ceiling; none twice."""
    code, told = bench(
        f"run -o denoising -o permutation -m pixel_ridge -m inverse -m pixel_ridge -d {tiny} "
        "--seed 0 --seed 1 --device cpu"
    )
    assert code == 0, told
    found = [
        (r.spec.operator_label, r.spec.model.label, r.spec.seed) for r in load(tmp_path / "results").records
    ]
    assert sorted(found) == [
        (operator_, model, seed)
        for operator_ in ("denoising", "permutation")
        for model, seed in (("inverse", 0), ("mean", 0), ("pixel_ridge", 0), ("pixel_ridge", 1))
    ]


def test_several_at_a_time(bench, tmp_path, tiny):
    """Runs in processes of their own leave the records that they leave one by one."""
    line = f"run -o xor_ctr+noise:sigma=0.1 -m inverse -d {tiny} --device cpu"
    assert bench(f"{line} --results one")[0] == 0
    assert bench(f"{line} --results two --jobs 2")[0] == 0
    scores = [{r.fingerprint: r.scores for r in load(tmp_path / name).records} for name in ("one", "two")]
    assert len(scores[0]) == 3  # inverse, mean, posterior mean
    assert scores[0] == scores[1]


def test_a_folder_of_images(bench, tmp_path):
    """A person's own images of different sizes, grey ones too."""
    pictures(tmp_path / "images", shape=(20, 17))
    pictures(tmp_path / "images" / "more", count=3, shape=(30, 16))
    code, told = bench("run -o xor_ctr -m inverse -d folder:path=images,size=16 --device cpu")
    assert code == 0, told
    assert "16x16x1" in told


def test_one_failure_does_not_stop_the_others(bench, tmp_path, tiny):
    """Plug-ins that break their contract are named, recorded as failed, and the rest is run."""
    operator(tmp_path / "fails.py", "raise KeyError('oops')", "Fails")
    operator(tmp_path / "nan.py", "return x * float('nan')", "NotANumber")
    operator(tmp_path / "shape.py", "return x[:0]", "Short")
    operator(tmp_path / "inplace.py", "return x.mul_(0.5)", "InPlace")
    code, told = bench(
        f"run -o fails.py -o nan.py -o shape.py -o inplace.py -o denoising -m mean -d {tiny} --device cpu"
    )
    assert code == 1
    assert "Traceback" not in told
    assert "4 of 6 runs failed" in told
    for said in ("'oops'", "NotANumber.forward .*not finite", "Short.forward", "InPlace.forward .*input"):
        assert re.search(said, told), told
    loaded = load(tmp_path / "results")
    records, problems = loaded.records, loaded.skipped
    assert not problems
    assert {r.spec.operator_label: r.status for r in records} == {
        "fails": "failed", "nan": "failed", "shape": "failed", "inplace": "failed", "denoising": "ok",
    }  # fmt: skip
    assert bench("leaderboard")[0] == 0


SMALL = "photos:size=16,train=4,test=2"
#: Command line, exit code, and what the message has to say.
BAD = [
    ("run -o xor_ctrr -m mean", 2, r"unknown operator 'xor_ctrr'\. Did you mean xor_ctr"),
    ("run -o ct -m unett", 2, r"unknown model 'unett'\. Did you mean unet"),
    ("run -o ct -m mean -d photo", 2, r"unknown dataset 'photo'\. Did you mean photos"),
    ("run -o ct -m mean --preset fast", 2, r"unknown preset 'fast'\. There are: quick, paper"),
    ("run -o ct -m unet:widht=3", 2, r"no parameter 'widht' \(did you mean width\?\)\. unet takes width"),
    ("run -o ct -m unet:width=wide", 2, "width=wide: .*valid integer"),
    (f"run -o ct -m unet:width=0 -d {SMALL}", 2, "width must be at least 1, not 0"),
    ("run -o noise:sigma -m mean", 2, "'sigma' is not key=value"),
    ("run -o noise:sigma=1,sigma=2 -m mean", 2, "sigma is given twice"),
    (f"run -o noise:sigma=-1 -m mean -d {SMALL}", 2, "sigma must be at least 0, not -1"),
    (f"run -o noise:sigma=nan -m mean -d {SMALL}", 2, "sigma must be at least 0, not nan"),
    (f"run -o xor_ctr:key=00ff -m mean -d {SMALL}", 2, "key must be 16 bytes .*not 2 bytes"),
    (f"run -o xor_ctr:key=house -m mean -d {SMALL}", 2, "key must be hexadecimal digits, not 'house'"),
    (f"run -o xor_cbc:iv=00 -m mean -d {SMALL}", 2, "iv must be 16 bytes"),
    ("run -o missing.py -m mean", 2, r"no such operator file: missing\.py"),
    ("run -o none.py -m mean", 2, r"none\.py: an operator file holds one class .*; found none"),
    ("run -o two.py -m mean", 2, r"found 2 \(A, B\)"),
    ("run -o raises.py -m mean", 2, r"raises\.py, line 1: raised RuntimeError on import: \[red\]boom"),
    (
        "run -o ct -m none.py",
        2,
        r"a model file holds one class derived from bench.Model or torch.nn.Module or one function",
    ),
    (
        f"run -o half.py -m inverse -d {SMALL}",
        2,
        "inverse does not work with half: .*works with: .*xor_ctr",
    ),
    ("run -o ct -m mean -d folder", 2, "path has no default and must be given"),
    ("run -o ct -m mean -d folder:path=nowhere", 2, "nowhere does not exist"),
    ("run -o ct -m mean -d folder:path=empty", 2, "0 images in empty, at least 3 are needed"),
    ("run -o ct -m mean -d folder:path=mixed", 2, "at least 11x11 pixels; these are 9x9"),
    ("run -o ct -m mean -d folder:path=corrupt", 2, r"unreadable: corrupt/3\.png"),
    ("run -o ct -m mean -d photos:train=0", 2, "train must be at least 1, not 0"),
    ("run -o ct -m mean -d photos:size=9999", 2, "size=9999 is too large; it can be at most"),
    ("run -o ct -m mean -d photos:size=8,train=4,test=2", 2, "at least 11x11 pixels; these are 8x8"),
    ("run -o ct -m swin_unetr -d photos:size=12,train=4,test=2", 2, "at least 16x16 pixels; these are 12x12"),
    ("run -o ct -m mean -d stl10", 2, "not in the folder '.*datasets'.*stl10:download=true"),
    ("run -o ct -m mean -d mnist:root=here", 2, "not in the folder 'here'.*mnist:download=true"),
    (f"run -o ct -m unet -d {SMALL} --epochs 0", 2, "epochs must be at least 1"),
    (f"run -o ct -m unet -d {SMALL} --lr nan", 2, "lr must be positive"),
    (f"run -o ct -m unet -d {SMALL} --loss huber", 2, r"unknown loss 'huber'\. Did you mean HuberLoss"),
    (f"run -o ct -m mean -d {SMALL} --device gpu", 2, "unknown device 'gpu'; choose auto, cpu"),
    (f"run -o ct -m mean -d {SMALL} --results half.py", 2, "cannot write results to half.py"),
    (f"run -o ct -m mean -d {SMALL} --epochs many", 2, "Invalid value for '--epochs'"),
    ("run -o ct", 2, "give --operator and --model"),
    ("run", 2, "give --operator and --model"),
    ("run --suite nothing", 2, "unknown suite 'nothing'"),
    ("run --suite paper -o ct", 2, "not both"),
    ("frobnicate", 2, "No such command"),
    ("list things", 2, "unknown .* 'things'"),
    ("list operator", 2, r"unknown .* 'operator'.*kinds: operators, models, datasets, metrics"),
    ("leaderboard --results nowhere", 2, "no folder nowhere"),
    ("check nothing", 2, "unknown .* 'nothing'"),
]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder with results, and with everything that can be wrong."""
    folder = tmp_path_factory.mktemp("workplace")
    (folder / "none.py").write_text("x = 1\n")
    (folder / "two.py").write_text(
        IDENTITY.format(name="A", body="return x") + IDENTITY.format(name="B", body="return x")
    )
    (folder / "raises.py").write_text("raise RuntimeError('[red]boom[/red]')\n")
    operator(folder / "half.py", "return x / 2")
    (folder / "empty").mkdir()
    pictures(folder / "mixed")
    pictures(folder / "mixed" / "others", count=1, shape=(9, 9, 3))
    pictures(folder / "corrupt")
    (folder / "corrupt" / "3.png").write_bytes(b"no image")
    return folder


@pytest.mark.parametrize(("line", "code", "message"), BAD, ids=[line for line, _, _ in BAD])
def test_bad_input(bench, workplace, monkeypatch, line, code, message):
    """One message that says what is wrong and what would be right, no traceback, records intact."""
    monkeypatch.chdir(workplace)
    if not (workplace / "results").exists():
        assert bench(f"run -o denoising -m mean -d {SMALL} --device cpu")[0] == 0
    before = contents(workplace / "results")
    found, told = bench(line)
    assert found == code, told
    assert re.search(message, " ".join(told.split())), told
    assert "Traceback" not in told
    after = contents(workplace / "results")
    assert {name: after.get(name) for name in before} == before
    assert code == 1 or after == before


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_where_there_is_none(bench, tiny):
    """The message says so, and what to choose."""
    code, told = bench(f"run -o ct -m mean -d {tiny} --device cuda")
    assert code == 2
    assert "no GPU that torch can use here; choose --device cpu" in told


def process(line, folder, **options):
    """The command in a process of its own."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "bench", *shlex.split(line)]
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, cwd=folder, env=environment, text=True, stdout=pipe, stderr=pipe, **options
    )


def start_training(folder, tiny):
    """A long training, once its first checkpoint is written."""
    line = f"run -o denoising -m unet:width=4 -d {tiny} --epochs 10000 --no-baselines --device cpu"
    running = process(line, folder)
    deadline = time.monotonic() + 60
    while not list(folder.glob("results/checkpoints/*.safetensors")) and time.monotonic() < deadline:
        assert running.poll() is None, running.communicate()
        time.sleep(0.05)
    return running


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)])
def test_a_run_that_is_stopped(bench, tmp_path, tiny, number, code):
    """Killed or interrupted in training, it leaves what was recorded before as it was."""
    assert bench(f"run -o denoising -m mean -d {tiny} --device cpu")[0] == 0
    before = contents(tmp_path / "results" / "runs")
    running = start_training(tmp_path, tiny)
    running.send_signal(number)
    _, told = running.communicate(timeout=60)
    assert running.returncode == code
    assert "Traceback" not in told
    after = contents(tmp_path / "results" / "runs")
    # Whoever is killed cannot give its lease back; the next run sees that it is dead.
    assert {name: sha for name, sha in after.items() if not name.endswith(".lease")} == before
    assert number == signal.SIGKILL or after == before
    loaded = load(tmp_path / "results")
    records, problems = loaded.records, loaded.skipped
    assert ([record.status for record in records], problems) == (["ok", "ok"], ())


def test_no_room_for_results(bench, tmp_path, tiny):
    """A disk that takes nothing more: exit code 1, one message, the earlier record as it was."""
    resource = pytest.importorskip("resource")
    line = f"run -o denoising -m mean -d {tiny} --no-baselines --device cpu"
    assert bench(line)[0] == 0
    before = contents(tmp_path / "results")

    def no_file_may_grow():
        resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))

    running = process(f"{line} --force", tmp_path, preexec_fn=no_file_may_grow)
    _, told = running.communicate(timeout=60)
    assert running.returncode == 1
    assert "File too large" in told
    assert "Traceback" not in told
    assert contents(tmp_path / "results") == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_no_permission_for_results(bench, tmp_path, tiny):
    """A folder that is not ours to write in."""
    (tmp_path / "theirs").mkdir(mode=0o500)
    code, told = bench(f"run -o ct -m mean -d {tiny} --results theirs --device cpu")
    assert code == 2
    assert "cannot write results to theirs: Permission denied" in told


def test_speeds_are_taken_again(bench, tmp_path, tiny):
    """Each run is named with its speed before and now; one that cannot be timed stops no other."""
    assert bench(f"run -o noise -m unet:width=2 -d {tiny} --epochs 1 --device cpu")[0] == 0
    code, told = bench("time")
    assert code == 0, told
    assert re.search(r"noise on .*, unet:width=2: [\d,.]+ images/s \(was [\d,.]+\), [\d.]+ ms for one", told)
    assert "mean: nothing is computed" in told
    (weights,) = [p for p in tmp_path.glob("results/runs/*/model.safetensors") if p.stat().st_size > 10_000]
    weights.unlink()
    code, told = bench("time")
    assert code == 1
    assert "unet:width=2: not timed: run" in told
    assert "mean: nothing is computed" in told
    assert re.search(r"1 of \d runs could not be timed", told)
    code, told = bench("time meen")
    assert code == 2


@pytest.mark.parametrize("line", ["--help", "run --help", "list", "--version"])
def test_help_and_list_come_without_torch(tmp_path, line):
    """They answer at once: the slow imports are not made."""
    code = f"""
import sys
from bench import cli
sys.argv = ["bench", *{line.split()!r}]
try:
    cli.main()
except SystemExit as end:
    assert not end.code
assert not {{"torch", "monai", "pandas", "skimage"}} & set(sys.modules)
"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    subprocess.run(
        [sys.executable, "-c", code], check=True, cwd=tmp_path, env=environment, capture_output=True
    )


def test_folders_of_the_same_names_do_not_matter(tmp_path):
    """Started where a person has ``operators``, ``models`` and ``leaderboard`` of their own."""
    for name in ("operators", "models", "leaderboard"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError('not mine')\n")
        (tmp_path / name / "theirs.py").write_text("raise RuntimeError('not mine')\n")
    running = process("list", tmp_path)
    told, errors = running.communicate(timeout=60)
    assert running.returncode == 0, errors
    assert "xor_ctr" in told
    assert "theirs" not in told


def test_records_hold_the_spec_as_strict_json(bench, tmp_path, tiny):
    """Infinite scores are written as text, so any JSON reader takes the file."""

    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    assert bench(f"run -o xor_ctr -m inverse -d {tiny} --no-baselines --device cpu")[0] == 0
    (file,) = tmp_path.glob("results/runs/*/record.json")
    record = json.loads(file.read_text(), parse_constant=refuse)
    assert record["scores"]["psnr"] == "Infinity"
    assert isinstance(load(tmp_path / "results").records[0].spec, RunSpec)


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("run -o xor_ctrr -m mean", "xor_ctr"),
        ("run -o xor_ctr -m uunet", "unet"),
        ("run -o xor_ctr -m mean -d fotos", "photos"),
        ("run -o xor_ctr -m mean --metric psnrr", "psnr"),
        ("run -o xor_ctr -m unet --loss MSELos", "MSELoss"),
        ("run --suite papper", "paper"),
        ("check uunet", "unet"),
        ("list uunet", "unet"),
        ("describe xor_ctrr", "xor_ctr"),
        ("tune uunet -o xor_ctr", "unet"),
        ("fetch div2kk", "div2k"),
    ],
)
def test_a_mistyped_name_imports_no_torch(tmp_path, line, meant):
    """It is told at once: torch alone takes longer than the half second that it may."""
    code = (
        f"import sys\nsys.argv = ['bench', *{line.split()!r}]\n"
        "from bench.cli import main\n"
        "try:\n    main()\nfinally:\n    print('torch' in sys.modules, 'pandas' in sys.modules)"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, cwd=tmp_path
    )
    assert told.returncode == 2
    assert meant in told.stderr
    assert told.stdout.split() == ["False", "False"]
