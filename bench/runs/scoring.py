"""Metrics of reconstructions under a protocol: one row per scoring unit."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from bench import registry
from bench.component import Component
from bench.errors import BenchError, UsageError
from bench.metrics import Metric
from bench.operators import Operator
from bench.operators.shared.chain import last_noise
from bench.plugins import guard
from bench.problem import Batch
from bench.protocols import Protocol, find
from bench.protocols.prepare import prepare

#: What is always computed.
ALWAYS = ("psnr", "ssim")

#: A value for each image or unit, by metric; None where a metric has no meaning.
Values = Mapping[str, Tensor | None]


def build(components: Sequence[Component], protocol: str) -> dict[str, Metric]:
    """PSNR, SSIM and further metrics by the name of their column, with the protocol's parameters.

    Raises:
        UsageError: an unknown metric or parameter, one name for two metrics, weights that cannot be had.
    """
    parameters = find(protocol).metrics
    wanted = dict.fromkeys([*map(Component, ALWAYS), *components])
    labels = Counter(component.label for component in wanted)
    if twice := [label for label, count in labels.items() if count > 1]:
        raise UsageError(f"two metrics are called {twice[0]}: their columns could not be told apart")
    return {
        component.label: component.checked(registry.metrics, parameters.get(component.name)).build(
            registry.metrics
        )
        for component in wanted
    }


@torch.no_grad()
def tried(
    metrics: Mapping[Component, Metric], protocol: str, batch: Batch, value_range: tuple[float, float]
) -> None:
    """Compute metrics of a batch whose images come back a little too dark.

    Raises:
        UsageError: a metric raises something, or returns something else than one number per image.
    """

    def score(scoring: Scoring) -> None:
        try:
            scoring.images(0.9 * batch.x, batch, [""] * len(batch.x))
        except BenchError as error:
            raise UsageError(str(error)) from error

    for component, metric in metrics.items():
        scoring = Scoring(find(protocol), {component.label: metric}, value_range)
        origin = registry.metrics.find(component.name).origin
        guard(origin, partial(score, scoring), "on a training image")


@dataclass(frozen=True)
class Scoring:
    """What is computed, and of what.

    Attributes:
        protocol: how images are prepared.
        metrics: by the name of their column.
        value_range: lowest and highest value of the dataset's images.
    """

    protocol: Protocol
    metrics: Mapping[str, Metric]
    value_range: tuple[float, float]

    def measured(self, image: Tensor, batch: Batch) -> Values:
        """The metrics of the measurement, for each image as it was reconstructed."""
        wanted = {name: metric for name, metric in self.metrics.items() if metric.of_measurement}
        whole = _range_of(self.value_range, image)
        return {
            name: _values(name, metric, image, batch.x, batch.y, batch.operator, whole)
            for name, metric in wanted.items()
        }

    def compared(self, image: Tensor, truth: Tensor, y: Tensor, operator: Operator) -> Values:
        """The other metrics, for each image as the protocol prepares it."""
        finite = image.isfinite().flatten(1).all(1)
        prepared = prepare(self.protocol, image, truth, self.value_range, operator)
        # Cut to the range, an infinite pixel would look like any other.
        mark = torch.where(finite, 0.0, torch.nan).to(prepared.image.dtype)
        shown = prepared.image + mark.view(-1, *[1] * (image.dim() - 1))
        return {
            name: _values(name, metric, shown, prepared.truth, y, operator, prepared.data_range)
            for name, metric in self.metrics.items()
            if not metric.of_measurement
        }

    def images(self, image: Tensor, batch: Batch, groups: Sequence[str]) -> list[dict[str, Any]]:
        """One row per image."""
        values = {
            **self.compared(image, batch.x, batch.y, batch.operator),
            **self.measured(image, batch),
        }
        columns = {name: values[name] for name in self.metrics}
        lists = {name: v if v is None else v.tolist() for name, v in columns.items()}
        return [
            {name: None if v is None else v[i] for name, v in lists.items()} | {"group": group}
            for i, group in enumerate(groups)
        ]

    def volume(self, name: str, slices: Sequence["Slice"], operator: Operator) -> dict[str, Any]:
        """The row of one volume: its slices are the channels of one image."""
        try:
            image = torch.cat([s.image for s in slices])[None]
            truth = torch.cat([s.truth for s in slices])[None]
        except RuntimeError as error:
            raise BenchError(f"the slices of volume {name} are not of one size") from error
        values = self.compared(image, truth, image.new_zeros(0, *operator.measurement_shape), operator)
        row: dict[str, Any] = {}
        for metric in self.metrics:
            if metric in values:
                value = values[metric]
                row[metric] = None if value is None else value.item()
            else:
                parts = [s.measured[metric] for s in slices]
                row[metric] = None if None in parts else sum(parts) / len(parts)  # type: ignore[arg-type]
        return row | {"group": name}


@dataclass(frozen=True)
class Slice:
    """One image of a volume: reconstruction, truth, and the metrics of its measurement."""

    image: Tensor
    truth: Tensor
    measured: Mapping[str, float | None]


class Volumes:
    """Collects the slices of each volume until it is whole; they may come in any order.

    Args:
        groups: the volume of each test image.
    """

    def __init__(self, groups: Sequence[str]):
        self._coming = iter(groups)
        self._sizes = Counter(groups)
        self._parts: defaultdict[str, list[Slice]] = defaultdict(list)

    def completed(self, image: Tensor, truth: Tensor, measured: Values) -> Iterator[tuple[str, list[Slice]]]:
        """The volumes that are whole with the next images."""
        lists = {name: None if v is None else v.tolist() for name, v in measured.items()}
        for i in range(len(image)):
            name = next(self._coming)
            own = {metric: None if v is None else v[i] for metric, v in lists.items()}
            self._parts[name].append(Slice(image[i], truth[i], own))
            if len(self._parts[name]) == self._sizes[name]:
                yield name, self._parts.pop(name)


def _range_of(value_range: tuple[float, float], image: Tensor) -> Tensor:
    low, high = value_range
    return torch.full((len(image),), high - low, dtype=torch.float64, device=image.device)


def _values(
    name: str, metric: Metric, image: Tensor, truth: Tensor, y: Tensor, operator: Operator, data_range: Tensor
) -> Tensor | None:
    """One float64 per image; of an image with a pixel that is not finite, the metric's worst.

    Raises:
        BenchError: the metric gave something else.
    """
    finite = image.isfinite().flatten(1).all(1)
    image = torch.where(finite.view(-1, *[1] * (image.dim() - 1)), image, 0)
    values = metric(image, truth, y=y, operator=operator, noise=last_noise(operator), data_range=data_range)
    if values is None:
        return None
    if not isinstance(values, Tensor) or values.shape != (len(image),) or values.is_complex():
        got = f"{values.dtype} {tuple(values.shape)}" if isinstance(values, Tensor) else type(values).__name__
        raise BenchError(f"the metric {name} must return ({len(image)},) real numbers or None, not {got}")
    values = torch.where(finite, values.double(), metric.worst)
    if values.isnan().any():
        raise BenchError(f"the metric {name} gave NaN for an image that is finite; None says no meaning")
    return values
