"""XOR encryption: AES-128 in counter mode."""

from typing import Any

import numpy as np
import torch
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from numpy.typing import NDArray
from torch import Tensor

from bench.operators import Operator
from bench.operators.shared.cipher import BLOCK, from_bytes, from_channels, secret, to_bytes, to_channels
from bench.operators.shared.levels import posterior_mean


class XorCtr(Operator):
    """XOR encryption: AES-128-CTR with one fixed key and iv.

    ``y = (bytes(x) XOR keystream) / 255``, over the raw float32 bytes. The image ``(C, H, W)`` is
    read as H x W x C little-endian float32 numbers; the 4 C ciphertext bytes of a pixel become the
    channels of ``y``, ``(4 C, H, W)`` in [0, 1], in their order. With key and iv fixed the
    keystream is the same for every image: it is generated once, and encryption is one XOR over
    the batch. Complex images have 8 C bytes a pixel.

    ``inverse`` rounds to the nearest byte, decrypts and reinterprets; without noise it is exact.

    ``iv=fresh`` is the negative control: a new random iv for every image, which is not told. There
    is nothing to be learned and no inverse; every model must end at the floor.

    Args:
        image_shape: ``(C, H, W)``.
        key: 32 hexadecimal digits; derived from the seed if left out.
        iv: initial counter block, 32 hexadecimal digits; derived from the seed if left out; or ``fresh``.
        seed: seed of the run.

    Raises:
        ValueError: key or iv is not 16 bytes in hexadecimal.

    References:
        Hauptmann & Adler: On the unreasonable effectiveness of CNNs, arXiv 2007.14745.
        NIST SP 800-38A, section 6.5 (CTR).
    """

    continuous = False

    def __init__(
        self, image_shape: tuple[int, int, int], key: str | None = None, iv: str | None = None, seed: int = 0
    ):
        super().__init__(image_shape)
        self.key = secret(key, "key", seed)
        self.iv = None if iv == "fresh" else secret(iv, "iv", seed)
        self.exact_inverse = self.iv is not None

    def forward(self, x: Tensor, generator: torch.Generator) -> Tensor:
        keystream = self.keystream(x.device) if self.iv else self._fresh(len(x), generator)
        return to_channels(to_bytes(x).bitwise_xor_(keystream))

    def inverse(self, y: Tensor) -> Tensor:
        if self.iv is None:
            raise NotImplementedError("xor_ctr:iv=fresh has no inverse: the iv is not told")
        return from_bytes(from_channels(y).bitwise_xor_(self.keystream(y.device)), self.image_dtype)

    def can(self, method: str) -> bool:
        return super().can(method) and self.iv is not None

    def posterior_mean(self, y: Tensor, noise: Operator | None, prior: Tensor) -> Tensor:
        """Each pixel's mean over the 256 grey levels, given its noisy bytes, key and Gaussian noise.

        Raises:
            ValueError: the noise is not Gaussian.
        """
        sigma = 0.0 if noise is None else noise.gaussian
        if sigma is None:
            raise ValueError("the posterior mean is known for Gaussian noise only")
        return posterior_mean(y, self.keystream(y.device), sigma, prior)

    def nonces(self, count: int, generator: torch.Generator) -> Tensor | None:
        """The random ivs of ``count`` images, ``(count, 16)``; None under a fixed one, which all share."""
        return None if self.iv else self._ivs(count, generator)

    def settings(self) -> dict[str, Any]:
        return {"key": self.key.hex(), "iv": self.iv.hex() if self.iv else "fresh"}

    def keystream(self, device: torch.device) -> Tensor:
        """Keystream bytes ``(H, W, 4 C)`` of the fixed iv: the encryption of zeros."""
        return self.constant(
            "keystream", device, lambda: self._streams(np.frombuffer(self.iv or b"", ">u8"))[0]
        )

    def _ivs(self, count: int, generator: torch.Generator) -> Tensor:
        return torch.randint(256, (count, BLOCK), generator=generator, device=generator.device)

    def _fresh(self, count: int, generator: torch.Generator) -> Tensor:
        """Keystreams ``(count, H, W, 4 C)``, each from an iv of its own."""
        ivs = self._ivs(count, generator)
        return self._streams(ivs.to("cpu", torch.uint8).numpy().view(">u8")).to(generator.device)

    def _streams(self, ivs: NDArray[Any]) -> Tensor:
        """Keystreams of initial counters, (..., 2) big-endian halves: AES of counter, counter + 1, ..."""
        channels, height, width = self.image_shape
        depth = self.image_dtype.itemsize * channels
        length = depth * height * width
        high, low = ivs.reshape(-1, 2, 1).astype(np.uint64).swapaxes(0, 1)
        lows = low + np.arange(-(-length // BLOCK), dtype=np.uint64)
        counters = np.stack([high + (lows < low), lows], -1).astype(">u8")
        encrypted = Cipher(algorithms.AES(self.key), modes.ECB()).encryptor().update(counters.tobytes())
        streams = torch.frombuffer(bytearray(encrypted), dtype=torch.uint8).view(len(lows), -1)[:, :length]
        return streams.reshape(-1, height, width, depth)
