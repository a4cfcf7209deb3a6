"""What metrics made for pictures share: values in [0, 1], grey or colour, and weights from elsewhere."""

import importlib
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from bench import tensors
from bench.errors import UsageError
from bench.metrics import Metric
from bench.parameters import Parameters


class LearnedMetric(Metric):
    """A metric that is a network with weights from elsewhere: their content is part of a run's name."""

    fetches = True
    network: nn.Module

    def weights(self) -> dict[str, Tensor]:
        """All that was learned."""
        state: dict[str, Tensor] = self.network.state_dict()
        return state

    @classmethod
    def content(cls, params: Mapping[str, Any]) -> str:
        """SHA-256 of all weights; those that are not here are downloaded.

        Raises:
            UsageError: they cannot be had.
        """
        return _weights_digest(cls, Parameters(params))


@lru_cache(maxsize=8)
def _weights_digest(metric: type[LearnedMetric], params: Parameters) -> str:
    return tensors.digest(metric(**params).weights())


def compared(
    image: Tensor, truth: Tensor, data_range: Tensor, compare: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    """``compare`` of pictures: values over the range, cut to [0, 1], in float32, grey or of three channels.

    Of other numbers of channels (the slices of a volume), each channel is a grey picture, and the mean over
    them is returned.
    """
    count, channels, height, width = image.shape
    pair = [(t / data_range.view(-1, 1, 1, 1)).clamp(0, 1).float() for t in (image, truth)]
    if channels != 3:
        pair = [t.reshape(-1, 1, height, width) for t in pair]
    return compare(*pair).double().view(count, -1).mean(1)


def in_colour(image: Tensor) -> Tensor:
    """Grey pictures as three equal channels, which networks trained on colour take."""
    return image.expand(-1, 3, -1, -1)


def library(name: str, metric: str) -> ModuleType:
    """An optional library that a metric is computed by.

    Raises:
        UsageError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise UsageError(
            f"the metric {metric} needs {package}: pip install 'invbench[metrics]' ({error})"
        ) from error


@contextmanager
def fetching(metric: str, weights: str) -> Iterator[None]:
    """The block may download weights, which are read as tensors alone: nothing in them is executed.

    Raises:
        UsageError: they are not here, and cannot be fetched or read.
    """
    before = os.environ.get("TORCH_FORCE_WEIGHTS_ONLY_LOAD")
    os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"] = "1"
    try:
        yield
    except Exception as error:
        folder = Path(torch.hub.get_dir(), "checkpoints")
        raise UsageError(
            f"the metric {metric} needs {weights}, which could not be had ({error}). Where there is no "
            f"network, put them into {folder}."
        ) from error
    finally:
        if before is None:
            del os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"]
        else:
            os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"] = before
