"""Independent random streams from one seed."""

import hashlib

import torch


def derive(*parts: int | str) -> int:
    """A 63-bit seed from the run's seed and what it is for: ``derive(seed, "test", chunk)``.

    SHA-256 of the parts, so that streams for different purposes are independent and adding one
    does not shift another.
    """
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def stream(device: torch.device | str, *parts: int | str) -> torch.Generator:
    """A generator on ``device``, seeded by :func:`derive`."""
    return torch.Generator(device).manual_seed(derive(*parts))
