"""XOR encryption: AES-128 in counter mode."""

from typing import Any

import torch
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from torch import Tensor

from bench.operators import Operator
from bench.operators._aes import from_bytes, from_channels, secret, to_bytes, to_channels


class XorCtr(Operator):
    """XOR encryption: AES-128-CTR with one fixed key and iv.

    ``y = (bytes(x) XOR keystream) / 255``, over the raw float32 bytes. The image ``(C, H, W)`` is
    read as H x W x C little-endian float32 numbers; the 4 C ciphertext bytes of a pixel become the
    channels of ``y``, ``(4 C, H, W)`` in [0, 1], in their order. With key and iv fixed the
    keystream is the same for every image: it is generated once, and encryption is one XOR over
    the batch.

    ``inverse`` rounds to the nearest byte, decrypts and reinterprets; without noise it is exact.

    Args:
        image_shape: ``(C, H, W)``.
        key: 32 hexadecimal digits; derived from the seed if left out.
        iv: initial counter block, 32 hexadecimal digits; derived from the seed if left out.
        seed: seed of the run.

    Raises:
        ValueError: key or iv is not 16 bytes in hexadecimal.

    References:
        Hauptmann & Adler: On the unreasonable effectiveness of CNNs, arXiv 2007.14745.
        NIST SP 800-38A, section 6.5 (CTR).
    """

    exact_inverse = True

    def __init__(
        self, image_shape: tuple[int, int, int], key: str | None = None, iv: str | None = None, seed: int = 0
    ):
        super().__init__(image_shape)
        self.key = secret(key, "key", seed)
        self.iv = secret(iv, "iv", seed)

    def forward(self, x: Tensor, generator: torch.Generator) -> Tensor:
        return to_channels(to_bytes(x) ^ self.keystream(x.device))

    def inverse(self, y: Tensor) -> Tensor:
        return from_bytes(from_channels(y) ^ self.keystream(y.device))

    def settings(self) -> dict[str, Any]:
        return {"key": self.key.hex(), "iv": self.iv.hex()}

    def keystream(self, device: torch.device) -> Tensor:
        """Keystream bytes ``(H, W, 4 C)``: the encryption of zeros."""
        return self.constant("keystream", device, self._generate)

    def _generate(self) -> Tensor:
        channels, height, width = self.image_shape
        encryptor = Cipher(algorithms.AES(self.key), modes.CTR(self.iv)).encryptor()
        stream = encryptor.update(bytes(4 * channels * height * width))
        return torch.frombuffer(bytearray(stream), dtype=torch.uint8).view(height, width, 4 * channels)
