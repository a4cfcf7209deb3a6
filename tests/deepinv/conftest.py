"""Tests of both directions between deepinv and the harness."""

import warnings

import pytest

pytest.importorskip("deepinv")


@pytest.fixture(autouse=True)
def _quiet():
    """Of what deepinv warns of, much is not asked here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
