"""Seeds: written down, independent, and within what torch takes."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from bench.seeding import derive, stream

parts = st.lists(st.one_of(st.integers(), st.text("abc")), min_size=1, max_size=4)


def test_derivation_is_what_it_says():
    """First eight bytes of ``printf '0\\x1ftest\\x1f3' | sha256sum``, little-endian, without a bit."""
    assert derive(0, "test", 3) == int.from_bytes(bytes.fromhex("4398449148c89224"), "little") >> 1


@given(parts)
def test_every_seed_fits_a_generator(given_parts):
    """63 bits: torch refuses larger ones."""
    assert 0 <= derive(*given_parts) < 2**63
    assert stream("cpu", *given_parts).initial_seed() == derive(*given_parts)


@given(parts, parts)
def test_different_purposes_different_streams(first, second):
    """Two lists of parts share a seed only if they read the same."""
    assert (derive(*first) == derive(*second)) == ([*map(str, first)] == [*map(str, second)])


def test_the_global_generator_is_left_alone():
    """Drawing from a stream does not move torch's own generator."""
    before = torch.random.get_rng_state()
    torch.rand(3, generator=stream("cpu", 0, "x"))
    assert torch.equal(before, torch.random.get_rng_state())
