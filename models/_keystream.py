"""A known-plaintext attack: the keystream of an XOR cipher from training pairs, noise or not."""

from dataclasses import dataclass

import torch
from torch import Tensor

from bench.operators import Operator
from bench.operators.shared.cipher import to_bytes, to_channels
from bench.operators.shared.levels import bit_signs
from bench.problem import TrainingProblem


@dataclass(frozen=True)
class Keystream:
    """What was found.

    Attributes:
        stream: the likeliest keystream bytes, ``(H, W, 4 C)`` uint8.
        sigma: standard deviation of what it leaves unexplained of the validation measurements, on
            the scale of y; a scalar tensor.
        found: whether the stream explains them at all: whether it leaves less than a constant does.
            The right one leaves the noise; a wrong one, as under a fresh iv or CBC, twice as much
            as a constant.
    """

    stream: Tensor
    sigma: Tensor
    found: Tensor


def reason_unfit(operator: Operator) -> str:
    """Why an operator cannot be an XOR cipher over float32 bytes; empty if it can."""
    channels, *size = operator.image_shape
    if tuple(operator.measurement_shape) == (4 * channels, *size):
        return ""
    return "it needs the bytes of every pixel's float32 numbers as channels"


def recover(problem: TrainingProblem, pairs: int) -> Keystream:
    """The likeliest keystream under Gaussian noise, byte by byte, from training pairs.

    ``k = argmin_k sum_n (255 y_n - (byte(x_n) XOR k))^2`` over the 256 values of each byte. With the
    bits of byte and k as signs s and t, ``byte XOR k = 127.5 - sum_b 2^(b-1) s_b t_b``, so the sum is
    ``t' G t - 2 c' t + const`` with ``G = sum w w'``, ``c = sum w (127.5 - 255 y)``, ``w_b = 2^(b-1)
    s_b``: the pairs are seen once. Without noise one pair would do.
    """
    gram, mixed = _sums(problem, pairs)
    device = problem.device
    candidates = bit_signs(torch.arange(256, device=device, dtype=torch.uint8))
    pieces = []
    for g, c in zip(gram.split(2**16), mixed.split(2**16), strict=True):
        cost = torch.einsum("kb,pbc,kc->pk", candidates, g, candidates) - 2 * c @ candidates.T
        pieces.append(cost.argmin(1))
    _, height, width = problem.image_shape
    stream = torch.cat(pieces).to(torch.uint8).view(height, width, -1)
    rest, constant = _unexplained(problem, stream)
    return Keystream(stream, rest.sqrt(), rest < constant)


def _unexplained(problem: TrainingProblem, stream: Tensor) -> tuple[Tensor, Tensor]:
    """Mean square of what stream, and what a constant, leaves of the validation measurements."""
    rest, constant = [], []
    for y, x, _ in problem.validation_batches(64):
        cipher = to_channels(to_bytes(x) ^ stream)
        rest.append((y - cipher).square().mean((1, 2, 3)))
        constant.append((y - 0.5).square().mean((1, 2, 3)))
    return torch.cat(rest).mean(), torch.cat(constant).mean()


def _sums(problem: TrainingProblem, pairs: int) -> tuple[Tensor, Tensor]:
    """G ``(P, 8, 8)`` and c ``(P, 8)`` of each byte's place."""
    channels, height, width = problem.image_shape
    places = 4 * channels * height * width
    gram = torch.zeros(places, 8, 8, device=problem.device)
    mixed, seen = torch.zeros(places, 8, device=problem.device), 0
    weights = 2.0 ** torch.arange(-1, 7, device=problem.device)
    for y, x, _ in problem.training_batches(max(1, 2**19 // places)):
        signs = bit_signs(to_bytes(x).flatten(1)) * weights
        centred = (127.5 - 255 * y).permute(0, 2, 3, 1).flatten(1)
        gram += torch.einsum("npb,npc->pbc", signs, signs)
        mixed += torch.einsum("np,npb->pb", centred, signs)
        seen += len(x)
        if seen >= pairs:
            break
    return gram, mixed
