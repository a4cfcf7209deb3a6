"""Models of every kind, fitted, saved and restored."""

import pandas as pd
from safetensors.torch import load_file

import bench
from bench.runs.fitting import restore
from bench.runs.request import specify
from bench.runs.runner import Run

SMALL_UNET = "unet:width=4"


def test_weights_are_those_of_the_best_epoch(tmp_path, tiny):
    """The stored weights rebuild a model that scores the same test images identically."""
    from bench.models import NetworkModel
    from bench.runs.evaluation import evaluate
    from bench.training import Trainer

    record = bench.run("denoising", SMALL_UNET, tiny, results=tmp_path, epochs=2)
    fresh = Run(record.spec)
    model = fresh.model
    assert isinstance(model, NetworkModel)
    model.trainer = Trainer()
    model.restore(fresh.problem.training(), load_file(record.folder / "model.safetensors"))
    scores, digest, _ = evaluate(model, fresh.problem)
    assert digest == record.data.test_digest
    pd.testing.assert_frame_equal(scores, record.per_unit)


def test_a_fitted_model_is_let_go(tmp_path, tiny, monkeypatch):
    """What a sweep holds does not grow with the runs it has done."""
    import gc
    import weakref

    from bench.models import NetworkModel

    fitted, whole = [], NetworkModel.fit

    def noted(self, problem):
        fitted.append(weakref.ref(self))
        return whole(self, problem)

    monkeypatch.setattr(NetworkModel, "fit", noted)
    run = Run(specify("denoising", SMALL_UNET, tiny, changes={"epochs": 1}))
    run.execute(tmp_path)
    gc.collect()
    assert [model() for model in fitted] == [None]


def test_a_model_that_refers_to_itself_is_let_go_before_the_next(tmp_path, tiny, monkeypatch):
    """Python frees a cycle whenever it likes; peak memory does not depend on it, nor on the order of runs."""
    import gc
    import weakref

    from bench.models import NetworkModel

    fitted, there, whole = [], [], NetworkModel.fit

    def noted(self, problem):
        there.append([model() for model in fitted])
        fitted.append(weakref.ref(self))
        self.itself = self
        return whole(self, problem)

    monkeypatch.setattr(NetworkModel, "fit", noted)
    gc.disable()
    try:
        for seed in (0, 1):
            Run(specify("denoising", SMALL_UNET, tiny, seed=seed, changes={"epochs": 1})).execute(tmp_path)
    finally:
        gc.enable()
    assert there == [[], [None]]


def test_tied_weights_are_recorded(tmp_path, tiny, plugin):
    """A network that uses one weight twice is trained, recorded and restored."""
    from bench.runs.evaluation import evaluate

    path = plugin(
        "tied",
        "from torch import nn\n\n"
        "class _Tied(nn.Module):\n"
        "    def __init__(self, channels):\n"
        "        super().__init__()\n"
        "        self.first = nn.Conv2d(channels, channels, 3, padding=1)\n"
        "        self.last = nn.Conv2d(channels, channels, 3, padding=1)\n"
        "        self.last.weight = self.first.weight\n"
        "    def forward(self, x):\n        return self.last(self.first(x))\n\n"
        "def tied(in_channels, out_channels):\n    return _Tied(in_channels)\n",
    )
    record = bench.run("denoising", path, tiny, results=tmp_path, epochs=1)
    assert record.status == "ok"
    again = Run(record.spec)
    restore(again, record.folder / "model.safetensors")
    scores, _, _ = evaluate(again.model, again.problem)
    pd.testing.assert_frame_equal(scores, record.per_unit)


def test_what_cannot_be_saved_is_found_before_training(tmp_path, tiny, plugin, trained):
    """Not after the whole of it."""
    path = plugin(
        "sparse",
        "import torch\nfrom torch import nn\n\n"
        "class _Sparse(nn.Conv2d):\n"
        "    def get_extra_state(self):\n        return {'seen': 3}\n\n"
        "    def set_extra_state(self, content):\n        pass\n\n"
        "def sparse(in_channels, out_channels):\n"
        "    return _Sparse(in_channels, out_channels, 3, padding=1)\n",
    )
    epochs = trained()
    record = bench.run("denoising", path, tiny, results=tmp_path, epochs=1)
    assert "only tensors can be saved" in record.reason
    assert epochs == []


def test_function_as_model(tmp_path, tiny, plugin):
    """A plain function that returns a module is a model; its parameters can be set."""
    path = plugin(
        "tiny_net",
        "from torch import nn\n\n"
        "def tiny_net(in_channels, out_channels, width: int = 3):\n"
        "    first = nn.Conv2d(in_channels, width, 3, padding=1)\n"
        "    return nn.Sequential(first, nn.Conv2d(width, out_channels, 1))\n",
    )
    record = bench.run("denoising", f"{path}:width=5", tiny, results=tmp_path, epochs=1)
    assert record.status == "ok"
    assert record.spec.model.label == "tiny_net:width=5"
    assert record.parameters == (3 * 9 * 5 + 5) + (5 * 3 + 3)


def test_module_class_as_model(tmp_path, tiny, plugin):
    """An nn.Module class is a model, told the channels as a function is; its own parameters can be set."""
    path = plugin(
        "tiny_class",
        "from torch import nn\n\n"
        "class TinyClass(nn.Module):\n"
        "    def __init__(self, in_channels, out_channels, width: int = 3):\n"
        "        super().__init__()\n"
        "        self.first = nn.Conv2d(in_channels, width, 3, padding=1)\n"
        "        self.last = nn.Conv2d(width, out_channels, 1)\n\n"
        "    def forward(self, x):\n        return self.last(self.first(x))\n",
    )
    record = bench.run("denoising", f"{path}:width=5", tiny, results=tmp_path, epochs=1, optimizer="sgd")
    assert record.status == "ok"
    assert record.spec.recipe.optimizer == "sgd"
    assert record.parameters == (3 * 9 * 5 + 5) + (5 * 3 + 3)
