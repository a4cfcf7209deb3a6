"""Unrolled reconstructors of deepinv, trained by the recipe."""

from collections.abc import Mapping
from typing import Any

import torch
from deepinv import models, physics
from torch import Tensor, nn

from bench.deepinv.convert import native, why_not_native
from bench.errors import at_least
from bench.models import NetworkModel
from bench.operators import Operator
from bench.operators.shared.chain import without_noise
from bench.problem import TrainingProblem


class Unrolled(nn.Module):
    """A reconstructor of deepinv as the harness's trainer calls it.

    Args:
        inner: called ``inner(y, physics)``.
    """

    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner = inner

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """Without second names of tensors that turns share, as files of weights hold each tensor once."""
        whole, seen = super().state_dict(*args, **kwargs), set()
        for name, tensor in list(whole.items()):
            if tensor.data_ptr() in seen:
                del whole[name]
            seen.add(tensor.data_ptr())
        return whole

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """What :meth:`state_dict` gave; a name is missing only if its tensor has another."""
        if strict and set(state_dict) != set(self.state_dict()):
            wrong = sorted(set(state_dict) ^ set(self.state_dict()))
            raise RuntimeError(f"the weights are another network's: {', '.join(wrong[:3])}")
        return super().load_state_dict(state_dict, strict=False, assign=assign)

    def forward(self, y: Tensor, operator: Operator) -> Tensor:
        given = native(operator, y.device)
        with torch.autocast(y.device.type, enabled=False):
            return given.image(self.inner(given.measurement(y.float()), given.physics))


class MoDL(NetworkModel):
    """MoDL: conjugate gradients on the data and a denoising CNN in turns, one CNN for all turns.

    Args:
        iterations: turns.
        width: channels of the CNN (deepinv's is 64).
        depth: its convolutions.

    Reference:
        Aggarwal, Mani & Jacob: MoDL, IEEE TMI 38(2), 2019.
    """

    def __init__(self, iterations: int = 3, width: int = 32, depth: int = 7):
        at_least(1, iterations=iterations, width=width)
        at_least(3, depth=depth)
        self.iterations, self.width, self.depth = iterations, width, depth

    def fits(self, operator: Operator) -> str:
        return why_not_native(operator)

    def build(self, problem: TrainingProblem) -> nn.Module:
        return Unrolled(models.MoDL(_cnn(problem, self.width, self.depth), self.iterations))


class VarNet(NetworkModel):
    """The variational network for MRI: gradient steps on the data and a CNN in turns.

    Args:
        cascades: turns.
        width: channels of the CNN (deepinv's is 64).
        depth: its convolutions.

    Reference:
        Hammernik et al.: Learning a variational network, MRM 79(6), 2018.
    """

    def __init__(self, cascades: int = 4, width: int = 32, depth: int = 7):
        at_least(1, cascades=cascades, width=width)
        at_least(3, depth=depth)
        self.cascades, self.width, self.depth = cascades, width, depth

    def fits(self, operator: Operator) -> str:
        made: Any = native(operator, torch.device("cpu")).physics if not why_not_native(operator) else None
        if isinstance(made, physics.MRI | physics.MultiCoilMRI):
            return ""
        name = type(without_noise(operator)).__name__
        return f"it works with deepinv.MRI and deepinv.MultiCoilMRI, not with {name}"

    def build(self, problem: TrainingProblem) -> nn.Module:
        cnn = _cnn(problem, self.width, self.depth)
        return Unrolled(models.VarNet(cnn, num_cascades=self.cascades))


def _cnn(problem: TrainingProblem, width: int, depth: int) -> nn.Module:
    channels = native(problem.operator, problem.device).channels
    made: nn.Module = models.DnCNN(channels, channels, depth, nf=width, pretrained=None)
    return made


UNROLLED: dict[str, type[NetworkModel]] = {"MoDL": MoDL, "VarNet": VarNet}
