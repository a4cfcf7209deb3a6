"""The linear part of an operator, which classical and unrolled methods compute with."""

import gc
import weakref

import pytest
import torch

from bench import registry
from bench.component import parse_chain
from bench.models.landweber import Landweber
from bench.models.shared import linear
from bench.models.shared.linear import System, linear_part, why_not_linear
from bench.operators import Operator
from bench.operators.ct import CT
from bench.problem import build_operator

CPU = torch.device("cpu")


def operator(text: str, shape: tuple[int, ...] = (1, 12, 12)) -> Operator:
    """An operator by its text form."""
    return build_operator([part.checked(registry.operators) for part in parse_chain(text)], shape, 0)


class Stretch(Operator):
    """Twice the image, without the adjoint."""

    linear = True

    def forward(self, x, generator):
        return 2 * x


@pytest.mark.parametrize("text", ["denoising", "noise:sigma=0.1+noise:photons=9"])
def test_noise_alone_is_the_identity(text):
    """Denoising is a linear problem with A = 1, so that every linear method serves it too."""
    x = torch.rand(2, 1, 12, 12)
    assert torch.equal(linear_part(operator(text)).forward(x, None), x)


def test_noise_is_left_out():
    """Behind noise and with a finer simulation, methods compute with the operator itself."""
    x = torch.rand(2, 1, 12, 12)
    part = linear_part(operator("ct:angles=7,oversample=2+noise:sigma=0.5"))
    torch.testing.assert_close(part.forward(x, None), CT((1, 12, 12), angles=7, oversample=1).forward(x))


@pytest.mark.parametrize("text", ["ct:angles=5", "mri", "deblurring", "super_resolution:scale=2"])
def test_norm(text):
    """The norm is the largest singular value of the matrix that the operator is, by LAPACK."""
    system = System(operator(text), CPU)
    units = torch.eye(144).view(144, 1, 12, 12)
    matrix = system.operator.forward(units, system.generator).flatten(1)
    largest = torch.linalg.matrix_norm(matrix, 2)
    assert largest <= system.norm <= 1.011 * largest


@pytest.mark.parametrize(("text", "most"), [("ct:angles=5", 25), ("super_resolution:scale=2", 100)])
def test_power_iteration_ends_where_nothing_moves(text, most, monkeypatch):
    """The steps that are left out change the norm by less than float32 can tell, none are left out before."""
    system = System(operator(text, (1, 16, 16)), CPU)
    steps, adjoint = [], system.adjoint
    monkeypatch.setattr(system, "adjoint", lambda y: steps.append(1) or adjoint(y))
    system.norm = 1.0
    short = system._norm(CPU)
    assert len(steps) <= most
    monkeypatch.setattr(linear, "SETTLED", -1.0)
    assert short == pytest.approx(system._norm(CPU), rel=1e-6)
    assert len(steps) > 100


def test_norm_of_zero():
    """An operator that measures nothing gives zeros, not NaN."""

    class Nothing(Stretch):
        def forward(self, x, generator):
            return 0 * x

        def adjoint(self, y):
            return 0 * y

    iterates = Landweber().iterates(System(Nothing((1, 4, 4)), CPU), torch.zeros(2, 1, 4, 4))
    assert torch.equal(next(iterates), torch.zeros(2, 1, 4, 4))


def test_norm_is_found_once(monkeypatch):
    """An operator's norm is remembered while the operator lives, on it nothing is written, and no longer."""
    given, calls = CT((1, 8, 8), angles=3), []
    find = System._norm
    monkeypatch.setattr(System, "_norm", lambda self, device: calls.append(1) or find(self, device))
    before = dict(vars(given))
    norms = {System(given, CPU).norm for _ in range(3)}
    assert len(norms) == len(calls) == 1
    assert set(vars(given)) == set(before)
    kept = weakref.ref(given)
    del given
    gc.collect()
    assert kept() is None


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (operator("xor_ctr", (3, 12, 12)), "XorCtr is not linear"),
        (operator("phase_retrieval+noise:sigma=0.1"), "PhaseRetrieval is not linear"),
        (Stretch((1, 4, 4)), "Stretch has no adjoint"),
    ],
)
def test_others_are_refused(given, reason):
    """What cannot work is refused before anything is computed, with the reason."""
    assert why_not_linear(given).endswith(reason)
    assert "linear apart from noise, with its adjoint" in Landweber().fits(given)
