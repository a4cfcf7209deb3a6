"""A physics of deepinv as an operator.

What text cannot give (a tensor, another physics) can be given in a file of about ten lines::

    import deepinv
    from bench.deepinv.operators import PhysicsOperator

    class Mine(PhysicsOperator):
        '''Scattering with my receivers.'''
        def make(self, generator):
            return deepinv.physics.Scattering(32, receivers=..., transmitters=...)
"""

import copy
import inspect
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from bench.operators import Operator
from bench.seeding import stream

#: Physics that take an image otherwise than as ``(B, C, H, W)``.
_KINDS = {
    "MRI": "pairs",
    "MultiCoilMRI": "pairs",
    "Ptychography": "single",
    "PtychographyLinearOperator": "single",
    "RandomPhaseRetrieval": "complex",
}


def made_class(
    name: str,
    base: type[Operator],
    attributes: Mapping[str, Any],
    parameters: list[inspect.Parameter],
) -> type[Operator]:
    """A class whose constructor takes ``parameters`` and a seed."""
    made = type(name, (base,), dict(attributes))
    seed = inspect.Parameter("seed", inspect.Parameter.KEYWORD_ONLY, default=0, annotation=int)
    kept = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in parameters[1:]]
    made.__signature__ = inspect.Signature([parameters[0], *kept, seed])  # type: ignore[attr-defined]
    return made


class PhysicsOperator(Operator):
    """A physics of deepinv: y = A(x), with the noise that it has by itself behind it.

    Complex measurements and lists of several are laid out as one real tensor, which
    :class:`bench.deepinv.layout.Layout` turns back. ``inverse`` is there where ``A_dagger`` has a closed
    form: by the singular value decomposition, by the matrix's pseudo-inverse, or as filtered back-projection;
    not of MRI, whose pseudo-inverse is zero-filling, the adjoint.
    What a network sees is the measurement itself if it has the image's size; else the closed-form inverse or
    the adjoint; else the numbers laid into images of the image's size, row by row.

    Args:
        image_shape: ``(C, H, W)``.
        seed: of all that its constructor draws: masks, matrices, motion; default: the problem's.
        params: what the physics takes.

    Raises:
        ValueError: the physics takes no images of that shape, or refuses a parameter.
    """

    maker: ClassVar[Callable[..., Any] | None] = None

    def __init__(self, image_shape: tuple[int, ...], seed: int = 0, **params: Any):
        from deepinv import physics

        from bench.deepinv.layout import Images, Layout, forked

        super().__init__(image_shape)
        generator = stream("cpu", seed, "deepinv", type(self).__name__)
        with forked(generator):
            made = self.make(generator, **params)
        kind: Any = _KINDS.get(type(made).__name__, "plain")
        self.images = Images(kind, self.image_shape[0])
        self._noise = made.noise_model
        self.linear = isinstance(made, physics.LinearPhysics)
        self._physics = {torch.device("cpu"): made.eval().requires_grad_(False)}
        try:
            with torch.no_grad():
                self.layout = Layout.of(made.A(self.images.to_native(self._black())), self.images.folded)
        except Exception as error:
            raise ValueError(
                f"deepinv.{type(self).__name__} takes no images of {self.image_shape}: {error}"
            ) from error
        self._as_it_is = self.images.kind == "plain" and self.layout.plain
        self._closed = _closed_form(made)
        self.norm = 1.0 if isinstance(made, physics.MRI) else None

    def make(self, generator: torch.Generator, **params: Any) -> Any:
        """The physics of deepinv, for images of ``image_shape``, on the CPU."""
        maker = type(self).maker
        if maker is None:
            raise NotImplementedError(f"{type(self).__name__} does not define make")
        return maker(self.image_shape, generator, **params)

    def physics(self, device: torch.device) -> Any:
        """The physics itself, on a device."""
        if device not in self._physics:
            self._physics[device] = copy.deepcopy(self._physics[torch.device("cpu")]).to(device)
        return self._physics[device]

    def forward(self, x: Tensor, generator: torch.Generator) -> Tensor:
        physics = self._physics.get(x.device) or self.physics(x.device)
        y: Tensor
        if self._as_it_is and x.dtype is torch.float32:
            y = physics.A(x)  # Some take a tenth of a millisecond: calls that do nothing would be seen.
            return y
        y = self.layout.pack(physics.A(self.images.to_native(x)))
        return y

    def adjoint(self, y: Tensor) -> Tensor:
        return self._image(self.physics(y.device).A_adjoint(self.layout.unpack(y.float())))

    def inverse(self, y: Tensor) -> Tensor:
        if not self._closed:
            raise NotImplementedError(f"the pseudo-inverse of {type(self).__name__} is iterative")
        physics = self.physics(y.device)
        return self._image(self._closed(physics, self.layout.unpack(y.float())))

    def as_image(self, y: Tensor) -> Tensor:
        size = self.image_shape[-2:]
        spectrum = self.images.kind != "plain"
        if not spectrum and y.dim() == 4 and y.shape[-2:] == size and not self.layout.several:
            return y
        if self.linear:
            return super().as_image(self.inverse(y) if self._closed else self.adjoint(y))
        if y.dim() == 4 and y.shape[-2:] == size:
            return y
        flat = y.flatten(1)
        area = size[0] * size[1]
        padded = torch.nn.functional.pad(flat, (0, -flat.shape[1] % area))
        return padded.reshape(len(y), -1, *size)

    def own_noise(self, named: bool) -> Operator | None:
        from bench.deepinv.noises import noise_operator

        return None if named else noise_operator(self._noise, self.measurement_shape)

    def can(self, method: str) -> bool:
        if method == "inverse":
            return self._closed is not None
        return self.linear if method == "adjoint" else super().can(method)

    def _black(self) -> Tensor:
        return torch.zeros(1, *self.image_shape)

    def _image(self, x: Tensor) -> Tensor:
        return self.images.from_native(x, self.image_dtype)


def _closed_form(physics: Any) -> Callable[[Any, Any], Tensor] | None:
    """The closed-form inverse of a physics; None where its pseudo-inverse is iterated or guessed."""
    from deepinv import physics as theirs

    if isinstance(physics, theirs.MRI):
        return None  # zero-filling, which inverts nothing: it is the adjoint
    if isinstance(physics, theirs.DecomposablePhysics | theirs.CompressedSensing):
        return lambda on_device, y: on_device.A_dagger(y)
    if isinstance(physics, theirs.Tomography):
        return lambda on_device, y: on_device.A_dagger(y, fbp=True)
    return None
