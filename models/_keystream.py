"""A known-plaintext attack: the keystream of an XOR cipher from training pairs, noise or not."""

from dataclasses import dataclass

import torch
from torch import Tensor

from bench.operators import Operator
from bench.operators._aes import to_bytes
from bench.operators._levels import bit_signs
from bench.problem import Problem


@dataclass(frozen=True)
class Keystream:
    """What was found.

    Attributes:
        stream: the likeliest keystream bytes, ``(H, W, 4 C)`` uint8.
        sigma: standard deviation of the noise that remains, on the scale of y; a scalar tensor.
        found: whether the stream explains the measurements: whether what remains is less than half
            of what remains without any stream. No stream does under a fresh iv or CBC.
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


def recover(problem: Problem, pairs: int) -> Keystream:
    """The likeliest keystream under Gaussian noise, byte by byte, from the first training pairs.

    ``k = argmin_k sum_n (255 y_n - (byte(x_n) XOR k))^2`` over the 256 values of each byte. With the
    bits of byte and k as signs s and t, ``byte XOR k = 127.5 - sum_b 2^(b-1) s_b t_b``, so the sum is
    ``t' G t - 2 c' t + const`` with ``G = sum w w'``, ``c = sum w (127.5 - 255 y)``, ``w_b = 2^(b-1)
    s_b``: the pairs are seen once. Without noise one pair would do.
    """
    gram, mixed, square, count = _sums(problem, pairs)
    device = problem.device
    candidates = bit_signs(torch.arange(256, device=device, dtype=torch.uint8))
    pieces = []
    for g, c in zip(gram.split(2**16), mixed.split(2**16), strict=True):
        cost = torch.einsum("kb,pbc,kc->pk", candidates, g, candidates) - 2 * c @ candidates.T
        pieces.append(cost.min(1))
    least, key = (torch.cat(parts) for parts in zip(*pieces, strict=True))
    rest = ((square + least).sum() / count).clamp_min(0)
    _, height, width = problem.image_shape
    stream = key.to(torch.uint8).view(height, width, -1)
    return Keystream(stream, rest.sqrt() / 255, rest < square.sum() / count / 2)


def _sums(problem: Problem, pairs: int) -> tuple[Tensor, Tensor, Tensor, int]:
    """G ``(P, 8, 8)``, c ``(P, 8)``, sum of squares ``(P,)`` per byte place, and the number of bytes."""
    channels, height, width = problem.image_shape
    places = 4 * channels * height * width
    zeros = torch.zeros(places, 8, 8, device=problem.device)
    gram, mixed, square, seen = zeros, zeros[:, 0].clone(), zeros[:, 0, 0].clone(), 0
    weights = 2.0 ** torch.arange(-1, 7, device=problem.device)
    for y, x in problem.training_batches(max(1, 2**19 // places)):
        signs = bit_signs(to_bytes(x).flatten(1)) * weights
        centred = (127.5 - 255 * y).permute(0, 2, 3, 1).flatten(1)
        gram += torch.einsum("npb,npc->pbc", signs, signs)
        mixed += torch.einsum("np,npb->pb", centred, signs)
        square += centred.square().sum(0)
        seen += len(x)
        if seen >= pairs:
            break
    return gram, mixed, square, seen * places
