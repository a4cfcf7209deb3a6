"""A dataset seen through an operator: the measurements that models get, with their images.

:class:`Problem` is the harness's. A model's ``fit`` is given a :class:`TrainingProblem`, which was made from
the training and validation images alone.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from bench import registry
from bench.component import Component
from bench.datasets import Split, Splits
from bench.datasets.shared.reading import Reader, Source, Wanted
from bench.datasets.shared.split import one_size
from bench.errors import BenchError, UsageError
from bench.operators import Operator
from bench.operators.shared.chain import Chain
from bench.seeding import stream

#: Test images come in pieces of this many, whatever batch a model works in; of fewer where what was recorded
#: of them takes more bytes.
CHUNK, PIECE = 64, 2**27


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


def build_operator(
    parts: Sequence[Component], image_shape: tuple[int, ...], seed: int, dtype: torch.dtype = torch.float32
) -> Operator:
    """The operator that a chain of components names, with the noise that its parts have by themselves.

    Args:
        parts: the chain, left to right.
        image_shape: ``(C, H, W)``.
        seed: the problem seed.
        dtype: of the images: float32 or complex64.

    Raises:
        UsageError: unknown name or parameter, or a value that the operator refuses.
        BenchError: the code of an operator fails; the operator is named.
    """
    built: list[Operator] = []
    for part in parts:
        shape = built[-1].measurement_shape if built else image_shape
        previous = built[-1] if built else None
        operator: Operator = part.build(registry.operators, image_shape=shape, seed=seed, previous=previous)
        if previous is not None:
            black = torch.zeros(1, *previous.image_shape, dtype=previous.image_dtype)
            dtype = previous.forward(black, torch.Generator().manual_seed(0)).dtype
        operator.image_dtype = dtype
        built.append(operator)
    chain: list[Operator] = []
    for place, operator in enumerate(built, start=1):
        noise = operator.own_noise(named=any(later.noise for later in built[place:]))
        chain += [operator] if noise is None else [operator, noise]
    return chain[0] if len(chain) == 1 else Chain(chain)


class TrainingProblem:
    """All that ``Model.fit`` is given: images to learn from, images to choose by, and the operator.

    It is made from the training and validation images alone: through none of its attributes can a test
    image be reached. Order, windows, flips and noise hang on the training seed, so that methods trained
    with one seed see the same batches in the same order.

    Args:
        operator: the forward operator, chains included; of training's windows where it takes those.
        train: training images.
        validation: images to choose by.
        seed: the training seed.
        device: where the model works.
        truth: whether it gives images; without, measurements alone (self-supervised methods).

    Attributes:
        image_shape: shape of one image, ``(C, H, W)``.
        value_range: lowest and highest value of an image.
    """

    def __init__(
        self,
        operator: Operator,
        train: Reader,
        validation: Reader,
        seed: int = 0,
        device: torch.device | None = None,
        truth: bool = True,
    ):
        self.operator = operator
        self.seed = seed
        self.device = device or torch.device("cpu")
        self.truth = truth
        self.value_range = train.values.value_range
        self._train = Source(train, self.device)
        self._validation = Source(validation, self.device)
        height, width = train.size or (0, 0)
        self.image_shape = (train.split[0].shape[0], height, width)

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
        """Measurements and images of one epoch, on the device; noise and windows are fresh in every epoch.

        Args:
            batch_size: images per batch; the last one may be smaller.
            epoch: number of the epoch: order, windows, flips and noise depend on it and on the seed.
            shuffle: whether the images come in random order.
            augment: whether images are flipped at random, before the operator is applied.
        """
        order = torch.randperm(self.train_count, generator=stream("cpu", self.seed, "order", epoch))
        order = order if shuffle else torch.arange(self.train_count)
        places = torch.rand(self.train_count, 2, generator=stream("cpu", self.seed, "windows", epoch))
        generator = stream(self.device, self.seed, "train", epoch)
        yield from self._batches(self._train, order, places, batch_size, generator, augment)

    def validation_batches(self, batch_size: int) -> Iterator[Batch]:
        """Measurements and images of the validation split: the same at every call; of windows, the middle."""
        generator = stream(self.device, self.seed, "validation")
        yield from self._batches(self._validation, *_middle(self.validation_count), batch_size, generator)

    def training_images(self, batch_size: int) -> Iterator[Tensor]:
        """The training images in their own order, ``(B, C, H, W)``, on the device; of windows, the middle.

        Raises:
            BenchError: the problem gives no truth.
        """
        if not self.truth:
            raise BenchError("this problem gives measurements without images (truth=False)")
        wanted = _wanted(*_middle(self.train_count), batch_size)
        for x, _ in self._train.without_measurements().batches(wanted):
            yield x

    def _batches(
        self,
        source: Source,
        order: Tensor,
        places: Tensor,
        batch_size: int,
        generator: torch.Generator,
        augment: bool = False,
    ) -> Iterator[Batch]:
        wanted = _wanted(order, places, batch_size)
        for each, (x, recorded) in zip(wanted, source.batches(wanted), strict=True):
            operator = source.operator(each.indices) or self.operator
            images = _flipped(x, generator) if augment and recorded is None else x
            y = operator.measure(images, generator) if recorded is None else recorded
            yield Batch(y, images if self.truth else images[:0].clone(), operator)


class Problem:
    """A dataset and an operator: what the harness trains on, through :meth:`training`, and scores by.

    Test measurements depend on (operator, dataset, problem seed) alone: they are made on the CPU, the
    noise of each image from a stream of its own.

    Args:
        operator: the forward operator, chains included, for images of ``splits.image_shape``. None: the
            dataset's own, which its recorded measurements belong to.
        splits: the images; validation is cut from the training images where there is none.
        seed: the problem seed: of key, masks and test noise.
        device: where models work.
        build: the operator for images of another shape: where test images differ in size.

    Attributes:
        image_shape: shape of one image in training, ``(C, H, W)``.
        recorded: whether measurements are the dataset's own.

    Raises:
        UsageError: the dataset brings no operator, and none is given.
    """

    def __init__(
        self,
        operator: Operator | None,
        splits: Splits,
        seed: int = 0,
        device: torch.device | None = None,
        build: Callable[[tuple[int, int, int]], Operator] | None = None,
    ):
        self.splits = splits.with_validation()
        self.seed, self.build = seed, build
        self.device = device or torch.device("cpu")
        self.image_shape = self.splits.image_shape
        self.recorded = operator is None
        self.operator = operator or self._own_operator()
        self._operators = {self.image_shape: self.operator}

    @property
    def value_range(self) -> tuple[float, float]:
        """Lowest and highest value of an image."""
        return self.splits.value_range

    def training(self, seed: int = 0, truth: bool = True) -> TrainingProblem:
        """What ``Model.fit`` is given.

        Args:
            seed: the training seed: of order, windows, flips and training noise.
            truth: whether it gives images, or measurements alone.
        """
        assert self.splits.validation is not None
        train = self._reader(self.splits.train, "training image")
        validation = self._reader(self.splits.validation, "validation image")
        return TrainingProblem(self.operator, train, validation, seed, self.device, truth)

    def test_batches(self) -> Iterator[Batch]:
        """Measurements and images of the test split, the same for every model and device.

        They come in pieces of 64; one by one where they differ in size.

        Raises:
            BenchError: the operator broke its contract; its class is named.
        """
        split = self.splits.test
        size = one_size(split)
        reader = Reader(split, self.splits.values, size, self.recorded, "test image")
        for indices in torch.arange(len(split)).split(self._piece() if size else 1):
            numbers = indices.tolist()
            stored = reader.read(Wanted(numbers, torch.zeros(len(numbers), 2)))
            x = self.splits.values(stored.images)
            operator = self._test_operator(numbers, x)
            y = stored.measurements
            if y is None:
                y = torch.cat([self._measured(x[k : k + 1], i) for k, i in enumerate(numbers)])
            yield Batch(y.to(self.device), x.to(self.device), operator)

    def _piece(self) -> int:
        recorded = self.splits.test.measurement(0) if self.recorded else None
        return CHUNK if recorded is None else min(CHUNK, max(1, PIECE // recorded.nbytes))

    def _measured(self, x: Tensor, number: int) -> Tensor:
        return self._test_operator([number], x).measure(x, stream("cpu", self.seed, "test", number))

    def _test_operator(self, numbers: list[int], x: Tensor) -> Operator:
        """The operator of some test images: the dataset's, or the problem's for their size."""
        if self.recorded:
            return self.splits.test.operator(numbers) or self.operator
        channels, height, width = x.shape[1:]
        shape = channels, height, width
        if shape not in self._operators:
            if self.build is None:
                raise UsageError(f"the operator takes images {self.image_shape}; a test image is {shape}")
            self._operators = {self.image_shape: self.operator, shape: self.build(shape)}
        return self._operators[shape]

    def _reader(self, split: Split, name: str) -> Reader:
        return Reader(split, self.splits.values, self.image_shape[1:], self.recorded, name)

    def _own_operator(self) -> Operator:
        operator = self.splits.train.operator([0])
        if operator is None:
            raise UsageError("the dataset brings no operator; name one: --operator NAME")
        learned = [self.splits.train, self.splits.validation]
        if any(split and one_size(split) != self.image_shape[1:] for split in learned):
            raise UsageError(
                "recorded measurements belong to whole images: training takes no windows of them, and they "
                f"must be of one size; these are not all {self.image_shape[1]}x{self.image_shape[2]}"
            )
        return operator


def _wanted(order: Tensor, places: Tensor, batch_size: int) -> list[Wanted]:
    return [Wanted(index.tolist(), places[index]) for index in order.split(batch_size)]


def _middle(count: int) -> tuple[Tensor, Tensor]:
    """All images in their order, and the middle of each as the place of its window."""
    return torch.arange(count), torch.full((count, 2), 0.5)


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
