"""AES-128 in cipher block chaining mode."""

from typing import Any

import torch
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from torch import Tensor

from bench.operators import Operator
from bench.operators._aes import BLOCK, from_bytes, from_channels, secret, to_bytes, to_channels


class XorCbc(Operator):
    """AES-128-CBC: every block depends on all before it.

    ``c_i = AES(p_i XOR c_(i-1))``, ``c_0 = iv``: one fixed key and iv, each image one message.
    Bytes and channels are laid out as in ``xor_ctr``. Where the bytes of an image are no multiple
    of 16, the last two blocks are encrypted by ciphertext stealing (CBC-CS1), so that ciphertext
    and image are equally long.

    Args:
        image_shape: ``(C, H, W)`` with at least 16 bytes (4 pixel values).
        key: 32 hexadecimal digits; derived from the seed if left out.
        iv: 32 hexadecimal digits; derived from the seed if left out.
        seed: seed of the run.

    Raises:
        ValueError: key or iv is not 16 bytes in hexadecimal, or the image has less than 16 bytes.

    References:
        NIST SP 800-38A, section 6.2 (CBC), and its addendum (CBC-CS1).
    """

    exact_inverse = True

    def __init__(
        self, image_shape: tuple[int, int, int], key: str | None = None, iv: str | None = None, seed: int = 0
    ):
        super().__init__(image_shape)
        self.key = secret(key, "key", seed)
        self.iv = secret(iv, "iv", seed)
        channels, height, width = image_shape
        self.length = 4 * channels * height * width
        if self.length < BLOCK:
            raise ValueError(f"an image of {self.length} bytes is shorter than one AES block (16 bytes)")

    def forward(self, x: Tensor, generator: torch.Generator) -> Tensor:
        return to_channels(self._each(to_bytes(x), self._encrypt))

    def inverse(self, y: Tensor) -> Tensor:
        return from_bytes(self._each(from_channels(y), self._decrypt))

    def settings(self) -> dict[str, Any]:
        return {"key": self.key.hex(), "iv": self.iv.hex()}

    def _each(self, raw: Tensor, cipher: Any) -> Tensor:
        """``cipher`` over the bytes of every image; chaining is sequential, so image by image."""
        messages = raw.cpu().flatten(1).numpy()
        done = bytearray(b"".join(cipher(message.tobytes()) for message in messages))
        return torch.frombuffer(done, dtype=torch.uint8).view(raw.shape).to(raw.device)

    def _encrypt(self, message: bytes) -> bytes:
        rest = len(message) % BLOCK
        padded = message + bytes(-len(message) % BLOCK)
        text = Cipher(algorithms.AES(self.key), modes.CBC(self.iv)).encryptor().update(padded)
        return text if rest == 0 else text[: -2 * BLOCK] + text[-2 * BLOCK : rest - 2 * BLOCK] + text[-BLOCK:]

    def _decrypt(self, text: bytes) -> bytes:
        rest = len(text) % BLOCK
        if rest:
            last = text[-BLOCK:]
            stolen = Cipher(algorithms.AES(self.key), modes.ECB()).decryptor().update(last)[rest:]
            text = text[:-BLOCK] + stolen + last
        plain = Cipher(algorithms.AES(self.key), modes.CBC(self.iv)).decryptor().update(text)
        return plain[: self.length]
