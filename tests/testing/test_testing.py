"""The contract kit: every registered operator and model passes, and every rule can fail."""

import inspect
import re
from contextlib import suppress

import numpy as np
import pytest
import torch
from torch import nn

from bench import registry
from bench.cli import main
from bench.errors import UsageError
from bench.metrics import Metric
from bench.models import FunctionModel, Model
from bench.models.mean import Mean
from bench.operators import Operator
from bench.operators.permutation import Permutation
from bench.problem import Problem
from bench.testing import check, check_metric, check_model, check_operator, require
from bench.testing.metrics import METRIC_RULES
from bench.testing.models import MODEL_RULES
from bench.testing.operators import OPERATOR_RULES, Broken, hold_device

CHAINS = [
    "xor_ctr+noise:sigma=0.01",
    "ct+noise:sigma=0.1",
    "ct:oversample=1,sigma=0",
    "ct:geometry=fan",
    "deblurring:kernel=motion",
    "inpainting:mask=box",
    "compressed_sensing:matrix=hadamard",
    "super_resolution:scale=2",
    "permutation+deblurring:sigma=1",
]


@pytest.mark.parametrize("name", [*registry.operators.entries(), *CHAINS])
def test_operators(name):
    """Every operator in the room keeps the contract: a new file there is tested by being there."""
    require(check_operator(name))


def cheap(name: str) -> str:
    """A model as narrow as its parameters allow."""
    parameters = inspect.signature(registry.models.load(name)).parameters
    return f"{name}:width=8" if "width" in parameters else name


@pytest.mark.parametrize("name", registry.models.entries())
def test_models(name):
    """Every model in the room keeps the contract."""
    require(check_model(cheap(name)))


class _Good(Operator):
    """What the broken ones below break: y = x / 2."""

    linear = True
    exact_inverse = True

    def forward(self, x, generator):
        return x / 2

    def inverse(self, y):
        return y * 2

    def adjoint(self, y):
        return y / 2


class _WrongType(_Good):
    def forward(self, x, generator):
        return x.double()


class _WrongShape(_Good):
    def forward(self, x, generator):
        return x[:1]


class _Mixing(_Good):
    def forward(self, x, generator):
        return x / 2 + x.mean()


class _GlobalNoise(_Good):
    linear = False

    def forward(self, x, generator):
        return x + torch.randn(x.shape)


class _NumpyNoise(_Good):
    linear = False

    def forward(self, x, generator):
        return x + float(np.random.rand())


class _ClockNoise(_Good):
    linear = False

    def forward(self, x, generator):
        return x + float(np.random.default_rng().random())


class _InPlace(_Good):
    def forward(self, x, generator):
        return x.mul_(0.5)


class _Affine(_Good):
    def forward(self, x, generator):
        return x / 2 + 0.1


class _WrongAdjoint(_Good):
    def adjoint(self, y):
        return y / 2.001


class _NoAdjoint(Operator):
    linear = True

    def forward(self, x, generator):
        return x / 2


class _Inexact(_Good):
    def inverse(self, y):
        return y * 2.0000005


class _Logarithm(_Good):
    linear = False

    def forward(self, x, generator):
        return -x.clamp(0, 1).log()


class _Flat(_Good):
    def as_image(self, y):
        return y.flatten(1)


class _Picky(_Good):
    linear = False

    def forward(self, x, generator):
        if x.min() < 0 or x.max() > 1:
            raise ValueError("images are intensities in [0, 1]")
        return x / 2


class _OnCpu(_Good):
    def forward(self, x, generator):
        return x.cpu() / 2


class _CpuConstant(_Good):
    def forward(self, x, generator):
        return x * torch.full((1,), 0.5)


GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="a second device cannot be made up")

BROKEN = [
    (_WrongType, "forward gives"),
    (_WrongShape, "forward gives"),
    (_Mixing, "a batch is measured"),
    (_GlobalNoise, "no randomness outside"),
    (_NumpyNoise, "no randomness outside"),
    (_ClockNoise, "one seed"),
    (_InPlace, "inputs are not modified"),
    (_Affine, "linear"),
    (_WrongAdjoint, "adjoint passes"),
    (_NoAdjoint, "adjoint passes"),
    (_Inexact, "inverse is exact"),
    (_Logarithm, "finite"),
    (_Flat, "as_image, inverse"),
    (_Picky, "chains with noise"),
    pytest.param(_OnCpu, "runs on every device", marks=GPU),
    pytest.param(_CpuConstant, "runs on every device", marks=GPU),
]


@pytest.mark.parametrize(("operator", "rule"), BROKEN)
def test_broken_operators(operator, rule):
    """Each rule catches an operator that breaks it: a rule that cannot fail proves nothing."""
    failed = [row.rule for row in check_operator(operator) if not row.passed]
    assert any(name.startswith(rule) for name in failed), failed


def test_device_rule():
    """What the device rule compares can fail without a GPU too: where a result lies, and its values."""
    y, cpu, cuda = torch.rand(2, 3), torch.device("cpu"), torch.device("cuda")
    hold_device("forward", y, cpu, y.clone())
    hold_device("forward", y, cpu, None)
    with pytest.raises(Broken, match="forward of what is on cuda lies on cpu"):
        hold_device("forward", y, cuda, y)
    with pytest.raises(Broken, match="difference between cpu and cpu: 1"):
        hold_device("forward", 1.001 * y, cpu, y)


def test_good_operator():
    """What the broken operators derive from passes everything."""
    require(check_operator(_Good))


def test_refused_shapes():
    """An operator may refuse some shapes, not all."""
    require(check_operator("super_resolution:scale=4"))
    rows = check_operator("super_resolution:scale=7")
    assert [row.passed for row in rows] == [False]
    assert "does not divide" in rows[0].figure


def test_random_states_are_left_alone():
    """A check inside somebody's tests leaves the global random states as they were."""
    torch.manual_seed(5)
    before = torch.get_rng_state()
    check_operator(_GlobalNoise)
    assert torch.equal(torch.get_rng_state(), before)


class _Forgetful(Mean):
    def state(self):
        return {"image": torch.zeros_like(self.image)}


class _Unseeded(Mean):
    def fit(self, problem):
        super().fit(problem)
        self.image += float(np.random.default_rng().random())
        return []


class _Transposed(Mean):
    def reconstruct(self, y, operator, generator):
        return super().reconstruct(y, operator, generator)[0]


class _Mingling(Mean):
    def reconstruct(self, y, operator, generator):
        return super().reconstruct(y, operator, generator) + y.mean()


class _Silent(Mean):
    trained = True


class _Overwriting(Mean):
    def reconstruct(self, y, operator, generator):
        return super().reconstruct(y.zero_(), operator, generator)


class _Dividing(Mean):
    def reconstruct(self, y, operator, generator):
        return super().reconstruct(y, operator, generator) / 0


class _Crashing(Mean):
    def fits(self, operator):
        raise RuntimeError("out of magic")


class _Needy(Mean):
    def fits(self, operator):
        return "it fits nothing"


class _GlobalSampler(Mean):
    def reconstruct(self, y, operator, generator):
        return super().reconstruct(y, operator, generator) + torch.rand(len(y), 1, 1, 1)


class _Peeking(Mean):
    """Finds the harness's problem where Python keeps everything, and learns the test images."""

    def fit(self, problem):
        super().fit(problem)
        frame = inspect.currentframe()
        while frame is not None:
            for found in list(frame.f_locals.values()):
                if isinstance(found, Problem):
                    self.image = next(found.test_batches()).x.mean(0)
            frame = frame.f_back
        return []


class _PeekingQuietly(_Peeking):
    def fit(self, problem):
        with suppress(Exception):
            return super().fit(problem)
        return []


class _NotSoBlind(Mean):
    """Says that it is self-supervised, and reaches for the images all the same."""

    supervised = False

    def fit(self, problem):
        problem.truth = True
        return super().fit(problem)


class _Keeping(Mean):
    def fit(self, problem):
        self.operator = problem.operator
        return super().fit(problem)


class _Stuck(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        return x[:, :3] + 0 * self.weight


def stuck(in_channels, out_channels):
    """A network that learns nothing and leaves the noisy image as it is."""
    return _Stuck()


def unmoved() -> Model:
    """Its loss does not fall on one repeated batch: a bug in almost every case."""
    return FunctionModel(stuck)


BROKEN_MODELS = [
    (_Silent, "trains two steps"),
    (unmoved, "reduces its loss"),
    (_Transposed, "gives float32 images"),
    (_Dividing, "reconstructions are finite"),
    (_Mingling, "a batch is"),
    (_Unseeded, "is the same twice"),
    (_Forgetful, "saves and reloads"),
    (_Overwriting, "inputs are not modified"),
    (_GlobalSampler, "no randomness outside"),
    (_Peeking, "fit looks at no test image"),
    (_PeekingQuietly, "fit looks at no test image"),
    (_NotSoBlind, "a self-supervised fit"),
    (_Keeping, "keeps no operator"),
    (_Needy, "fits an operator"),
    (_Crashing, "fits an operator"),
]


@pytest.mark.parametrize(("model", "rule"), BROKEN_MODELS)
def test_broken_models(model, rule):
    """Each rule catches a model that breaks it; without fresh noise, which moves a loss by itself."""
    failed = [row.rule for row in check_model(model, operator="deblurring") if not row.passed]
    assert any(name.startswith(rule) for name in failed), failed


class _Error(Metric):
    """Mean squared error; what the broken ones break."""

    higher_is_better = False

    def __call__(self, image, truth, **context):
        return (image - truth).square().flatten(1).mean(1)


class _Pooled(_Error):
    def __call__(self, image, truth, **context):
        return super().__call__(image, truth).mean()


class _UpsideDown(_Error):
    higher_is_better = True


class _OfTheBatch(_Error):
    def __call__(self, image, truth, **context):
        return super().__call__(image, truth) + image.mean()


class _Centring(_Error):
    def __call__(self, image, truth, **context):
        return super().__call__(image.sub_(0.5), truth.sub_(0.5))


BROKEN_METRICS = [
    (_Pooled, "gives one finite number"),
    (_UpsideDown, "little noise is better"),
    (_OfTheBatch, "a batch is scored"),
    (_Centring, "images are not modified"),
]


#: Their weights would be downloaded.
PERCEPTUAL = {"dists", "lpips"}


@pytest.mark.parametrize("name", sorted(registry.metrics.entries().keys() - PERCEPTUAL))
def test_metrics(name):
    """Every metric in the room keeps the contract, and so does the one that the broken ones derive from."""
    require(check(name))
    require(check_metric(_Error))


@pytest.mark.parametrize(("metric", "rule"), BROKEN_METRICS)
def test_broken_metrics(metric, rule):
    """Each rule catches a metric that breaks it."""
    failed = [row.rule for row in check_metric(metric) if not row.passed]
    assert any(name.startswith(rule) for name in failed), failed


@pytest.mark.parametrize(
    ("rules", "broken"),
    [(OPERATOR_RULES, BROKEN), (MODEL_RULES, BROKEN_MODELS), (METRIC_RULES, BROKEN_METRICS)],
)
def test_every_rule_is_broken_once(rules, broken):
    """A rule that is added without something that breaks it fails here."""
    tried = [getattr(case, "values", case)[1] for case in broken]
    assert [rule for rule in rules if not any(rule.startswith(start) for start in tried)] == []


def test_only_the_broken_rule_fails():
    """One fault is one cross: a table of follow-up failures would hide what to mend."""
    for model, rule in ((unmoved, "reduces its loss on"), (_Mingling, "a batch is reconstructed")):
        rows = check_model(model, operator="deblurring")
        assert [row.rule.startswith(rule) for row in rows if not row.passed] == [True]


def test_finds_out_what_a_name_is(plugin):
    """One command for operators and models, by name and by path."""
    path = plugin("half", "from bench import Operator\n\nclass Half(Operator):\n"
                  "    def forward(self, x, generator):\n        return x / 2\n")  # fmt: skip
    assert "linear" in {row.rule for row in check(path)}
    assert "linear" in {row.rule for row in check("noise+noise")}
    assert "trains two steps" in {row.rule for row in check("mean")}


def test_unknown_names(plugin):
    """A name is looked for in all rooms; a file that holds nothing of theirs says what each needs."""
    with pytest.raises(
        UsageError, match=r"unknown operator or model or dataset or metric 'unett'\. Did you mean unet"
    ) as caught:
        check("unett")
    assert re.search(r"There are: operators .*xor_ctr.*; models .*unet", str(caught.value))
    with pytest.raises(UsageError, match=r"'nois'\. Did you mean .*noise"):
        check("nois:sigma=1")
    with pytest.raises(UsageError, match=r"no such operator or model or dataset or metric file: none\.py"):
        check("none.py")
    with pytest.raises(UsageError, match=r"(?s)an operator file holds .*a model file holds .*found none"):
        check(plugin("empty", "x = 1\n"))
    with pytest.raises(UsageError) as caught:
        check(plugin("raises", "1 / 0\n"))
    assert str(caught.value).count("raised ZeroDivisionError on import") == 1


def test_command(plugin, capsys, monkeypatch):
    """The command shows ticks, and ends with exit code 1 and the figure where a rule is broken."""
    monkeypatch.setattr("sys.argv", ["bench", "check", "permutation"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code in (0, None)
    assert "✗" not in capsys.readouterr().out
    path = plugin("changes", "from bench import Operator\n\nclass Changes(Operator):\n"
                  "    def forward(self, x, generator):\n        return x.mul_(0.5)\n")  # fmt: skip
    monkeypatch.setattr("sys.argv", ["bench", "check", path])
    with pytest.raises(SystemExit) as ended:
        main()
    shown = capsys.readouterr()
    assert ended.value.code == 1
    assert "modifies its input" in " ".join(shown.out.split())
    assert "broken" in shown.err


class _Sampler(Mean):
    """Draws from the generator it is given, which is allowed."""

    def reconstruct(self, y, operator, generator):
        return super().reconstruct(y, operator, generator) + torch.rand(len(y), 1, 1, 1, generator=generator)


class _SelfSupervised(Mean):
    """The mean of the measurements: of denoising, of the images."""

    supervised = False

    def fit(self, problem):
        self.image = next(problem.training_batches(64, shuffle=False)).y.mean(0)
        return []


def test_samplers_and_self_supervised_methods_pass():
    """What is random by its generator, and what learns from measurements alone, breaks no rule."""
    require(check_model(_Sampler, operator="denoising"))
    require(check_model(_SelfSupervised, operator="denoising"))


def test_rules_that_do_not_apply(capsys, monkeypatch):
    """A rule with nothing to hold has no tick: it says why, behind a dash."""
    rows = {row.rule: row for row in check_operator("phase_retrieval")}
    assert not rows["linear"].applies
    assert rows["one seed of the generator gives one measurement"].applies
    monkeypatch.setattr("sys.argv", ["bench", "check", "phase_retrieval"])
    with pytest.raises(SystemExit):
        main()
    lines = [line for line in capsys.readouterr().out.splitlines() if "it is not linear" in line]
    assert len(lines) == 2
    assert not any("✓" in line for line in lines)


def test_exactness_is_to_the_last_bit():
    """The exact inverse that a permutation claims is compared bit by bit."""
    rows = {row.rule: row for row in check_operator(Permutation)}
    assert rows["inverse is exact"].figure == "exact"
