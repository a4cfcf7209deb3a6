"""Learned primal-dual reconstruction."""

import torch
from torch import Tensor, nn

from bench.models._unrolled import GAIN, OnPlane, UnrolledModel, Update, image_planes, measured_planes
from bench.operators import Operator
from bench.problem import TrainingProblem


class LearnedPrimalDual(UnrolledModel):
    """Learned primal-dual (Adler & Öktem 2018), A and A* inside; linear operators.

    The iteration of Chambolle and Pock with convolutional networks D_k, P_k in place of its proximal
    maps and step sizes, and ``memory`` images f and measurements h in place of one each:

        h <- h + D_k(h, A f_last, y),   f <- f + P_k(f, A* h_first),   x = f_first,

    A and y over the norm of A. Each network has three 3x3 convolutions with ``width`` channels
    and PReLU. Unlike the original, f starts from the operator's closed-form inverse (FBP), h from 0.

    The original has iterations=10, memory=5 and width=32; the defaults suit minutes on a CPU.

    Args:
        iterations: how many are unrolled, each with weights of its own.
        memory: images and measurements that are carried from one to the next.
        width: channels between the convolutions.

    Raises:
        ValueError: a value below 1.

    Reference:
        Adler & Öktem: Learned primal-dual reconstruction, IEEE TMI 37(6), 2018.
    """

    # Gradients have norms of 0.001 to 0.02 (ct on photos): what is much larger would leave the stable range.
    recipe = {"clip": 0.01}

    def __init__(self, iterations: int = 5, memory: int = 3, width: int = 16):
        super().__init__(iterations, memory, width)

    def build(self, problem: TrainingProblem) -> nn.Module:
        planes = measured_planes(problem.operator)
        return PrimalDual(image_planes(problem), planes, self.iterations, self.memory, self.width)


class PrimalDual(nn.Module):
    """The unrolled iteration as a module, from measurements and operator to images.

    Args:
        channels: of the image; real and imaginary parts count as one each.
        planes: of the measurement laid out as an image.
        iterations: as of the model, like the rest.
        memory: images and measurements carried along.
        width: channels between the convolutions.
    """

    def __init__(self, channels: int, planes: int, iterations: int, memory: int, width: int):
        super().__init__()
        self.channels, self.planes, self.memory = channels, planes, memory
        c, m = channels, planes
        dual = [Update((memory + 2) * m, memory * m, width) for _ in range(iterations)]
        primal = [Update((memory + 1) * c, memory * c, width, GAIN) for _ in range(iterations)]
        self.dual, self.primal = nn.ModuleList(dual), nn.ModuleList(primal)

    def forward(self, y: Tensor, operator: Operator) -> Tensor:
        c, m = self.channels, self.planes
        system = OnPlane(operator, y)
        g = system.measured(y)
        f = system.start(y).repeat(1, self.memory, 1, 1)
        h = torch.zeros_like(g).repeat(1, self.memory, 1, 1)
        for dual, primal in zip(self.dual, self.primal, strict=True):
            h = h + dual(torch.cat([h, system.project(f[:, -c:]), g], 1))
            f = f + primal(torch.cat([f, system.back_project(h[:, :m])], 1))
        return system.image(f[:, :c])
