"""Forward operators: one file each; the file's name is the operator's registry name."""

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import FunctionType
from typing import Any

import torch
from torch import Tensor

from bench.errors import BenchError

#: Methods whose calls tell nothing about the operator that every method is told.
_TOLD_TO_ALL = frozenset(
    {
        "as_image",
        "deviation",
        "picture",
        "measure",
        "settings",
        "implied",
        "can",
        "constant",
        "nonces",
        "items",
        "physics",
    }
)
_noted: ContextVar[set[str] | None] = ContextVar("noted", default=None)


@contextmanager
def noting_uses(used: set[str]) -> Iterator[None]:
    """Add to ``used`` the names of the operators' methods that the block calls: "inverse", "posterior mean".

    Outermost calls only: a back-projection inside ``as_image``, which every network is shown, is the
    operator's own affair, and so is what ``forward`` is made of when the harness measures.

    Example:
        >>> from bench.operators.denoising import Denoising
        >>> used = set()
        >>> with noting_uses(used):
        ...     y = Denoising((1, 2, 2)).inverse(torch.zeros(1, 1, 2, 2))
        >>> used
        {'inverse'}
    """
    token = _noted.set(used)
    try:
        yield
    finally:
        _noted.reset(token)


def note(*names: str) -> None:
    """Note uses of an operator that are not calls of its methods: of the physics inside it."""
    used = _noted.get()
    if used is not None:
        used.update(names)


def _noting(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    """``method``, which notes its name when it is called from outside the operator."""

    @functools.wraps(method)
    def noting(self: Any, *args: Any, **kwargs: Any) -> Any:
        used = _noted.get()
        if used is None:
            return method(self, *args, **kwargs)
        if name not in _TOLD_TO_ALL:
            used.add(name.replace("_", " "))
        token = _noted.set(None)
        try:
            return method(self, *args, **kwargs)
        finally:
            _noted.reset(token)

    return noting


class Operator(ABC):
    """A forward operator: from images to measurements, ``y = A(x)``, possibly at random.

    A new operator defines :meth:`forward` and nothing else; the other methods say what more is
    known of it. Parameters of the constructor are what can be set on the command line
    (``name:key=value``); their annotations are checked. A parameter called ``seed`` receives the
    run's seed unless it is set; one called ``previous`` receives the operator before it in a chain.

    Args:
        image_shape: shape of one image, ``(C, H, W)``; in a chain, of one measurement of the
            operator before it.

    Example:
        >>> class Gamma(Operator):
        ...     '''Gamma curve: y = x ** strength.'''
        ...     def __init__(self, image_shape, strength: float = 2.0):
        ...         super().__init__(image_shape)
        ...         self.strength = strength
        ...     def forward(self, x, generator):
        ...         return x ** self.strength
        >>> Gamma((1, 2, 2)).measurement_shape
        (1, 2, 2)
    """

    #: Whether ``forward`` is linear; then ``adjoint`` is expected.
    linear: bool = False
    #: Whether ``inverse(forward(x)) == x`` to the last bit for 8-bit images.
    exact_inverse: bool = False
    #: Whether a small change of the image is a small change of its measurement; ciphers say False.
    continuous: bool = True
    #: Whether it only adds noise to what it is given: a reconstruction leaves it out of ``system``.
    noise: bool = False
    #: Type of the images that it measures, as the harness sets it: float32, or complex64.
    image_dtype: torch.dtype = torch.float32
    #: What runs down and across :meth:`picture`, such as angle and detector; empty where that is an image.
    picture_axes: tuple[str, str] | tuple[()] = ()
    #: Largest singular value of a linear operator, or a little more, where it is known without trying.
    norm: float | None = None
    #: Standard deviation of an operator that adds Gaussian noise and does nothing else.
    gaussian: float | None = None

    def __init_subclass__(cls, **kwargs: Any):
        super().__init_subclass__(**kwargs)
        for name, method in list(vars(cls).items()):
            if isinstance(method, FunctionType) and not name.startswith("_"):
                setattr(cls, name, _noting(name, method))

    def __init__(self, image_shape: tuple[int, ...]):
        self.image_shape = tuple(image_shape)
        self._constants: dict[tuple[str, torch.device], Tensor] = {}
        self._measurement_shape: tuple[int, ...] | None = None
        self._looked_at = False

    @abstractmethod
    def forward(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Measurements of a batch.

        Args:
            x: images, ``(B, *image_shape)`` float32 in [0, 1].
            generator: where all randomness comes from; it lives on the device of ``x``.

        Returns:
            ``(B, *measurement_shape)`` float32.
        """

    def measure(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """:meth:`forward`, held to its contract; what the harness calls.

        Whether all values are finite is looked at for every batch on the CPU, where test measurements are
        made. On a GPU, which would have to be waited for, it is looked at for the first batch alone.

        Raises:
            BenchError: ``forward`` raised something, did not return one finite float32 measurement of
                ``measurement_shape`` per image, or modified ``x``.
        """
        version = None if x.is_inference() else x._version
        y = self._tensor(x, generator)
        name = f"{type(self).__name__}.forward"
        shape = len(x), *self.measurement_shape
        numbers = y.dtype == torch.float32 or (y.dtype == torch.complex64 and x.is_complex())
        if tuple(y.shape) != shape or not numbers:
            raise BenchError(f"{name} must return {shape} torch.float32, not {tuple(y.shape)} {y.dtype}")
        if version is not None and x._version != version:
            raise BenchError(f"{name} modifies its input; it must work on a copy (x.clone())")
        if (y.device.type == "cpu" or not self._looked_at) and not torch.isfinite(y.sum()):
            raise BenchError(f"{name} returns values that are not finite")
        self._looked_at = True
        return y

    def as_image(self, y: Tensor) -> Tensor:
        """What a network sees: measurements as images ``(B, C', H, W)``.

        Default: ``y`` itself; of a complex one the real parts, then the imaginary parts.
        """
        return torch.cat([y.real, y.imag], 1) if y.is_complex() else y

    def picture(self, y: Tensor) -> Tensor:
        """What a person is shown of measurements; default: ``y`` itself."""
        return y

    def inverse(self, y: Tensor) -> Tensor:
        """Closed-form inverse ``(B, *measurement_shape) -> (B, *image_shape)``, where there is one."""
        raise NotImplementedError(f"{type(self).__name__} has no closed-form inverse")

    def adjoint(self, y: Tensor) -> Tensor:
        """Adjoint of a linear operator: ``<A x, y> = <x, A* y>``."""
        raise NotImplementedError(f"{type(self).__name__} has no adjoint")

    @property
    def system(self) -> "Operator":
        """The noise-free linear operator that a reconstruction computes with: itself, if it is linear.

        A chain's is that of its parts without noise; an operator that simulates its measurements
        more finely than it reconstructs returns the coarser one.

        Raises:
            NotImplementedError: it is not linear.
        """
        if not self.linear:
            raise NotImplementedError(f"{type(self).__name__} is not linear")
        return self

    def posterior_mean(self, y: Tensor, noise: "Operator | None", prior: Tensor) -> Tensor:
        """Exact posterior mean ``E[x | y]`` per pixel, where it is known.

        Args:
            y: measurements after ``noise`` was applied.
            noise: the noise operator that follows this one in the chain; None without noise.
            prior: probability of each of the 256 grey levels, ``(256,)``, from the training images.
        """
        raise NotImplementedError(f"{type(self).__name__} has no known posterior mean")

    def own_noise(self, named: bool) -> "Operator | None":
        """Noise that its measurements have by themselves; the harness puts it behind it in the chain.

        Apart from :meth:`forward`, so that a linear operator stays one. Default: none.

        Args:
            named: whether the chain itself says what noise comes after.
        """
        return None

    def deviation(self, clean: Tensor) -> Tensor | None:
        """Standard deviation of the noise in each value, given the noise-free measurement.

        None where there is none: no noise, or noise that a deviation does not describe.
        """
        return None

    def implied(self) -> tuple[str, ...]:
        """How measurements are simulated where the command line does not say so, in a few words each.

        Shown beside the operator's name wherever a problem is named. Default: nothing is.
        """
        return ()

    def settings(self) -> dict[str, Any]:
        """What the constructor settled that the command line did not say (a derived key); recorded."""
        return {}

    def nonces(self, count: int, generator: torch.Generator) -> Tensor | None:
        """The secrets that :meth:`forward` draws first for ``count`` images, one each: ``(count, K)``.

        An iv that comes twice is a leak, which the record reports. None where nothing must be unique.
        """
        return None

    def items(self, first: int, last: int) -> "Operator":
        """The operator of some items of a batch. Default: all have the same."""
        return self

    def can(self, method: str) -> bool:
        """Whether ``"inverse"``, ``"adjoint"`` or ``"posterior_mean"`` is defined."""
        return getattr(type(self), method) is not getattr(Operator, method)

    @property
    def measurement_shape(self) -> tuple[int, ...]:
        """Shape of one measurement, found by measuring two black images.

        Raises:
            BenchError: ``forward`` raised something, or did not return one measurement per image.
        """
        if self._measurement_shape is None:
            # Two: an operator that loses all but the first image of a batch is right about one.
            black = torch.zeros(2, *self.image_shape, dtype=self.image_dtype)
            y = self._tensor(black, torch.Generator().manual_seed(0))
            if y.shape[:1] != (2,):
                name = f"{type(self).__name__}.forward"
                raise BenchError(f"{name} must return one measurement per image, not {tuple(y.shape)} of two")
            self._measurement_shape = tuple(y.shape[1:])
        return self._measurement_shape

    def _tensor(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """What :meth:`forward` returns; a fault of its code names the class, as a chain has several."""
        name = f"{type(self).__name__}.forward"
        token = _noted.set(None)
        try:
            y = self.forward(x, generator)
        except (BenchError, torch.OutOfMemoryError):
            # Training meets a full GPU by smaller batches.
            raise
        except (Exception, SystemExit) as error:
            raise BenchError(f"{name} raised {type(error).__name__}: {error}") from error
        finally:
            _noted.reset(token)
        if not isinstance(y, Tensor):
            raise BenchError(f"{name} must return a tensor, not a {type(y).__name__}")
        return y

    def constant(self, name: str, device: torch.device, make: Callable[[], Tensor]) -> Tensor:
        """A tensor made once (by ``make``) and kept on every device it is asked for."""
        if (name, device) not in self._constants:
            self._constants[name, device] = make().to(device)
        return self._constants[name, device]
