"""What the two AES operators share: keys, and images as bytes."""

import hashlib

import torch
from torch import Tensor

BLOCK = 16


def secret(text: str | None, name: str, seed: int) -> bytes:
    """16 bytes from 32 hexadecimal digits; without them, derived from the seed (SHA-256).

    Raises:
        ValueError: not hexadecimal, or not 16 bytes.
    """
    if text is None:
        return hashlib.sha256(f"{name} of seed {seed}".encode()).digest()[:BLOCK]
    try:
        value = bytes.fromhex(text)
    except ValueError:
        raise ValueError(f"{name} must be hexadecimal digits, not {text!r}") from None
    if len(value) != BLOCK:
        raise ValueError(f"{name} must be 16 bytes (32 hexadecimal digits), not {len(value)} bytes")
    return value


def to_bytes(x: Tensor) -> Tensor:
    """Raw bytes of images: ``(B, C, H, W)`` float32 to ``(B, H, W, 4 C)`` uint8, little-endian.

    Of complex64 ``(B, H, W, 8 C)``: the real part's bytes, then the imaginary part's.
    """
    # A copy, not contiguous(): that keeps odd strides of axes of length 1, which view refuses.
    return x.permute(0, 2, 3, 1).clone(memory_format=torch.contiguous_format).view(torch.uint8)


def from_bytes(raw: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """The images that :func:`to_bytes` took apart; any bit pattern comes back, NaN too."""
    return raw.contiguous().view(dtype).permute(0, 3, 1, 2).contiguous()


def to_channels(raw: Tensor) -> Tensor:
    """Bytes ``(B, H, W, K)`` as channels ``(B, K, H, W)`` float32, scaled from 0..255 to [0, 1].

    In memory the channels stay last: half the work, and what convolutions want.
    """
    return raw.float().div_(255).permute(0, 3, 1, 2)


def from_channels(y: Tensor) -> Tensor:
    """Channels in [0, 1] rounded to the nearest byte: ``(B, K, H, W)`` to ``(B, H, W, K)`` uint8."""
    return (y * 255).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()
