"""Which references run along."""

import pytest

from bench.sweeps.plan import plan


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        ("xor_ctr", {"unet", "mean", "inverse"}),
        ("xor_ctr+noise:sigma=0.01", {"unet", "mean", "inverse", "posterior_mean"}),
        ("xor_ctr:iv=fresh", {"unet", "mean"}),
    ],
)
def test_every_known_reference_runs_along(operator, expected, tiny):
    """The posterior mean runs along where noise stops the exact inverse, and only where it is known."""
    assert {run.spec.model.name for run in plan([operator], ["unet"], tiny)} == expected
