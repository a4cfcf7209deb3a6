"""What an operator is like, in numbers: measured on a dataset's images, the noise of a chain left out."""

import math
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from bench.errors import BenchError, reason
from bench.metrics import mean_score
from bench.metrics.psnr import psnr
from bench.operators import Operator
from bench.operators.shared.chain import without_noise
from bench.problem import Problem
from bench.runs.record import strict
from bench.seeding import stream

#: Images that it is measured on, pixels that are changed in each.
IMAGES, PIXELS = 8, 8
#: Entries of a matrix whose singular values are all computed; above, steps of a Krylov method.
DENSE, STEPS = 2**24, 60


@dataclass(frozen=True)
class Certificate:
    """Properties of an operator on a dataset's images; noise in a chain counts for ``inverse_psnr`` only.

    Attributes:
        measurement_shape: shape of one measurement.
        compression: values of an image over values of its measurement.
        random: whether the noise-free operator is random all the same (a fresh iv).
        discontinuity: relative change of y over relative change of x, |dy| / |y| : |dx| / |x|, where one
            pixel changes by one grey level; mean over pixels and images; 1 for the identity.
        influence: share of the measurement's values that change with one pixel.
        reach: how far away in pixels the farthest of them lies, mean; None where measurements have no
            pixels.
        equivariance_error: |A S x - S A x| / |A x - mean A x| for a shift S by one pixel right and down,
            seen by ``as_image``; 0 if equivariant, about 1.4 if unrelated.
        linearity_error: |A(0.3 x + 0.5 z) - 0.3 A x - 0.5 A z| / |0.3 A x + 0.5 A z|.
        norm: largest singular value of a linear operator, None of others; of one channel, and beyond some
            32x32 pixels a lower bound.
        condition: largest over smallest singular value that is not 0; in the same way.
        model_error: |A x - S x| / |A x| of a linear operator, S being ``system``, which reconstructions
            compute with; 0 is the "inverse crime": data and reconstruction share one discretisation.
        inverse_psnr: mean PSNR of the closed-form inverse in dB on noisy measurements; None without one.
        summary: the same in a plain sentence.
    """

    measurement_shape: tuple[int, ...]
    compression: float
    random: bool
    discontinuity: float
    influence: float
    reach: float | None
    equivariance_error: float
    linearity_error: float
    norm: float | None
    condition: float | None
    model_error: float | None
    inverse_psnr: float | None
    summary: str = ""

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary, infinite numbers as text: what a record keeps as ``data["certificate"]``."""
        content: dict[str, Any] = strict(asdict(self))
        return content


def certify(problem: Problem) -> Certificate:
    """Measure the operator of a problem on the first test images.

    Raises:
        BenchError: the operator's own code fails.
    """
    try:
        return _certified(problem)
    except BenchError:
        raise
    except Exception as error:
        name = type(problem.operator).__name__
        raise BenchError(f"{name} cannot be measured: {reason(error)}") from error


def _certified(problem: Problem) -> Certificate:
    _, x, whole = next(problem.test_batches())
    x, operator = x[:IMAGES].cpu(), without_noise(whole)

    def measure(images: Tensor) -> Tensor:
        return operator.measure(images.clone(), torch.Generator().manual_seed(0))

    again = operator.measure(x.clone(), torch.Generator().manual_seed(1))
    discontinuity, influence, reach = _one_pixel(measure, x)
    norm, condition = _singular_values(operator.system) if operator.linear else (None, None)
    facts: dict[str, Any] = {
        "measurement_shape": whole.measurement_shape,
        "compression": math.prod(whole.image_shape) / math.prod(whole.measurement_shape),
        "random": not torch.equal(measure(x), again),
        "discontinuity": discontinuity,
        "influence": influence,
        "reach": reach,
        "equivariance_error": _equivariance_error(lambda images: operator.as_image(measure(images)), x),
        "linearity_error": _linearity_error(measure, x),
        "norm": norm,
        "condition": condition,
        "model_error": _model_error(measure, operator.system, x) if operator.linear else None,
        "inverse_psnr": _inverse_psnr(problem) if whole.can("inverse") else None,
    }
    return Certificate(**facts, summary=_summary(operator, **facts))


def _one_pixel(measure: Callable[[Tensor], Tensor], x: Tensor) -> tuple[float, float, float | None]:
    """Discontinuity, influence and reach, from one pixel after another changed by one grey level."""
    y, (height, width) = measure(x), x.shape[-2:]
    places = torch.randint(height * width, (PIXELS,), generator=stream("cpu", "pixels")).tolist()
    ratios: list[Tensor] = []
    shares: list[Tensor] = []
    reaches: list[float] = []
    for row, column in (divmod(place, width) for place in places):
        changed = x.clone()
        pixel = changed[..., row, column]
        changed[..., row, column] = torch.where(pixel < 0.5, pixel + 1 / 255, pixel - 1 / 255)
        dy, dx = (measure(changed) - y).double(), (changed - x).double()
        ratios.append(_relative(dy, y) / _relative(dx, x))
        touched = dy.abs() > 1e-6 * dy.abs().flatten(1).amax(1).view(-1, *[1] * (dy.dim() - 1))
        shares.append(touched.double().mean())
        reaches += _distances(touched, row, column, (height, width))
    reach = sum(reaches) / len(reaches) if reaches else None
    return float(torch.cat(ratios).mean()), float(torch.stack(shares).mean()), reach


def _relative(change: Tensor, values: Tensor) -> Tensor:
    scale = values.double().flatten(1).norm(dim=1).clamp_min(1e-12)
    relative: Tensor = change.flatten(1).norm(dim=1) / scale
    return relative


def _distances(touched: Tensor, row: int, column: int, size: tuple[int, int]) -> Iterable[float]:
    """For each image the distance of the farthest measurement touched, if measurements are images."""
    if touched.dim() != 4:
        return
    scale = size[0] / touched.shape[2]
    if scale != size[1] / touched.shape[3] or scale != int(scale):
        return
    for mask in touched.any(1):
        rows, columns = mask.nonzero().unbind(1)
        if len(rows):
            at = int(row // scale), int(column // scale)
            yield float(torch.hypot((rows - at[0]).double(), (columns - at[1]).double()).max() * scale)


def _equivariance_error(see: Callable[[Tensor], Tensor], x: Tensor) -> float:
    shifted, seen = see(x.roll((1, 1), (-2, -1))), see(x)
    expected = seen.roll((1, 1), (-2, -1))
    contrast = (seen - seen.mean((-2, -1), keepdim=True)).norm().clamp_min(1e-12)
    return float((shifted - expected).norm() / contrast)


def _linearity_error(measure: Callable[[Tensor], Tensor], x: Tensor) -> float:
    z = x.roll(1, 0) if len(x) > 1 else x.flip(-1)
    expected = 0.3 * measure(x) + 0.5 * measure(z)
    return float((measure(0.3 * x + 0.5 * z) - expected).norm() / expected.norm().clamp_min(1e-12))


def _model_error(measure: Callable[[Tensor], Tensor], system: Operator, x: Tensor) -> float:
    y = measure(x)
    gap = y - system.measure(x.clone(), torch.Generator().manual_seed(0))
    return float(gap.norm() / y.norm().clamp_min(1e-12))


def _singular_values(system: Operator) -> tuple[float, float]:
    """Norm and condition, of the first channel exactly if that is small, else bounds for them."""
    _, *size = system.image_shape
    values = math.prod(size) * math.prod(system.measurement_shape)
    squares = _all_squares(system) if values <= DENSE else _krylov_squares(system)
    squares = squares[squares > 1e-13 * squares.max()]
    return float(squares.max().sqrt()), float((squares.max() / squares.min()).sqrt())


def _all_squares(system: Operator) -> Tensor:
    """Squared singular values on images that are black but for their first channel."""
    channels, height, width = system.image_shape
    basis = torch.zeros(height * width, channels, height, width, dtype=_precision(system))
    basis[:, 0] = torch.eye(height * width).view(-1, height, width)
    rows = system.forward(basis, torch.Generator()).flatten(1).double()
    squares: Tensor = torch.linalg.eigvalsh(rows @ rows.T)
    return squares


def _krylov_squares(system: Operator) -> Tensor:
    """Squared singular values of the operator on a Krylov space of ``A* A``: they lie between its own.

    The space grows until rounding errors could have left the row space of the operator.
    """
    shape, random = (1, *system.image_shape), torch.Generator().manual_seed(0)
    x = torch.randn(shape, generator=random, dtype=_precision(system))
    vector = system.adjoint(system.forward(x, random)).flatten()
    basis, images, growth = list[Tensor](), list[Tensor](), 1.0
    while len(basis) < STEPS and growth < 1e8:
        basis.append(vector / vector.norm())
        images.append(system.forward(basis[-1].view(shape), random).flatten().double())
        back = system.adjoint(images[-1].to(x.dtype).view(1, *system.measurement_shape)).flatten()
        vector, stacked = back, torch.stack(basis)
        for _ in range(2):
            vector = vector - stacked.T @ (stacked @ vector)
        growth *= float(back.norm() / vector.norm().clamp_min(1e-30))
    rows = torch.stack(images)
    squares: Tensor = torch.linalg.eigvalsh(rows @ rows.T)
    return squares


def _precision(system: Operator) -> torch.dtype:
    """float64 where the operator keeps it, else float32."""
    zero = torch.zeros(1, *system.image_shape, dtype=torch.float64)
    try:
        result = system.forward(zero, torch.Generator())
    except RuntimeError:
        return torch.float32
    return result.dtype


def _inverse_psnr(problem: Problem) -> float:
    y, x, operator = next(problem.test_batches())
    return mean_score(psnr(operator.inverse(y), x))


def _plain(value: float) -> str:
    """Three digits, without an exponent: ``2,260,000``."""
    return f"{float(f'{value:.3g}'):,.0f}" if 100 <= value < 1e12 else f"{value:.3g}"


def _summary(operator: Operator, **facts: Any) -> str:
    """The figures as a sentence, from thresholds that are stated in it."""
    words = []
    error, jump = facts["linearity_error"], facts["discontinuity"]
    words.append("linear" if error < 1e-4 else f"not linear (error {error:.2g})")
    if facts["condition"] is not None:
        condition = facts["condition"]
        kind = "well" if condition < 10 else "moderately" if condition < 100 else "ill"
        words.append(f"{kind} conditioned (condition number {_plain(condition)} or more)")
    if jump > 3:
        words.append(f"discontinuous (one grey level in one pixel changes y {jump:.0f} times as much as x)")
    else:
        words.append("continuous")
    shift = facts["equivariance_error"]
    words.append("translation equivariant" if shift < 1e-3 else f"not translation equivariant ({shift:.2g})")
    share, reach = facts["influence"], facts["reach"]
    if reach is None:
        words.append(f"one pixel changes {100 * share:.1f} % of the measurement")
    elif reach < 0.5:
        words.append("local: a pixel's influence stays in its pixel")
    else:
        words.append(
            f"a pixel's influence reaches {reach:.1f} pixels and {100 * share:.1f} % of the measurement"
        )
    if facts["random"]:
        words.append("random")
    gap = facts["model_error"]
    if gap is not None and not operator.exact_inverse:
        how = f"{100 * gap:.1f} % off the model" if gap else "with the very model"
        crime = "" if gap else " (the inverse crime)"
        words.append(f"simulated {how} that reconstructions compute with{crime}")
    return "; ".join(words).capitalize() + "."
