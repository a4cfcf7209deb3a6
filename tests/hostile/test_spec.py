"""The grammar of specs: whatever is typed is read, or refused by one error that is the caller's."""

import os
from dataclasses import replace

from hypothesis import example, given, settings
from hypothesis import strategies as st

from bench import registry
from bench.component import Component, chain_text, parse_chain
from bench.errors import UsageError
from bench.spec import RunSpec

#: Texts tried.
MANY = 4_000 if os.environ.get("BENCH_HOSTILE") == "large" else 100
WORDS = st.sampled_from(
    ["noise", "ct", "xor_ctr", "sigma", "angles", "seed", "=", ":", ",", "+", " ", "1e5", "-1", "nan", "none",
     "9" * 500, "./x.py", "~nouser/x.py", "a.b", "..", "\0", "\ud800", "\x1b[2J", "/", "é"]
)  # fmt: skip
TEXTS = st.one_of(st.text(max_size=40), st.lists(WORDS, max_size=8).map("".join))


@settings(max_examples=MANY, deadline=None)
@given(TEXTS)
def test_any_text_is_read_or_refused(text):
    """Reading raises nothing but UsageError; looking names up and checking values neither."""
    try:
        chain = parse_chain(text)
        for part in chain:
            part.named(registry.operators)
        [part.checked(registry.operators) for part in chain]
    except UsageError:
        return


@settings(max_examples=MANY, deadline=None)
@given(TEXTS)
@example("noise : sigma = 1")
def test_what_was_read_is_written_as_it_was(text):
    """A chain's text form is read as the same chain."""
    try:
        chain = parse_chain(text)
    except UsageError:
        return
    assert parse_chain(chain_text(chain)) == chain


NAMES = st.from_regex(r"[a-z_]{1,8}", fullmatch=True)
VALUES = st.one_of(st.integers(), st.floats(allow_nan=False), st.text(max_size=8), st.none(), st.booleans(),
                   st.lists(st.integers(), max_size=3))  # fmt: skip
COMPONENTS = st.builds(Component, NAMES, st.dictionaries(NAMES, VALUES, max_size=4))


@settings(max_examples=MANY, deadline=None)
@given(COMPONENTS, COMPONENTS, st.integers(0, 2**63 - 1))
def test_specs_are_keys_with_a_name_and_a_command(one, two, seed):
    """Any components make a spec that hashes, equals itself, has a fingerprint and a command line."""
    spec = RunSpec((one, two), two, one, seed)
    again = RunSpec((Component(one.name, dict(reversed(one.params.items()))), two), two, one, seed)
    assert {spec: 1}[again] == 1
    assert spec.fingerprint("", []) == again.fingerprint("", [])
    assert replace(spec, problem_seed=1).fingerprint("", []) != spec.fingerprint("", [])
    assert spec.command().startswith("bench run ")
