"""A dataset seen through an operator: the measurements that models get, with their images.

:class:`Problem` is the harness's. A model's ``fit`` is given a :class:`TrainingProblem`, which was made from
the training and validation images alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from bench import registry
from bench.datasets import Splits
from bench.errors import BenchError, UsageError
from bench.operators import Operator
from bench.operators.shared.chain import Chain
from bench.seeding import stream
from bench.spec import Component

#: Test images come in pieces of this many, whatever batch a model works in.
CHUNK = 64


class Batch(NamedTuple):
    """Measurements with the images they were made from.

    Attributes:
        y: ``(B, *measurement_shape)``.
        x: ``(B, C, H, W)``; ``(0, C, H, W)`` from a problem without truth.
        operator: the operator of these items.
    """

    y: Tensor
    x: Tensor
    operator: Operator


def build_operator(parts: Sequence[Component], image_shape: tuple[int, ...], seed: int) -> Operator:
    """The operator that a chain of components names, with the noise that its parts have by themselves.

    Raises:
        UsageError: unknown name or parameter, or a value that the operator refuses.
        BenchError: the code of an operator fails; the operator is named.
    """
    built: list[Operator] = []
    for part in parts:
        shape = built[-1].measurement_shape if built else image_shape
        previous = built[-1] if built else None
        built.append(part.build(registry.operators, image_shape=shape, seed=seed, previous=previous))
    chain: list[Operator] = []
    for place, operator in enumerate(built, start=1):
        noise = operator.own_noise(named=any(later.noise for later in built[place:]))
        chain += [operator] if noise is None else [operator, noise]
    return chain[0] if len(chain) == 1 else Chain(chain)


class TrainingProblem:
    """All that ``Model.fit`` is given: images to learn from, images to choose by, and the operator.

    It is made from the training and validation images alone: through none of its attributes can a test
    image be reached. Order, flips and noise hang on the training seed, so that methods trained with one
    seed see the same batches in the same order.

    Attributes:
        operator: the forward operator, chains included.
        device: where the model works.
        seed: the training seed.
        value_range: lowest and highest value of an image.
        truth: whether it gives images; without, measurements alone (self-supervised methods).
    """

    value_range: tuple[float, float] = (0.0, 1.0)

    def __init__(
        self,
        operator: Operator,
        train: Tensor,
        validation: Tensor,
        seed: int = 0,
        device: torch.device | None = None,
        truth: bool = True,
    ):
        self.operator = operator
        self.seed = seed
        self.device = device or torch.device("cpu")
        self.truth = truth
        self._train = self._placed(train)
        self._validation = self._placed(validation)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Shape of one image, ``(C, H, W)``."""
        channels, height, width = self._train.shape[1:]
        return channels, height, width

    @property
    def train_count(self) -> int:
        """Number of training images."""
        return len(self._train)

    @property
    def validation_count(self) -> int:
        """Number of validation images."""
        return len(self._validation)

    def training_batches(
        self, batch_size: int, epoch: int = 0, shuffle: bool = True, augment: bool = False
    ) -> Iterator[Batch]:
        """Measurements and images of one epoch, on the device; noise is fresh in every epoch.

        Args:
            batch_size: images per batch; the last one may be smaller.
            epoch: number of the epoch: order, flips and noise depend on it and on the seed.
            shuffle: whether the images come in random order.
            augment: whether images are flipped at random, before the operator is applied.
        """
        order = torch.randperm(self.train_count, generator=stream("cpu", self.seed, "order", epoch))
        order = order if shuffle else torch.arange(self.train_count)
        generator = stream(self.device, self.seed, "train", epoch)
        for index in order.split(batch_size):
            x = self._intensities(self._train[index.to(self._train.device)])
            yield self._measured(_flipped(x, generator) if augment else x, generator)

    def validation_batches(self, batch_size: int) -> Iterator[Batch]:
        """Measurements and images of the validation split: the same at every call."""
        generator = stream(self.device, self.seed, "validation")
        for images in self._validation.split(batch_size):
            yield self._measured(self._intensities(images), generator)

    def training_images(self, batch_size: int) -> Iterator[Tensor]:
        """The training images in their own order, ``(B, C, H, W)``, on the device.

        Raises:
            BenchError: the problem gives no truth.
        """
        if not self.truth:
            raise BenchError("this problem gives measurements without images (truth=False)")
        for images in self._train.split(batch_size):
            yield self._intensities(images)

    def _measured(self, x: Tensor, generator: torch.Generator) -> Batch:
        y = self.operator.measure(x, generator)
        return Batch(y, x if self.truth else x[:0].clone(), self.operator)

    def _placed(self, images: Tensor) -> Tensor:
        """Images with memory of their own, on the device if they fit in half of its free memory."""
        if self.device.type == "cuda" and images.nbytes < torch.cuda.mem_get_info(self.device)[0] / 2:
            return images.to(self.device)
        # A view would lead to all that lies in the same memory: the test images.
        return images if images.untyped_storage().nbytes() == images.nbytes else images.clone()

    def _intensities(self, images: Tensor) -> Tensor:
        return images.to(self.device).float() / 255


@dataclass
class Problem:
    """A dataset and an operator: what the harness trains on, through :meth:`training`, and scores by.

    Test measurements depend on (operator, dataset, problem seed) alone: they are made on the CPU, the
    noise of each image from a stream of its own.

    Attributes:
        operator: the forward operator, chains included.
        splits: the images, with validation.
        seed: the problem seed: of key, masks and test noise.
        device: where models work.
    """

    operator: Operator
    splits: Splits
    seed: int = 0
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def __post_init__(self) -> None:
        self.splits = self.splits.with_validation()

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Shape of one image, ``(C, H, W)``."""
        return self.splits.image_shape

    @property
    def value_range(self) -> tuple[float, float]:
        """Lowest and highest value of an image."""
        return TrainingProblem.value_range

    def training(self, seed: int = 0, truth: bool = True) -> TrainingProblem:
        """What ``Model.fit`` is given.

        Args:
            seed: the training seed: of order, flips and training noise.
            truth: whether it gives images, or measurements alone.
        """
        assert self.splits.validation is not None
        return TrainingProblem(
            self.operator, self.splits.train, self.splits.validation, seed, self.device, truth
        )

    def test_batches(self) -> Iterator[Batch]:
        """Measurements and images of the test split, in pieces of 64: the same for every model and device.

        Raises:
            BenchError: the operator broke its contract; its class is named.
        """
        for start in range(0, len(self.splits.test), CHUNK):
            x = self.splits.test[start : start + CHUNK].float() / 255
            y = torch.cat([self._test_measurement(x[i : i + 1], start + i) for i in range(len(x))])
            yield Batch(y.to(self.device), x.to(self.device), self.operator)

    def _test_measurement(self, x: Tensor, number: int) -> Tensor:
        return self.operator.measure(x, stream("cpu", self.seed, "test", number))


def _flipped(x: Tensor, generator: torch.Generator) -> Tensor:
    """Each image mirrored left to right with probability one half."""
    flip = torch.rand(len(x), 1, 1, 1, generator=generator, device=x.device) < 0.5
    return torch.where(flip, x.flip(-1), x)


def check_size(image_shape: tuple[int, ...], smallest: int, name: str) -> None:
    """Raise a UsageError if an image is smaller than ``name`` can take."""
    height, width = image_shape[-2:]
    if min(height, width) < smallest:
        raise UsageError(
            f"{name} needs images of at least {smallest}x{smallest} pixels; these are {height}x{width}"
        )
