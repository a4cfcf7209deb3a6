"""Learned gradient descent."""

import torch
from torch import Tensor, nn

from bench.models._unrolled import GAIN, OnPlane, UnrolledModel, Update, image_planes
from bench.operators import Operator
from bench.problem import TrainingProblem


class UnrolledGradient(UnrolledModel):
    """Learned gradient descent (Adler & Öktem 2017), A and A* inside; linear operators.

    Gradient descent on ``|A x - y|^2 / 2`` whose steps are convolutional networks N_k that see the
    iterate, ``memory`` images s of their own, and the gradient:

        (x, s) <- (x, s) + N_k(x, s, A*(A x - y)),

    A and y over the norm of A. x starts from the operator's closed-form inverse (FBP), s from 0.
    Each network has three 3x3 convolutions with ``width`` channels and PReLU. Unlike the original,
    every step has weights of its own, and the gradient of a regulariser is left to the network.

    Args:
        iterations: how many are unrolled.
        memory: images that are carried from one to the next beside x.
        width: channels between the convolutions.

    Raises:
        ValueError: a value below 1.

    Reference:
        Adler & Öktem: Solving ill-posed inverse problems using iterative deep neural networks,
        Inverse Problems 33(12), 2017.
    """

    # As in learned_primal_dual.
    recipe = {"clip": 0.01}

    def __init__(self, iterations: int = 5, memory: int = 5, width: int = 32):
        super().__init__(iterations, memory, width)

    def build(self, problem: TrainingProblem) -> nn.Module:
        return GradientDescent(image_planes(problem), self.iterations, self.memory, self.width)


class GradientDescent(nn.Module):
    """The unrolled iteration as a module, from measurements and operator to images.

    Args:
        channels: of the image; real and imaginary parts count as one each.
        iterations: as of the model, like the rest.
        memory: images carried along.
        width: channels between the convolutions.
    """

    def __init__(self, channels: int, iterations: int, memory: int, width: int):
        super().__init__()
        self.channels, self.memory = channels, memory
        c = channels
        steps = [Update((memory + 2) * c, (memory + 1) * c, width, GAIN) for _ in range(iterations)]
        self.steps = nn.ModuleList(steps)

    def forward(self, y: Tensor, operator: Operator) -> Tensor:
        c, system = self.channels, OnPlane(operator, y)
        g, x = system.measured(y), system.start(y)
        state = torch.cat([x, torch.zeros_like(x).repeat(1, self.memory, 1, 1)], 1)
        for step in self.steps:
            gradient = system.back_project(system.project(state[:, :c]) - g)
            state = state + step(torch.cat([state, gradient], 1))
        return system.image(state[:, :c])
