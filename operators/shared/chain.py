"""Operators one after another: ``a+b`` measures ``y = b(a(x))``."""

from typing import Any

import torch
from torch import Tensor

from bench.operators import Operator

#: Types that measurements come in.
MEASURED = (torch.float32, torch.complex64)


class Identity(Operator):
    """What noise leaves when it is taken away: y = x."""

    linear = True
    exact_inverse = True
    norm = 1.0

    def forward(self, x: Tensor, generator: torch.Generator) -> Tensor:
        return x.clone()

    def adjoint(self, y: Tensor) -> Tensor:
        return y

    def inverse(self, y: Tensor) -> Tensor:
        return y


class Chain(Operator):
    """``forward`` from left to right, everything else from right to left.

    Args:
        parts: at least one operator; each takes the measurement of the one before it.
    """

    def __init__(self, parts: list[Operator]):
        super().__init__(parts[0].image_shape)
        self.parts = parts
        self.image_dtype = parts[0].image_dtype
        self.linear = all(part.linear for part in parts)
        self.exact_inverse = all(part.exact_inverse for part in parts)
        self.noise = all(part.noise for part in parts)
        self.continuous = all(part.continuous for part in parts)
        self.picture_axes = self._shown.picture_axes

    @property
    def measurement_shape(self) -> tuple[int, ...]:
        """That of the last part, which was made for the measurements of the one before it."""
        return self.parts[-1].measurement_shape

    def forward(self, x: Tensor, generator: torch.Generator) -> Tensor:
        for part in self.parts:
            # The contract is about single precision; linearity is checked in float64 too.
            x = part.measure(x, generator) if x.dtype in MEASURED else part.forward(x, generator)
        return x

    def as_image(self, y: Tensor) -> Tensor:
        for part in reversed(self.parts):
            y = part.as_image(y)
        return y

    def picture(self, y: Tensor) -> Tensor:
        """That of the last part that is not noise: noise leaves a measurement what it is."""
        return self._shown.picture(y)

    @property
    def _shown(self) -> Operator:
        return ([part for part in self.parts if not part.noise] or self.parts)[-1]

    def inverse(self, y: Tensor) -> Tensor:
        for part in reversed(self.parts):
            y = part.inverse(y)
        return y

    def adjoint(self, y: Tensor) -> Tensor:
        """Of the chain without its noise."""
        for part in reversed(self.parts):
            y = y if part.noise else part.adjoint(y)
        return y

    @property
    def system(self) -> Operator:
        """That of the parts without noise."""
        systems = [part.system for part in self.parts if not part.noise]
        if not systems:
            raise NotImplementedError("noise alone has no system to reconstruct with")
        return systems[0] if len(systems) == 1 else Chain(systems)

    def posterior_mean(self, y: Tensor, noise: Operator | None, prior: Tensor) -> Tensor:
        """Known for one operator followed by Gaussian noise: asked of the first, given the second."""
        return self.parts[0].posterior_mean(y, self.parts[1], prior)

    def nonces(self, count: int, generator: torch.Generator) -> Tensor | None:
        """Those of the first part: what later ones draw comes after it in the generator."""
        return self.parts[0].nonces(count, generator)

    def can(self, method: str) -> bool:
        if method == "posterior_mean":
            gaussian = self.parts[-1].gaussian is not None
            return len(self.parts) == 2 and gaussian and self.parts[0].can(method)
        if method == "adjoint":
            kept = [part for part in self.parts if not part.noise]
            return bool(kept) and all(part.can(method) for part in kept)
        return all(part.can(method) for part in self.parts)

    def implied(self) -> tuple[str, ...]:
        return tuple(words for part in self.parts for words in part.implied())

    def settings(self) -> dict[str, Any]:
        return {key: value for part in self.parts for key, value in part.settings().items()}


def without_noise(operator: Operator) -> Operator:
    """The operator, or the chain, without the parts that only add noise; the identity if none is left."""
    if operator.noise:
        return Identity(operator.image_shape)
    if not isinstance(operator, Chain):
        return operator
    kept = [without_noise(part) for part in operator.parts if not part.noise]
    return kept[0] if len(kept) == 1 else Chain(kept)


def last_noise(operator: Operator) -> Operator | None:
    """The part that adds noise, if there is one such part and nothing comes after it."""
    parts = _flat(operator)
    return parts[-1] if [part.noise for part in parts].count(True) == 1 and parts[-1].noise else None


def _flat(operator: Operator) -> list[Operator]:
    if not isinstance(operator, Chain):
        return [operator]
    return [leaf for part in operator.parts for leaf in _flat(part)]
