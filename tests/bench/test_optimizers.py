"""Optimisers by name, their parameters, and the schedules that they take."""

import pytest
import torch
from torch import nn, optim

from bench.errors import UsageError
from bench.optimizers import make_optimizer, make_schedule
from bench.recipe import Recipe
from bench.runs.request import specify
from bench.runs.runner import Run
from bench.runs.trust import trusted
from bench.runs.verify import verify


def made(text: str, **recipe) -> optim.Optimizer:
    """The optimiser of a recipe, for two weights."""
    return make_optimizer([nn.Parameter(torch.ones(2, 2))], Recipe(optimizer=text, lr=0.25, **recipe))


@pytest.mark.parametrize(
    ("text", "kind", "values"),
    [
        ("adam", optim.Adam, {"betas": (0.9, 0.999), "weight_decay": 0}),
        ("SGD:momentum=0.9,nesterov=true", optim.SGD, {"momentum": 0.9, "nesterov": True}),
        ("adamw:betas=0.8,0.99", optim.AdamW, {"betas": (0.8, 0.99)}),
        ("RMSprop:centered=yes", optim.RMSprop, {"centered": True}),
    ],
)
def test_of_torch(text, kind, values):
    """A name of torch.optim in any case, with its parameters as the recipe gives them."""
    optimizer = made(text)
    assert type(optimizer) is kind
    assert {name: optimizer.defaults[name] for name in values} == values
    assert optimizer.defaults["lr"] == 0.25


def test_weight_decay_is_the_recipes():
    """--weight-decay reaches any optimiser that has it; to Adam's, which is not decoupled, it is refused."""
    assert made("sgd", weight_decay=0.01).defaults["weight_decay"] == 0.01
    with pytest.raises(UsageError, match="no effect with optimizer adam; choose adamw"):
        Recipe(weight_decay=0.01)
    with pytest.raises(UsageError, match="no parameter 'weight_decay'"):
        made("rprop", weight_decay=0.01)


def test_one_optimiser_has_one_name():
    """SGD and sgd are one recipe, so one run."""
    assert Recipe(optimizer="SGD:momentum=0.9") == Recipe(optimizer="sgd:momentum=0.9")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("adan", r"unknown optimizer 'adan'. Did you mean .*adam"),
        ("lbfgs", "unknown optimizer 'lbfgs'"),
        ("sgd:momentun=1", r"no parameter 'momentun' \(did you mean momentum\?\)"),
        ("sgd:lr=1", "the learning rate is --lr"),
        ("sgd:momentum=much", "momentum=much"),
    ],
)
def test_what_is_no_optimiser(text, message, tiny):
    """A name or value that cannot work is refused before anything is loaded or trained."""
    with pytest.raises(UsageError, match=message):
        specify("denoising", "unet", tiny, changes={"optimizer": text})


def test_a_value_that_torch_refuses():
    """What torch says of a value is passed on with the optimiser's name."""
    with pytest.raises(UsageError, match=r"optimizer sgd:momentum=-1: .*momentum"):
        made("sgd:momentum=-1")


@pytest.mark.parametrize("schedule", ["constant", "cosine", "onecycle"])
def test_schedules_leave_a_given_momentum(schedule):
    """SGD's momentum stays what was asked for, whatever the schedule does to the rate."""
    recipe = Recipe(optimizer="sgd:momentum=0.7", schedule=schedule, lr=0.1)
    optimizer = make_optimizer([nn.Parameter(torch.ones(1))], recipe)
    plan = make_schedule(optimizer, recipe, steps=4)
    for _ in range(4):
        optimizer.step()
        plan.step()
    assert optimizer.param_groups[0]["momentum"] == 0.7


LION = """from torch.optim import Optimizer

class Lion(Optimizer):
    '''Chen et al. 2023: the sign of an average.'''

    def __init__(self, params, lr: float, betas: tuple[float, float] = (0.9, 0.99)):
        if not 0 <= betas[0] < 1:
            raise ValueError(f"betas are below 1, not {betas}")
        super().__init__(params, {"lr": lr, "betas": betas})

    def step(self):
        for group in self.param_groups:
            for weight in group["params"]:
                weight.data.sub_(group["lr"] * weight.grad.sign())
"""


def test_from_a_file(plugin):
    """A class of one's own, its parameters converted and checked as torch's are."""
    path = plugin("lion", LION)
    weight = nn.Parameter(torch.ones(3))
    weight.grad = torch.tensor([2.0, -3.0, 0.5])
    optimizer = make_optimizer([weight], Recipe(optimizer=f"{path}:betas=0.5,0.9", lr=0.25))
    optimizer.step()
    assert optimizer.defaults["betas"] == (0.5, 0.9)
    assert weight.tolist() == [0.75, 1.25, 0.75]
    with pytest.raises(UsageError, match=r"no parameter 'beta' \(did you mean betas\?\)"):
        made(f"{path}:beta=1")
    with pytest.raises(UsageError, match=r"betas are below 1, not \(2.0, 0.9\) \(.*lion.py, line 8\)"):
        made(f"{path}:betas=2,0.9")


def test_files_without_an_optimiser(plugin):
    """What is no file, and what holds none, is told as for every component."""
    with pytest.raises(UsageError, match=r"no such optimizer file: \./None\.py"):
        made("./None.py")
    with pytest.raises(UsageError, match=r"one class derived from torch.optim.Optimizer; found none"):
        made(plugin("empty", "x = 1\n"))


def test_name_covers_the_content(plugin, tmp_path, tiny):
    """The same file elsewhere is the same optimiser, a changed one is another: the run's name follows."""

    def name(path):
        return Run(specify("denoising", "unet:width=4", tiny, changes={"optimizer": str(path)})).fingerprint

    other = tmp_path / "elsewhere" / "lion.py"
    other.parent.mkdir()
    other.write_text(LION, encoding="utf-8")
    first = plugin("lion", LION)
    assert name(first) == name(other)
    other.write_text(LION.replace("sub_", "add_"), encoding="utf-8")
    assert name(first) != name(other)


def test_a_record_s_optimiser_is_not_run_unasked(plugin, tmp_path, tiny):
    """A run that was trained by a file of code is made again only where that file is trusted."""
    path = plugin("lion", LION)
    spec = specify("denoising", "unet:width=4", tiny, changes={"optimizer": path, "epochs": 1, "lr": 1e-3})
    record = Run(spec).execute(tmp_path)
    assert record.status == "ok", record.reason
    with pytest.raises(UsageError, match=r"--trust .*lion\.py"):
        trusted(record)
    assert trusted(record, [path]).recipe.optimizer == path
    assert verify(record, [path]).verified
