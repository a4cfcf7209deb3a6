"""AES operators against the vectors of NIST SP 800-38A, and their inverses."""

import numpy as np
import pytest
import torch
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.operators.shared.cipher import from_channels, secret, to_bytes
from bench.operators.xor_cbc import XorCbc
from bench.operators.xor_ctr import XorCtr

# NIST SP 800-38A, F.2.1 (CBC-AES128.Encrypt) and F.5.1 (CTR-AES128.Encrypt): 4 blocks.
KEY = "2b7e151628aed2a6abf7158809cf4f3c"
PLAIN = bytes.fromhex(
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
    "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
)
CBC_IV = "000102030405060708090a0b0c0d0e0f"
CBC_CIPHER = bytes.fromhex(
    "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2"
    "73bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7"
)
CTR_IV = "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"
CTR_CIPHER = bytes.fromhex(
    "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff"
    "5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee"
)
GENERATOR = torch.Generator().manual_seed(0)


def as_image(plain: bytes) -> torch.Tensor:
    """64 bytes as one grey 4x4 float32 image, whatever numbers they are."""
    return torch.from_numpy(np.frombuffer(plain, "<f4").copy()).view(1, 1, 4, 4)


@pytest.mark.parametrize(
    ("operator", "cipher"),
    [
        (XorCtr((1, 4, 4), key=KEY, iv=CTR_IV), CTR_CIPHER),
        (XorCbc((1, 4, 4), key=KEY, iv=CBC_IV), CBC_CIPHER),
    ],
    ids=["ctr", "cbc"],
)
def test_nist_vectors(operator, cipher):
    """The ciphertext is the standard's, byte for byte and in the order of the pixels."""
    y = operator.forward(as_image(PLAIN), GENERATOR)
    assert y.shape == (1, 4, 4, 4)
    assert from_channels(y).numpy().tobytes() == cipher
    assert operator.inverse(y).numpy().tobytes() == PLAIN


def test_byte_order_within_a_pixel():
    """A colour pixel is R, G, B as little-endian float32: 12 bytes, the lowest of red first."""
    x = torch.tensor([1.0, 0.5, 0.25]).view(1, 3, 1, 1)
    expected = np.array([1.0, 0.5, 0.25], "<f4").tobytes()
    assert to_bytes(x).numpy().tobytes() == expected


@pytest.mark.parametrize("operator", [XorCtr, XorCbc])
@settings(max_examples=20, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 3]), st.sampled_from([1, 7]), st.integers(0))
def test_decryption_is_exact(operator, height, width, channels, batch, seed):
    """inverse(forward(x)) is x to the last bit, for odd sizes (ciphertext stealing) too."""
    if channels * height * width < 4:
        return
    x = torch.randint(0, 256, (batch, channels, height, width)).float() / 255
    cipher = operator((channels, height, width), seed=seed)
    y = cipher.forward(x, GENERATOR)
    assert y.shape == (batch, 4 * channels, height, width)
    assert torch.equal(cipher.inverse(y), x)


def test_cbc_stealing_keeps_full_blocks():
    """CBC-CS1 leaves every block but the last two as plain CBC has them (NIST SP 800-38A addendum)."""
    x = torch.rand(1, 1, 3, 5)  # 60 bytes: 3 blocks and 12 bytes
    whole = torch.cat([x.flatten(), torch.zeros(1)]).view(1, 1, 4, 4)  # the same, padded with zeros
    stolen = from_channels(XorCbc((1, 3, 5), key=KEY, iv=CBC_IV).forward(x, GENERATOR)).numpy().tobytes()
    padded = from_channels(XorCbc((1, 4, 4), key=KEY, iv=CBC_IV).forward(whole, GENERATOR)).numpy().tobytes()
    assert stolen[:32] == padded[:32]
    assert stolen[32:44] == padded[32:44]
    assert stolen[44:] == padded[48:]


def test_noise_breaks_decryption():
    """One per cent of noise, rounded to bytes, decrypts to nonsense: the paper's Table I."""
    x = torch.rand(4, 3, 16, 16)
    operator = XorCtr((3, 16, 16))
    y = operator.forward(x, GENERATOR)
    decrypted = operator.inverse(y + 0.01 * torch.randn(y.shape, generator=GENERATOR))
    assert not torch.equal(decrypted, x)
    assert (decrypted - x).abs().nan_to_num(torch.inf).max() > 1


def test_key_from_seed_is_recorded():
    """Without key and iv both come from the seed, differ from each other, and are reported."""
    one, same, other = (XorCtr((1, 4, 4), seed=seed).settings() for seed in (1, 1, 2))
    assert one == same != other
    assert one["key"] != one["iv"]
    assert len(bytes.fromhex(one["key"])) == 16


@pytest.mark.parametrize(("text", "reason"), [("xyz", "hexadecimal"), ("00ff", "2 bytes")])
def test_bad_keys(text, reason):
    """A key that is no hexadecimal, or of the wrong length, is refused with what would be right."""
    with pytest.raises(ValueError, match=reason):
        secret(text, "key", 0)


def test_image_smaller_than_a_block():
    """CBC on less than 16 bytes is refused."""
    with pytest.raises(ValueError, match="16 bytes"):
        XorCbc((1, 1, 3))


def test_counter_carries():
    """The counter is one 128-bit number: past 2^64 it carries into its upper half, as OpenSSL's does."""
    iv = "0011223344556677fffffffffffffffe"
    operator = XorCtr((1, 4, 8), key=KEY, iv=iv)
    openssl = Cipher(algorithms.AES(bytes.fromhex(KEY)), modes.CTR(bytes.fromhex(iv))).encryptor()
    assert operator.keystream(torch.device("cpu")).numpy().tobytes() == openssl.update(bytes(128))


def test_fresh_iv():
    """Under iv=fresh equal images get independent, uniform keystreams, and nothing can decrypt them."""
    operator = XorCtr((3, 16, 16), iv="fresh")
    x = torch.rand(1, 3, 16, 16).expand(8, -1, -1, -1)
    y = from_channels(operator.forward(x, torch.Generator().manual_seed(1)))
    counts = torch.bincount(y.flatten().long(), minlength=256).double()
    assert ((counts - len(y) * 12) ** 2 / (len(y) * 12)).sum() < 350  # chi squared, 255 degrees: p < 1e-4
    same = [(y[i] == y[j]).double().mean() for i in range(8) for j in range(i)]
    assert max(same) < 0.02  # 1/256 expected
    assert not operator.can("inverse")
    with pytest.raises(NotImplementedError, match="iv is not told"):
        operator.inverse(y.permute(0, 3, 1, 2).float() / 255)


def test_cbc_threads_do_not_matter():
    """The ciphertext of a batch is that of each image alone, however many threads encrypt."""
    operator = XorCbc((3, 7, 5), key=KEY, iv=CBC_IV)
    x = torch.rand(9, 3, 7, 5, generator=GENERATOR)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        batch = operator.forward(x, GENERATOR)
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(batch, torch.cat([operator.forward(image[None], GENERATOR) for image in x]))
