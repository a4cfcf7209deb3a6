"""Operators that differ from item to item of a batch."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from bench.operators import Operator


def each(operators: Sequence[Operator]) -> Operator:
    """The operator of a batch whose item ``i`` is measured by ``operators[i]``: theirs, if it is one for all.

    What a recorded dataset returns from ``Split.operator`` where geometry differs. Give the same object for
    items that were measured alike: they are computed together.

    Example:
        >>> from bench.operators.ct import CT
        >>> near, aside = CT((1, 8, 8), oversample=1), CT((1, 8, 8), oversample=1, offset=1.0)
        >>> each([near, near]) is near
        True
        >>> each([near, aside, near]).forward(torch.zeros(3, 1, 8, 8), torch.Generator()).shape
        torch.Size([3, 1, 30, 13])
    """
    return operators[0] if len(set(operators)) == 1 else PerItem(operators)


class PerItem(Operator):
    """``y_i = A_i(x_i)``: every item of a batch by an operator of its own, those of one operator together.

    Args:
        operators: one for each item, with images and measurements of one shape and type; a smaller batch is
            its first ones.
    """

    def __init__(self, operators: Sequence[Operator]):
        first = operators[0]
        super().__init__(first.image_shape)
        self.operators = list(operators)
        self.image_dtype, self.picture_axes = first.image_dtype, first.picture_axes
        self.linear = all(operator.linear for operator in self.different)
        self.continuous = all(operator.continuous for operator in self.different)

    @property
    def different(self) -> list[Operator]:
        """The operators that there are, each once."""
        return list(dict.fromkeys(self.operators))

    @property
    def measurement_shape(self) -> tuple[int, ...]:
        """That of them all."""
        return self.operators[0].measurement_shape

    @property
    def system(self) -> Operator:
        """That of each item's."""
        systems = {operator: operator.system for operator in self.different}
        return each([systems[operator] for operator in self.operators])

    def items(self, first: int, last: int) -> Operator:
        return each(self.operators[first:last])

    def forward(self, x: Tensor, generator: torch.Generator) -> Tensor:
        return self._together(x, lambda operator, images: operator.forward(images, generator))

    def adjoint(self, y: Tensor) -> Tensor:
        return self._together(y, lambda operator, part: operator.adjoint(part))

    def inverse(self, y: Tensor) -> Tensor:
        return self._together(y, lambda operator, part: operator.inverse(part))

    def as_image(self, y: Tensor) -> Tensor:
        return self._together(y, lambda operator, part: operator.as_image(part))

    def picture(self, y: Tensor) -> Tensor:
        return self._together(y, lambda operator, part: operator.picture(part))

    def can(self, method: str) -> bool:
        known = method in ("inverse", "adjoint")
        return known and all(operator.can(method) for operator in self.different)

    def _together(self, batch: Tensor, apply: Callable[[Operator, Tensor], Tensor]) -> Tensor:
        """What ``apply`` makes of the items of each operator, in the batch's order."""
        places: dict[Operator, list[int]] = {}
        for place, operator in zip(range(len(batch)), self.operators, strict=False):
            places.setdefault(operator, []).append(place)
        made = torch.cat([apply(operator, batch[numbers]) for operator, numbers in places.items()])
        order = torch.tensor([number for numbers in places.values() for number in numbers])
        return made[order.argsort().to(made.device)]
