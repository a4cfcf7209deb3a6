"""A recorded run in somebody's own program."""

import numpy as np
import pytest
import torch
from torch import nn

import bench
from bench.errors import UsageError
from bench.metrics.psnr import psnr

DATASET = "photos:train=40,test=8,size=16"
MODELS = ("unet:width=2", "mean", "tv:iterations=5,weight=0.05")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """A network, a statistic and a classical method, each recorded."""
    folder = tmp_path_factory.mktemp("results")
    operator, options = "ct:oversample=1+noise:sigma=0.01", {"epochs": 1, "device": "cpu", "results": folder}
    return folder, {m: bench.run(operator, m, DATASET, **options).fingerprint for m in MODELS}


def loaded(results, model: str):
    """The recorded run of a model."""
    folder, names = results
    return bench.load(names[model][:6], folder)


@pytest.mark.parametrize("model", MODELS)
def test_reconstructions_are_what_was_scored(results, model):
    """Arrays of images, measurements and truth, in the order of the scores and with their PSNR."""
    run = loaded(results, model)
    images, truth, y = run.reconstructions(), run.truth(), run.measurements()
    assert images.shape == truth.shape == (8, 3, 16, 16)
    assert images.dtype == np.float32
    scores = psnr(torch.from_numpy(images), torch.from_numpy(truth))
    np.testing.assert_allclose(scores, run.record.per_unit["psnr"], rtol=1e-6)
    np.testing.assert_array_equal(run.reconstruct(y), images)
    np.testing.assert_allclose(run.reconstruct(y[3:4]), images[3:4], atol=1e-4)


def test_the_network_is_a_module(results):
    """What was trained is an nn.Module that is called with measurements and operator."""
    run = loaded(results, "unet:width=2")
    assert isinstance(run.model, nn.Module)
    assert not run.model.training
    y = run.measurements()
    with torch.no_grad():
        image = run.model(torch.from_numpy(y), run.operator)
    np.testing.assert_allclose(image, run.reconstructions(), atol=1e-6)
    assert sum(p.numel() for p in run.model.parameters()) == run.record.parameters


@pytest.mark.parametrize("model", [MODELS[0], MODELS[2]])
def test_images_of_another_size(results, model):
    """A network and a classical method reconstruct 20x24 pixels with the operator built for them."""
    run = loaded(results, model)
    x = np.random.default_rng(0).random((2, 3, 20, 24), dtype=np.float32)
    y = run.measure(x)
    assert y.shape[1:] == run.operator_for((20, 24)).measurement_shape
    assert run.reconstruct(y, size=(20, 24)).shape == x.shape
    with pytest.raises(UsageError, match=r"measurements must be .* of another size than 16x16, say size="):
        run.reconstruct(y)


def test_images_of_numpy(results):
    """What NumPy makes of pictures: doubles serve, bytes and channels at the end are told apart from them."""
    run = loaded(results, "unet:width=2")
    x = np.random.default_rng(0).random((1, 3, 20, 24))
    y = run.measure(x)
    assert y.dtype == np.float32
    assert np.array_equal(y, run.measure(x.astype(np.float32)))
    made = run.reconstruct(y.astype(np.float64), size=(20, 24))
    assert np.array_equal(made, run.reconstruct(y, size=(20, 24)))
    with pytest.raises(UsageError, match=r"floats from 0 to 1, the dataset's range, not uint8: .* x / 255"):
        run.measure((255 * x).astype(np.uint8))
    with pytest.raises(UsageError, match=r"must be \(B, 3, H, W\), not \(20, 24, 3\)"):
        run.measure(x[0].transpose(1, 2, 0))


def test_unknown_run(results):
    """A name that no run has lists those there are."""
    with pytest.raises(UsageError, match="no run is called 'zz'"):
        bench.load("zz", results[0])


def test_code_needs_the_readers_word(tmp_path, tiny, plugin):
    """A run that names a file of code is loaded with that file in ``trust``, and not without."""
    path = plugin(
        "net",
        "from torch import nn\n\ndef net(in_channels, out_channels):\n"
        "    return nn.Conv2d(in_channels, out_channels, 1)\n",
    )
    record = bench.run("denoising", path, tiny, results=tmp_path / "results", epochs=1)
    with pytest.raises(UsageError, match=r"net\.py"):
        bench.load(record.fingerprint, tmp_path / "results")
    run = bench.load(record.fingerprint, tmp_path / "results", trust=[path])
    assert run.reconstructions().shape == (12, 3, 16, 16)
