"""The 256 grey levels as float32 bytes: how likely each is, given noisy ciphertext."""

import torch
from torch import Tensor

#: Smallest noise that likelihoods are computed with, on the scale of y: 0.05 of a byte's step.
#: Two levels that differ in one byte by one step are then e^200 apart: a decision, not a guess.
FLOOR = 0.05 / 255


def intensities(device: torch.device) -> Tensor:
    """The 256 intensities ``v / 255`` of 8-bit images."""
    return torch.arange(256, device=device).float() / 255


def level_bytes(device: torch.device) -> Tensor:
    """Little-endian float32 bytes of every intensity, ``(256, 4)`` uint8."""
    return intensities(device).view(256, 1).view(torch.uint8)


def bit_signs(raw: Tensor) -> Tensor:
    """Bits of bytes as signs, lowest bit first: +1 for 0, -1 for 1; uint8 to float32 ``(..., 8)``."""
    shifts = torch.arange(8, device=raw.device, dtype=torch.uint8)
    return 1 - 2 * ((raw.unsqueeze(-1) >> shifts) & 1).float()


def log_posterior(y: Tensor, keystream: Tensor, sigma: float | Tensor, prior: Tensor) -> Tensor:
    """Log-posterior of each grey level under Gaussian noise, up to a constant per pixel.

        log p(v | y) = log p(v) - sum_j (255 y_j - (byte_j(v) XOR k_j))^2 / (2 (255 sigma)^2) + const

    A byte is ``127.5 - sum_b 2^(b-1) s_b`` with the signs s of its bits, and XOR multiplies signs:
    so the mixed term of the square is one product of a matrix (32 x 256) that is the same for every
    pixel with the measurement times the keystream's signs.

    Args:
        y: measurements ``(B, 4 C, H, W)``, bytes scaled to [0, 1] plus noise.
        keystream: ``(H, W, 4 C)`` uint8.
        sigma: standard deviation of the noise on the scale of y; where it is infinite, the
            posterior is the prior.
        prior: probability of each of the 256 grey levels.

    Returns:
        ``(B, H, W, C, 256)`` float32.
    """
    height, width, channels = keystream.shape
    plain = level_bytes(y.device)
    key = keystream.view(height, width, channels // 4, 4)
    code = (plain ^ key.unsqueeze(-2)).float() - 127.5
    energy = code.square().sum(-1) / 2
    weights = 2.0 ** torch.arange(-1, 7, device=y.device)
    patterns = (bit_signs(plain) * weights).flatten(1).T.contiguous()
    centred = (127.5 - 255 * y.float()).permute(0, 2, 3, 1).reshape(len(y), *key.shape)
    gated = (centred.unsqueeze(-1) * bit_signs(key)).flatten(-2)
    scale = (255 * torch.as_tensor(sigma, device=y.device).clamp_min(FLOOR)).square()
    constant = energy / scale - prior.to(y.device).clamp_min(1e-12).log()
    with torch.autocast(y.device.type, enabled=False):
        return (gated @ (patterns / scale)).sub_(constant)


def posterior_mean(y: Tensor, keystream: Tensor, sigma: float | Tensor, prior: Tensor) -> Tensor:
    """Posterior mean of each pixel by itself, ``(B, C, H, W)``; exact without noise.

    Args:
        y: measurements ``(B, 4 C, H, W)``.
        keystream: ``(H, W, 4 C)`` uint8.
        sigma: standard deviation of the noise on the scale of y.
        prior: probability of each of the 256 grey levels.
    """
    levels = intensities(y.device)
    means = [
        log_posterior(piece, keystream, sigma, prior).softmax(-1) @ levels for piece in pieces(y, keystream)
    ]
    return torch.cat(means).permute(0, 3, 1, 2)


def pieces(y: Tensor, keystream: Tensor) -> tuple[Tensor, ...]:
    """Measurements a few images at a time: their posteriors, 64 numbers per byte, fill 512 MiB at most."""
    return torch.split(y, max(1, 2**21 // keystream.numel()))
