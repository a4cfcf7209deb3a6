"""AES-128 in cipher block chaining mode."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from numpy.typing import NDArray
from torch import Tensor

from bench.operators import Operator
from bench.operators.shared.cipher import BLOCK, from_bytes, from_channels, secret, to_bytes, to_channels


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
    continuous = False

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

    def _each(self, raw: Tensor, cipher: Callable[[NDArray[Any], NDArray[Any]], None]) -> Tensor:
        """``cipher`` over the bytes of every image, on as many threads as torch uses."""
        messages = raw.cpu().flatten(1).numpy()
        texts = np.empty((len(messages), self.length + 2 * BLOCK), np.uint8)
        list(_pool(torch.get_num_threads()).map(cipher, messages, texts))
        return torch.from_numpy(texts)[:, : self.length].reshape(raw.shape).to(raw.device)

    def _encrypt(self, message: NDArray[Any], text: NDArray[Any]) -> None:
        """Write the ciphertext of ``message`` to the beginning of ``text``, which is 32 bytes longer."""
        encryptor = Cipher(algorithms.AES(self.key), modes.CBC(self.iv)).encryptor()
        rest = self.length % BLOCK
        if rest == 0:
            encryptor.update_into(message.data, text.data)
            return
        encryptor.update_into(np.pad(message, (0, BLOCK - rest)).data, text.data)
        last = self.length - rest
        text[last - BLOCK + rest : self.length] = text[last : last + BLOCK].copy()

    def _decrypt(self, text: NDArray[Any], message: NDArray[Any]) -> None:
        """Write the plaintext of ``text`` to the beginning of ``message``, which is 32 bytes longer."""
        rest = self.length % BLOCK
        if rest:
            last = text[-BLOCK:]
            single = Cipher(algorithms.AES(self.key), modes.ECB()).decryptor()
            stolen = np.frombuffer(single.update(last.tobytes()), np.uint8)[rest:]
            text = np.concatenate([text[:-BLOCK], stolen, last])
        decryptor = Cipher(algorithms.AES(self.key), modes.CBC(self.iv)).decryptor()
        decryptor.update_into(text.data, message.data)


@lru_cache(maxsize=1)
def _pool(threads: int) -> ThreadPoolExecutor:
    """Threads for encryption, which lets go of the interpreter's lock; kept from call to call."""
    return ThreadPoolExecutor(threads, "xor_cbc")
