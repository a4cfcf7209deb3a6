"""Landweber and CGLS against LAPACK's least squares, and the number at which they stop."""

from itertools import islice

import numpy as np
import pytest
import torch
from scipy.sparse.linalg import lsqr

from bench.datasets import Splits
from bench.metrics.psnr import psnr
from bench.models.cgls import CGLS
from bench.models.landweber import Landweber
from bench.models.shared.linear import System
from bench.operators.ct import CT
from bench.operators.noise import Noise
from bench.operators.shared.chain import Chain
from bench.problem import Problem
from bench.runs.evaluation import reconstructed

CPU = torch.device("cpu")


def data(model, operator, count: int = 3):
    """Iterates on measurements that no image has (float64), those measurements, and the matrix."""
    system = System(operator, CPU)
    generator = torch.Generator().manual_seed(1)
    y = torch.rand(count, *operator.measurement_shape, generator=generator, dtype=torch.float64)
    units = torch.eye(int(np.prod(operator.image_shape)), dtype=torch.float64)
    matrix = operator.forward(units.view(-1, *operator.image_shape), generator).flatten(1).T
    return model.iterates(system, system.scaled(y)), y, matrix.numpy()


@pytest.mark.parametrize(("model", "steps"), [(Landweber(), 1500), (CGLS(), 25)])
@pytest.mark.parametrize("setting", [{"angles": 12, "detectors": 21, "detector_width": 0.4}, {"angles": 3}])
def test_least_squares(model, steps, setting):
    """Both converge to the least-squares solution of smallest norm, of full rank (25) and of less (16)."""
    iterates, y, matrix = data(model, CT((1, 5, 5), oversample=1, **setting))
    x = next(islice(iterates, steps - 1, None)).flatten(1).T.numpy()
    expected = np.linalg.lstsq(matrix, y.flatten(1).T.numpy(), rcond=1e-9)[0]
    np.testing.assert_allclose(x, expected, atol=1e-6)


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_cgls_is_lsqr(steps):
    """After any number of steps CGLS has SciPy's LSQR iterate, image by image: the two are equivalent."""
    model = CGLS()
    iterates, y, matrix = data(model, CT((1, 8, 8), angles=6, oversample=1))
    x = next(islice(iterates, steps - 1, None))
    for image, measurement in zip(x, y, strict=True):
        expected = lsqr(matrix, measurement.flatten().numpy(), atol=0, btol=0, iter_lim=steps)[0]
        np.testing.assert_allclose(image.flatten().numpy(), expected, rtol=1e-6, atol=1e-9)


def test_cgls_stays_when_solved():
    """A black image and one that is found in one step stay as they are: no 0 / 0."""
    system = System(Noise((1, 4, 4)), CPU)
    y = torch.stack([torch.zeros(1, 4, 4), torch.ones(1, 4, 4)])
    torch.testing.assert_close(next(islice(CGLS().iterates(system, system.scaled(y)), 20, None)), y)


@pytest.mark.parametrize("model", [Landweber(30), CGLS(30)])
def test_early_stopping(model):
    """The iterate that is taken is the best on the validation split, and noise makes it an early one."""
    images = torch.zeros(8, 1, 16, 16, dtype=torch.uint8)
    images[:, :, 4:12, 6:10] = 200
    operator = Chain([CT((1, 16, 16), angles=12), Noise((1, 12, 23), sigma=0.05)])
    problem = Problem(operator, Splits(images, images, images))
    model.fit(problem.training())
    batch = next(problem.training().validation_batches(64))
    system = System(operator, CPU)
    scores = [
        float(psnr(image, batch.x).mean())
        for image in islice(model.iterates(system, system.scaled(batch.y)), 30)
    ]
    assert int(model.chosen) == 1 + int(np.argmax(scores)) < 30
    assert model.trials == 30
    assert float(psnr(reconstructed(model, batch), batch.x).mean()) == pytest.approx(max(scores))


@pytest.mark.parametrize("model", [Landweber, CGLS])
def test_bad_values(model):
    """A number of iterations that means nothing is refused, naming it."""
    with pytest.raises(ValueError, match="iterations must be at least 1, not 0"):
        model(iterations=0)
