"""Certificates: known properties of known operators come out in numbers."""

import json

import pytest
import torch

import bench
from bench.cli import main
from bench.describe.certificate import _all_squares, _krylov_squares, certify
from bench.operators.ct import CT
from bench.runs.assembly import problem_of
from bench.runs.record import Record


def certificate(operator: str, dataset: str = "photos:size=16,train=40,test=12"):
    """The certificate of an operator on tiny photographs."""
    return certify(problem_of(operator, dataset, 0)[0])


def test_xor_ctr_is_discontinuous_and_local():
    """A grey level jumps in the bytes, a pixel stays in its pixel: 12 of its bytes at most change."""
    found = certificate("xor_ctr")
    assert found.discontinuity > 3
    assert found.reach == 0
    assert found.influence <= 12 / (12 * 16 * 16)
    assert found.equivariance_error > 1
    assert found.linearity_error > 0.1
    assert found.inverse_psnr == float("inf")
    assert found.condition is None
    assert "discontinuous" in found.summary
    assert "stays in its pixel" in found.summary


def test_xor_cbc_is_not_local():
    """In CBC a pixel changes everything after it: on average about half of the measurement."""
    found = certificate("xor_cbc")
    assert 0.2 < found.influence < 0.8
    assert found.reach > 8
    assert found.discontinuity > 100


def test_ct_is_linear_and_ill_conditioned():
    """Noise is left out of what is linear, and counts in what the inverse scores."""
    clean, noisy = certificate("ct:sigma=0"), certificate("ct+noise:sigma=0.05")
    assert clean.linearity_error < 1e-5
    assert clean.condition > 100
    assert clean.discontinuity < 1
    assert (noisy.linearity_error, noisy.condition) == (clean.linearity_error, clean.condition)
    assert noisy.inverse_psnr < clean.inverse_psnr - 3
    assert "Linear; ill conditioned" in clean.summary


def test_inverse_crime_is_named():
    """Data that share the reconstruction's discretisation are called that; data from a finer grid are not."""
    coarse, fine = certificate("ct:oversample=1,sigma=0"), certificate("ct")
    assert coarse.model_error == 0
    assert "(the inverse crime)" in coarse.summary
    assert 0.001 < fine.model_error < 0.1
    assert f"simulated {100 * fine.model_error:.1f} % off the model" in fine.summary
    assert "crime" not in fine.summary
    assert certificate("xor_ctr").model_error is None
    assert "crime" not in certificate("xor_ctr").summary + certificate("permutation").summary


def test_identity_and_permutation():
    """The identity is 1 and 0 in everything; a permutation differs from it in equivariance and reach."""
    identity, shuffle = certificate("noise:sigma=0"), certificate("permutation")
    assert identity.discontinuity == shuffle.discontinuity == pytest.approx(1)
    assert identity.influence == shuffle.influence == pytest.approx(1 / 256)
    assert (identity.reach, identity.equivariance_error, identity.linearity_error) == (
        0,
        0,
        pytest.approx(0, abs=1e-6),
    )
    assert shuffle.reach > 3
    assert shuffle.equivariance_error > 1
    assert (shuffle.norm, shuffle.condition) == (pytest.approx(1), pytest.approx(1))


def test_circular_convolution_is_equivariant():
    """A circular convolution commutes with circular shifts; its condition is that of its spectrum."""
    found = certificate("deblurring:sigma=1")
    assert found.equivariance_error < 1e-5
    spectrum = (
        problem_of("deblurring:sigma=1", "photos:size=16,train=40,test=12", 0)[0]
        .operator._transfer(torch.complex128)
        .abs()
    )
    assert found.condition == pytest.approx(float(spectrum.max() / spectrum.min()), rel=1e-4)


def test_fresh_iv_is_random():
    """Under iv=fresh the operator itself is random, and has no inverse to score."""
    found = certificate("xor_ctr:iv=fresh")
    assert found.random
    assert found.inverse_psnr is None


@pytest.mark.parametrize("settings", [{}, {"angles": 3}, {"detectors": 5}])
def test_krylov_bounds(settings):
    """The values for large operators lie between the smallest and the largest singular value."""
    operator = CT((1, 12, 12), **settings)
    rows = operator.forward(torch.eye(144, dtype=torch.float64).view(144, 1, 12, 12)).flatten(1)
    exact = torch.linalg.svdvals(rows).square()
    exact = exact[exact > 1e-13 * exact[0]]
    torch.testing.assert_close(_all_squares(operator).max(), exact[0])
    bound = _krylov_squares(operator)
    assert bound.max() <= exact[0] * (1 + 1e-9)
    assert bound.max() >= 0.99 * exact[0]
    assert bound.min() >= exact[-1] * (1 - 1e-6)


def test_command(tmp_path, tiny, monkeypatch, capsys):
    """The command prints the figures and writes strict JSON and a picture."""
    monkeypatch.setattr(
        "sys.argv", ["bench", "describe", "xor_ctr+noise:sigma=0", "-d", tiny, "--results", str(tmp_path)]
    )
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code in (0, None)
    assert "discontinuity" in capsys.readouterr().out
    folder = tmp_path / "operators" / "xor_ctr+noise_sigma=0.0"
    content = json.loads((folder / "certificate.json").read_text(), parse_constant=lambda name: 1 / 0)
    assert content["inverse_psnr"] == "Infinity"
    assert (folder / "picture.png").read_bytes().startswith(b"\x89PNG")


def test_record_carries_it(tmp_path, tiny):
    """Each run's record has its operator's certificate, which the leaderboard page shows."""
    record = bench.run("permutation", "mean", tiny, results=tmp_path)
    assert Record.read(record.folder).data.certificate["condition"] == pytest.approx(1)
