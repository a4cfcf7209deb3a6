"""What is said before and while something takes time."""

import io
from types import SimpleNamespace

import pytest
import torch
from rich.console import Console

from bench import registry
from bench.component import Component, parse_chain
from bench.console import progress
from bench.console.progress import few_images, seeds_text
from bench.problem import Problem
from bench.progress import Progress, heard, tell
from bench.runs.assembly import load_problem


def _run(train: int, validation: int, test: int, dataset: str = "folder:path=x") -> SimpleNamespace:
    images = SimpleNamespace(train=[0] * train, validation=[0] * validation, test=[0] * test)
    return SimpleNamespace(images=images, spec=SimpleNamespace(dataset=Component.parse(dataset)))


def test_few_test_images_are_said_before_the_run():
    """Sixty photographs that give six test images: said, with the way to more where there is one."""
    text = few_images(_run(48, 6, 6))
    assert "6 of 60 images are for testing" in text
    assert "test_share=0.3" in text
    assert "test_share" not in few_images(_run(48, 6, 6, "kodak"))
    assert few_images(_run(900, 50, 50)) == ""


def test_both_kinds_of_seeds_are_said():
    """Those that nobody typed, too, each once."""
    runs = [SimpleNamespace(spec=SimpleNamespace(seed=seed, problem_seed=4)) for seed in (0, 1, 0)]
    assert seeds_text(runs) == "training 0, 1; problem 4"


def test_the_live_display_in_eighty_columns(monkeypatch):
    """Names that are too long are broken; counts, epoch, score and time left are there whole."""
    screen = Console(file=io.StringIO(), width=80)
    monkeypatch.setattr(progress, "console", screen)
    labels = {"operator_label": "denoising+noise:sigma=0.05", "method_label": "unet:width=16"}
    spec = SimpleNamespace(**labels, size_label="", seed=3)
    run, other = SimpleNamespace(spec=spec), SimpleNamespace(spec=spec)
    with progress.training_bar(12) as bar:
        bar.step(run, Progress(2, 40, 12, 35, 0.0123, 24.31))
        bar.done(other, SimpleNamespace(status="failed", reason_and_place="memory"))
        screen.file = io.StringIO()
        screen.print(bar.progress.get_renderable())
    text = screen.file.getvalue()
    for part in ("1 of 12 done", "1 failed, 1 running, 10 waiting", "epoch 12/35 loss 0.0123 val 24.31 dB"):
        assert part in text
    assert text.count("-:--:-- left") == 2
    assert "…" not in text


def test_what_is_told_is_heard_in_its_block_only():
    """Nobody has to listen; who does, hears of the step and of how many there are."""
    found: list[Progress] = []
    tell("before", 1, 2)
    with heard(found.append):
        tell("choosing", 1, 2)
    tell("after", 1, 2)
    assert [(p.stage, p.step, p.steps) for p in found] == [("choosing", 1, 2)]


@pytest.mark.parametrize(("quiet", "lines"), [(0.0, ["ct tv: choosing the weight 1/13"]), (1e9, [])])
def test_a_log_is_told_of_long_choices_too(monkeypatch, capsys, quiet, lines):
    """Without a screen for a bar, what is no epoch gets a line after a long silence, else none."""
    monkeypatch.setattr(progress, "QUIET", quiet)
    spec = SimpleNamespace(operator_label="ct", method_label="tv", size_label="", seed=0)
    with progress.training_bar(1) as bar:
        bar.step(SimpleNamespace(spec=spec), Progress(1, 13, stage="choosing the weight"))
    assert capsys.readouterr().out.splitlines() == lines


@pytest.fixture(scope="module")
def problem() -> Problem:
    """A small problem of denoising."""
    dataset = Component.parse("ellipses:size=16,train=40,test=2").checked(registry.datasets)
    return load_problem(parse_chain("denoising"), dataset, 0, "cpu")


@pytest.mark.parametrize("model", ["tv:iterations=5", "nlm", "landweber:iterations=3"])
def test_a_choice_by_validation_says_how_far_it_is(problem, model):
    """Methods that try settings inside fit tell each step, and never more than there are."""
    component = Component.parse(model).checked(registry.models)
    made = component.build(registry.models)
    found: list[Progress] = []
    with heard(found.append), torch.no_grad():
        made.fit(problem.training(0))
    assert found
    assert all(p.stage.startswith("choosing") for p in found)
    assert all(p.step <= p.steps or not p.steps for p in found)
    assert [p.step for p in found] == sorted(p.step for p in found)
