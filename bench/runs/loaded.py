"""A recorded run for use: its network, its operator, and reconstructions as arrays."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bench.errors import UsageError
from bench.models import Model, NetworkModel
from bench.operators import Operator
from bench.problem import Batch
from bench.runs.determinism import deterministic
from bench.runs.evaluation import reconstructed
from bench.runs.record import Record
from bench.runs.runner import Run
from bench.runs.verify import restored
from bench.seeding import stream

Array = np.ndarray[Any, Any]
#: One array where all images are of one size, else one for each image.
Arrays = Array | list[Array]


def load(name: str, results: str | Path = "results", trust: Sequence[str] = ()) -> "LoadedRun":
    """A recorded run with its weights, made again from its record.

    Args:
        name: what the run's name begins with (``"29a7"``), or its folder.
        results: folder of the records.
        trust: what the record names that is not this project's and may be used: files of code with the
            content they had, plug-ins, folders of images; as ``bench verify`` takes it.

    Raises:
        UsageError: there is no such run, it failed, or it names what is not trusted.

    Example:
        >>> run = bench.load("29a7")                    # doctest: +SKIP
        >>> images = run.reconstruct(run.measurements())  # doctest: +SKIP
    """
    from bench.leaderboard import find, loading

    record = find.run(loading.load(Path(results)), name)
    return LoadedRun(record, restored(record, trust))


@dataclass(frozen=True)
class LoadedRun:
    """A recorded run, ready to reconstruct.

    Images are arrays ``(B, C, H, W)`` float32 in the dataset's range, measurements ``(B,
    *measurement_shape)``. What has the data's own images and measurements reads the dataset.

    Attributes:
        record: what was recorded: spec, scores, provenance.
        made: what makes it again: images, problem and model.
    """

    record: Record
    made: Run

    @property
    def model(self) -> nn.Module | Model:
        """The trained network, called ``model(y, operator)`` with tensors; else the method."""
        model = self.made.model
        return model.module.eval() if isinstance(model, NetworkModel) else model

    @property
    def operator(self) -> Operator:
        """The forward operator, noise included, of images of the size it was trained on."""
        return self.made.problem.operator

    def reconstruct(self, y: Array | Tensor, size: tuple[int, int] | None = None, first: int = 0) -> Array:
        """Images from measurements, as the run's scores were made.

        Args:
            y: ``(B, *measurement_shape)``.
            size: height and width of the images, where they differ from training's: the operator is built
                for them. Not every model takes other sizes (a mean image does not).
            first: number of the first test image among ``y``, which a method that draws at random draws by.

        Returns:
            ``(B, C, H, W)`` float32.

        Raises:
            UsageError: ``y`` has another shape than the operator measures.
        """
        problem = self.made.problem
        operator = self.operator if size is None else self.operator_for(size)
        given = torch.as_tensor(y).to(problem.device)
        given = given.float() if given.dtype == torch.float64 else given
        if given.dim() < 2 or tuple(given.shape[1:]) != tuple(operator.measurement_shape):
            raise UsageError(
                f"measurements must be (B, {', '.join(map(str, operator.measurement_shape))}), not "
                f"{tuple(given.shape)}; of images of another size than "
                f"{'x'.join(map(str, operator.image_shape[1:]))}, say size=(height, width)"
            )
        like = given.new_empty(len(given), *operator.image_shape)
        with deterministic(problem.device):
            image = reconstructed(self.made.model, Batch(given, like, operator), self.record.spec.seed, first)
        return _array(image)

    def measure(self, x: Array | Tensor, seed: int = 0) -> Array:
        """Measurements ``(B, *measurement_shape)`` of images of any size that the operator takes.

        Args:
            x: images ``(B, C, H, W)`` in the dataset's range.
            seed: of the noise.

        Raises:
            UsageError: ``x`` has another form, or holds integers, whose range nothing says.
        """
        images = self._images(x)
        operator = self.operator_for((images.shape[-2], images.shape[-1]))
        return _array(operator.measure(images, stream(images.device, seed, "loaded")))

    def _images(self, x: Array | Tensor) -> Tensor:
        """Images as operators take them: float32 or complex64, with the channels of the run's own."""
        problem = self.made.problem
        given = x if isinstance(x, Tensor) else torch.from_numpy(np.array(x))  # a copy: it may be read-only
        channels = problem.image_shape[0]
        if given.dim() != 4 or given.shape[1] != channels:
            raise UsageError(f"images must be (B, {channels}, H, W), not {tuple(given.shape)}")
        if not (given.is_floating_point() or given.is_complex()):
            low, high = problem.value_range
            kind = str(given.dtype).removeprefix("torch.")
            raise UsageError(
                f"images must be floats from {low:g} to {high:g}, the dataset's range, not {kind}: "
                "of 8 bits in [0, 1] that is x / 255"
            )
        return given.to(problem.device, torch.complex64 if given.is_complex() else torch.float32)

    def operator_for(self, size: tuple[int, int]) -> Operator:
        """The operator for images of another height and width, with the same parameters and seed.

        Raises:
            UsageError: it does not take that size, or belongs to recorded measurements.
        """
        problem = self.made.problem
        if tuple(size) == tuple(problem.image_shape[1:]):
            return problem.operator
        if problem.build is None or problem.recorded:
            raise UsageError("the operator belongs to recorded measurements: there is none for other sizes")
        return problem.build((problem.image_shape[0], *size))

    def measurements(self) -> Arrays:
        """The measurements of all test images, in their order."""
        return _together([batch.y for batch in self._batches])

    def truth(self) -> Arrays:
        """All test images ``(N, C, H, W)``, in their order."""
        return _together([batch.x for batch in self._batches])

    def reconstructions(self) -> Arrays:
        """What the model makes of all test measurements: what was scored."""
        made, first = [], 0
        with deterministic(self.made.problem.device):
            for batch in self._batches:
                made.append(reconstructed(self.made.model, batch, self.record.spec.seed, first))
                first += len(batch.x)
        return _together(made)

    @cached_property
    def _batches(self) -> list[Batch]:
        return list(self.made.problem.test_batches())


def _together(parts: Sequence[Tensor]) -> Arrays:
    arrays = [_array(part) for part in parts]
    if len({array.shape[1:] for array in arrays}) == 1:
        return np.concatenate(arrays)
    return [image for array in arrays for image in array]


def _array(tensor: Tensor) -> Array:
    array: Array = tensor.detach().cpu().numpy()
    return array
