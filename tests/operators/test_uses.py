"""What is noted of a method that is told the operator."""

import pytest
import torch

from bench.operators import Operator, noting_uses
from bench.operators.ct import CT
from bench.operators.mri import MRI
from bench.operators.noise import Noise
from bench.operators.shared.chain import Chain, Identity, without_noise
from bench.operators.xor_ctr import XorCtr

GENERATOR = torch.Generator()


def uses(call) -> set[str]:
    """What is noted while ``call`` runs."""
    used: set[str] = set()
    with noting_uses(used):
        call()
    return used


def test_outermost_calls_are_noted():
    """What a model calls is its use; what the operator calls in itself is not."""
    operator = Chain([CT((1, 12, 12), angles=4), Noise((1, 4, 17))])
    y = torch.zeros(2, 1, 4, 17)
    assert uses(lambda: operator.inverse(y)) == {"inverse"}
    assert uses(lambda: operator.system.adjoint(y)) == {"adjoint"}
    assert uses(lambda: MRI((1, 12, 12)).inverse(torch.zeros(2, 2, 12, 3))) == {"inverse"}
    assert uses(lambda: operator.system.forward(torch.zeros(1, 1, 12, 12), GENERATOR)) == {"forward"}


def test_what_every_model_is_told_is_none():
    """The picture of a sinogram is a back-projection, and the harness measures: neither is a model's use."""
    operator = CT((1, 12, 12), angles=4)
    assert uses(lambda: operator.as_image(torch.zeros(2, 1, 4, 17))) == set()
    assert uses(lambda: operator.measure(torch.zeros(2, 1, 12, 12), GENERATOR)) == set()
    assert uses(lambda: Inverted((1, 4, 4)).measurement_shape) == set()


class Inverted(Operator):
    """y = 1 - x, whose measurement shape is found by measuring."""

    def forward(self, x, generator):
        return 1 - x


def test_secrets_are_noted_by_name():
    """A model that asks a cipher for its keystream is told the key, and its row says so."""
    cipher = XorCtr((1, 4, 4))
    y = torch.zeros(1, 4, 4, 4)
    assert uses(lambda: cipher.keystream(torch.device("cpu"))) == {"keystream"}
    prior = torch.full((256,), 1 / 256)
    assert uses(lambda: cipher.posterior_mean(y, None, prior)) == {"posterior mean"}


def test_nothing_is_noted_outside():
    """Calls before and after a block, and after one that failed, are nobody's."""
    used: set[str] = set()
    with pytest.raises(NotImplementedError), noting_uses(used):
        XorCtr((1, 4, 4), iv="fresh").inverse(torch.zeros(1, 4, 4, 4))
    CT((1, 4, 4)).adjoint(torch.zeros(1, 1, 30, 7))
    assert used == {"inverse"}


def test_without_noise():
    """Noise is left out wherever it stands, in a chain within a chain too; of noise alone the identity."""
    ct, noise = CT((1, 6, 6), angles=3), Noise((1, 6, 6))
    assert without_noise(ct) is ct
    assert without_noise(Chain([noise, Chain([ct, Noise(ct.measurement_shape)])])) is ct
    left = without_noise(Chain([noise, noise]))
    x = torch.rand(2, 1, 6, 6)
    assert isinstance(left, Identity)
    assert torch.equal(left.forward(x, GENERATOR), x)


def test_nonces_are_what_forward_draws():
    """Under a fresh iv they come from the generator as forward draws them; a fixed one is shared by all."""
    operator = Chain([XorCtr((1, 4, 4), iv="fresh"), Noise((4, 4, 4))])
    ivs = operator.nonces(3, torch.Generator().manual_seed(1))
    cipher = operator.parts[0]
    y = cipher.forward(torch.zeros(3, 1, 4, 4), torch.Generator().manual_seed(1))
    fixed = [XorCtr((1, 4, 4), key=cipher.key.hex(), iv=bytes(iv.tolist()).hex()) for iv in ivs]
    expected = torch.cat([f.forward(torch.zeros(1, 1, 4, 4), GENERATOR) for f in fixed])
    assert torch.equal(y, expected)
    assert XorCtr((1, 4, 4)).nonces(3, GENERATOR) is None
