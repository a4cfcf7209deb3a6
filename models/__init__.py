"""Models: one file each; the file's name is the model's registry name."""

import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.operators import Operator
from bench.problem import TrainingProblem, check_size
from bench.space import Range, Space
from bench.training import History, Trainer, channels_last

#: Bytes of measurements, at most, from which a network's scale and linear estimate are taken.
PREPARED = 2**29


class Model(ABC):
    """A reconstruction method: from measurements back to images.

    Parameters of the constructor are what can be set on the command line. Tensors that ``fit``
    leaves as attributes of the model are what is saved with the run. What a model calls of the
    operator, in ``fit`` and in ``reconstruct``, is noted and stands in its row.
    """

    #: Whether the training recipe (epochs, learning rate, ...) has an effect.
    trained: ClassVar[bool] = False
    #: Whether the training seed changes anything: training noise, batch order, draws of its own. What says
    #: False is run once, however many seeds were asked for.
    seeded: ClassVar[bool] = True
    #: ``floor``, ``ceiling`` or ``model``: what it is for in an operator's table.
    role: ClassVar[str] = "model"
    #: What the operator must define: any of ``"inverse"``, ``"adjoint"``, ``"posterior_mean"``.
    needs: ClassVar[tuple[str, ...]] = ()
    #: Whether ``fit`` is shown images; a self-supervised method says False and is shown measurements alone.
    supervised: ClassVar[bool] = True
    #: What it uses beside the measurements, the images and what is noted: ``weights of resnet18``. A class
    #: method ``content(params)``, if it has one, gives the SHA-256 of weights that come from elsewhere.
    uses: tuple[str, ...] = ()
    #: Settings that ``fit`` tried on the validation split, the one that was kept included.
    trials: int = 1
    #: Recipe values that suit this model better than the quick preset's; the user's go first.
    recipe: ClassVar[Mapping[str, Any]] = {}
    #: Recipe values and parameters that ``bench tune`` may vary, with their bounds.
    space: ClassVar[Space] = {}

    @abstractmethod
    def fit(self, problem: TrainingProblem) -> History:
        """Learn from ``problem``; closed-form and untrained methods return an empty history.

        The operator is not kept: :meth:`reconstruct` is given it, and may be given another.
        """

    @abstractmethod
    def reconstruct(self, y: Tensor, operator: Operator, generator: torch.Generator) -> Tensor:
        """Images from measurements; called without gradients, which a method that needs them turns on.

        Args:
            y: measurements ``(B, *measurement_shape)``.
            operator: what made them.
            generator: where all randomness comes from, on the device of ``y``.

        Returns:
            ``(B, C, H, W)`` float32.
        """

    def fits(self, operator: Operator) -> str:
        """Why this model cannot work with ``operator``; an empty text if it can."""
        missing = [need for need in self.needs if not operator.can(need)]
        return f"it needs the operator's {' and '.join(missing)}" if missing else ""

    def role_in(self, operator: Operator) -> str:
        """What this model is for in the table of ``operator``: :attr:`role`, unless it depends."""
        return self.role

    def parameters(self) -> int:
        """Number of values learned from the training images."""
        return sum(tensor.numel() for tensor in self.state().values())

    def state(self) -> dict[str, Tensor]:
        """The tensors that, with the problem, make this model again; saved with the run."""
        return {k: v for k, v in vars(self).items() if isinstance(v, Tensor)}

    def restore(self, problem: TrainingProblem, state: Mapping[str, Tensor]) -> None:
        """Take over what :meth:`state` saved, in place of :meth:`fit`."""
        for name, tensor in state.items():
            setattr(self, name, tensor.to(problem.device))


class NetworkModel(Model):
    """A model that is an ``nn.Module``; training is the harness's.

    An image-to-image network defines :meth:`network`. One that works on the measurements
    themselves, with the operator inside, defines :meth:`build` instead: its module is called
    ``module(y, operator)``.
    """

    trained = True
    space = {
        "lr": Range(3e-4, 3e-2, log=True),
        "batch_size": (8, 16, 32, 64),
        "weight_decay": (0.0, 1e-4, 1e-3, 1e-2),
    }
    #: Least height and width of the images that the network takes.
    smallest: ClassVar[int] = 1
    #: Whether :meth:`network` learns what the best linear estimate leaves, or the image from nothing.
    residual: bool = False

    #: Set by the runner: the recipe, where progress is reported, where checkpoints go.
    trainer: Trainer
    module: nn.Module

    def fits(self, operator: Operator) -> str:
        """As of every model.

        Raises:
            UsageError: the images are too small for the network.
        """
        check_size(operator.image_shape, self.smallest, type(self).__name__)
        return super().fits(operator)

    def network(self, in_channels: int, out_channels: int, image_size: tuple[int, int]) -> nn.Module:
        """A network from ``(B, in_channels, H, W)`` to ``(B, out_channels, H, W)``."""
        raise NotImplementedError(f"{type(self).__name__} defines neither network nor build")

    def build(self, problem: TrainingProblem) -> nn.Module:
        """A module from measurements and operator to images. Default: :meth:`network` behind ``as_image``."""
        channels, height, width = problem.image_shape
        shape = seen_shape(problem.operator)
        phase = problem.operator.image_dtype.is_complex
        channels *= 2 if phase else 1
        network = self.network(shape[0], channels, (height, width))
        return OnImages(network, shape[0], channels, self.residual, phase)

    def fit(self, problem: TrainingProblem) -> History:
        """Train the network by the recipe; the weights of the best epoch are kept."""
        torch.manual_seed(problem.seed)
        self.module = self.build(problem).to(problem.device)
        if isinstance(self.module, Prepared):
            self.module.prepare(problem)
        return self.trainer.train(self.module, problem)

    def reconstruct(self, y: Tensor, operator: Operator, generator: torch.Generator) -> Tensor:
        self.module.eval()
        return self.trainer.infer(self.module, y, operator)

    def parameters(self) -> int:
        """Number of trainable weights."""
        return sum(p.numel() for p in self.module.parameters() if p.requires_grad)

    def state(self) -> dict[str, Tensor]:
        return {k: v.contiguous() for k, v in self.module.state_dict().items()}

    def restore(self, problem: TrainingProblem, state: Mapping[str, Tensor]) -> None:
        # In the layout that the trainer works in: another one sums in another order.
        module = channels_last(self.build(problem).to(problem.device))
        module.load_state_dict(dict(state))
        self.module = module


@runtime_checkable
class Prepared(Protocol):
    """A module that takes something from the training pairs before its weights are trained."""

    def prepare(self, problem: TrainingProblem) -> None:
        """Fill buffers from the training pairs."""


class OnImages(nn.Module):
    """A network that sees ``z``: ``operator.as_image(y)`` scaled to mean 0 and deviation 1 per channel.

        x = network(z)    or, residual,    x = A z + b + s network(z)

    ``A`` (one matrix for all pixels) and ``b`` are the linear least-squares estimate of the image's
    channels from ``z``, and ``s`` is the deviation, per channel, of what it leaves. Where ``z`` is
    close to the image (noise, FBP, zero-filling), the network is left with the error; where it is not
    (ciphers), ``A`` is close to 0. All of them come from the first 256 training images (of fewer where
    their measurements take more than 512 MiB); they make one
    recipe serve bytes, sinograms and spectra alike.

    Of complex images (``phase``) the network gives the real parts, then the imaginary parts as channels, as
    ``as_image`` shows them; what comes out is complex.
    """

    mean: Tensor
    deviation: Tensor
    linear: Tensor
    offset: Tensor
    spread: Tensor

    def __init__(self, network: nn.Module, channels: int, out: int, residual: bool, phase: bool = False):
        super().__init__()
        self.network, self.phase = network, phase
        self.residual = residual
        self.register_buffer("mean", torch.zeros(1, channels, 1, 1))
        self.register_buffer("deviation", torch.ones(1, channels, 1, 1))
        if residual:
            self.register_buffer("linear", torch.zeros(out, channels))
            self.register_buffer("offset", torch.zeros(out))
            self.register_buffer("spread", torch.ones(1, out, 1, 1))

    def prepare(self, problem: TrainingProblem) -> None:
        """Take scale and linear estimate from the first 256 training images."""
        one = 4 * math.prod(problem.operator.measurement_shape)
        count = max(1, min(256, PREPARED // one))
        y, x, operator = next(problem.training_batches(count, shuffle=False))
        image = operator.as_image(y)
        self.mean.copy_(image.mean((0, 2, 3), keepdim=True))
        self.deviation.copy_(image.std((0, 2, 3), keepdim=True).clamp_min(1e-6))
        if self.residual:
            x = torch.cat([x.real, x.imag], 1) if self.phase else x
            z = self._scaled(image).transpose(0, 1).flatten(1).double()
            centre = x.mean((0, 2, 3))
            target = (x - centre[:, None, None]).transpose(0, 1).flatten(1).double()
            # Channels that others determine differ from them by float32's rounding: nothing to fit.
            self.linear.copy_(target @ z.T @ torch.linalg.pinv(z @ z.T, rtol=1e-10, hermitian=True))
            self.offset.copy_(centre)
            left = target - self.linear.double() @ z
            self.spread.copy_(left.std(1)[:, None, None].clamp_min(1e-6))

    def forward(self, y: Tensor, operator: Operator) -> Tensor:
        # Outside autocast: sparse products have no bfloat16, and ciphertext bytes need their 8 bits.
        with torch.autocast(y.device.type, enabled=False):
            z = self._scaled(operator.as_image(y)).contiguous(memory_format=torch.channels_last)
        out: Tensor = self.network(z)
        if self.residual:
            with torch.autocast(y.device.type, enabled=False):
                estimate = F.conv2d(z, self.linear[:, :, None, None], self.offset)
                out = estimate + self.spread * out.float()
        return torch.complex(*out.float().chunk(2, 1)) if self.phase else out

    def _scaled(self, image: Tensor) -> Tensor:
        return (image - self.mean) / self.deviation


class FunctionModel(NetworkModel):
    """A plain function ``f(in_channels, out_channels, ...) -> nn.Module``, or an ``nn.Module`` class."""

    def __init__(self, function: Callable[..., nn.Module], **params: Any):
        self.function = function
        self.params = params

    def network(self, in_channels: int, out_channels: int, image_size: tuple[int, int]) -> nn.Module:
        offered = {"in_channels": in_channels, "out_channels": out_channels, "image_size": image_size}
        names = inspect.signature(self.function).parameters
        return self.function(**{k: v for k, v in offered.items() if k in names}, **self.params)


def seen_shape(operator: Operator) -> tuple[int, ...]:
    """Shape ``(C', H, W)`` of ``operator.as_image(y)``."""
    zero = torch.zeros(1, *operator.measurement_shape)
    return tuple(operator.as_image(zero).shape[1:])
