"""Operators that differ from item to item: a batch is measured as its items are, one by one."""

import pytest
import torch

import bench
from bench.models.shared.linear import System
from bench.operators.ct import CT
from bench.operators.noise import Noise
from bench.operators.shared.chain import Chain
from bench.operators.shared.items import PerItem, each

SHAPE = (1, 12, 12)


@pytest.fixture
def scanners():
    """Three geometries with one size of sinogram."""
    settings = {"angles": 10, "detectors": 19, "oversample": 1, "sigma": 0.0}
    return [CT(SHAPE, **settings, **own) for own in ({}, {"offset": 1.0}, {"start": 30.0, "right": 2.0})]


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 2, 1, 0], [1, 0]])
def test_a_batch_is_its_items(scanners, order):
    """Forward, adjoint and inverse, item by item, whatever their order; a piece of a batch is its own."""
    operator = each([scanners[k] for k in order])
    drawn = torch.Generator().manual_seed(0)
    x = torch.rand(len(order), *SHAPE, generator=drawn)
    y = torch.rand(len(order), *operator.measurement_shape, generator=drawn)
    for method, batch in (("forward", x), ("adjoint", y), ("inverse", y), ("as_image", y), ("picture", y)):
        together = getattr(operator, method)(*((batch, drawn) if method == "forward" else (batch,)))
        for place, k in enumerate(order):
            alone = getattr(scanners[k], method)(batch[place : place + 1])
            torch.testing.assert_close(together[place : place + 1], alone)
    torch.testing.assert_close(operator.items(1, 2).adjoint(y[1:2]), operator.adjoint(y)[1:2])
    torch.testing.assert_close(operator.forward(x[:1], drawn), operator.forward(x, drawn)[:1])


def test_the_adjoint_and_the_gradient(scanners):
    """<A x, y> = <x, A* y> over the batch, and training runs through it."""
    operator = PerItem(scanners)
    drawn = torch.Generator().manual_seed(0)
    x = torch.rand(3, *SHAPE, generator=drawn, requires_grad=True)
    y = torch.rand(3, *operator.measurement_shape, generator=drawn)
    product = (operator.forward(x, drawn) * y).sum()
    torch.testing.assert_close(product, (x * operator.adjoint(y)).sum())
    product.backward()
    torch.testing.assert_close(x.grad, operator.adjoint(y))


def test_what_is_one_for_all(scanners):
    """Items that were measured alike have the operator itself, whose norm and matrices are kept."""
    one, other = scanners[:2]
    assert each([one, one]) is one
    assert each([one, other, one]).items(2, 3) is one
    noisy = [Chain([each_, Noise(each_.measurement_shape, sigma=0.1)]) for each_ in scanners]
    assert each(noisy).system.operators == scanners
    assert each(noisy).can("inverse")
    assert not each(noisy).linear


def test_its_norm_is_the_largest(scanners):
    """Step sizes hold for every item, and no norm is found twice."""
    device = torch.device("cpu")
    norms = [System(scanner, device).norm for scanner in scanners]
    assert System(each(scanners), device).norm == max(norms)


SCANS = """
import torch
from functools import cache
from bench.datasets import Dataset, Split, Splits
from bench.operators.ct import CT
from bench.operators.shared.items import each

@cache
def scanner(offset):
    return CT((1, 16, 16), angles=12, detectors=25, oversample=1, sigma=0.0, offset=offset)

class Scans(Split):
    def __init__(self, first, count):
        self.first, self.count = first, count
    def __len__(self):
        return self.count
    def __getitem__(self, index):
        at = torch.linspace(-1, 1, 16)
        generator = torch.Generator().manual_seed(self.first + index)
        away = (at[:, None] - 0.4 * torch.rand(1, generator=generator)) ** 2 + at**2
        return (away < 0.3).float()[None]
    def measurement(self, index):
        return self.operator([index]).forward(self[index][None])[0]
    def operator(self, indices):
        return each([scanner(float(index % 3)) for index in indices])

class Scanner(Dataset):
    '''Slices whose detector stood elsewhere each time.'''
    brings_operator = True
    def load(self):
        return Splits(Scans(0, 12), Scans(100, 6), Scans(200, 4))
"""


@pytest.mark.parametrize(
    "model",
    ["unet:width=4", "tv:iterations=20", "cgls:iterations=5", "learned_primal_dual:iterations=2,width=4"],
)
def test_models_learn_from_scans_of_many_geometries(tmp_path, plugin, model):
    """Training, choosing, scoring and timing go by each item's own geometry."""
    record = bench.run("", model, plugin("scans", SCANS), results=tmp_path, epochs=1)
    assert record.status == "ok", record.error
    floor = bench.run("", "mean", plugin("scans", SCANS), results=tmp_path)
    assert record.scores["psnr"] > (0 if model.startswith(("unet", "learned")) else floor.scores["psnr"])
