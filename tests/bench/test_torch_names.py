"""Names of torch's losses and optimisers as read from its text."""

import inspect

from torch import nn, optim

from bench import torch_names


def test_losses_are_those_of_torch_nn():
    """What the text exports is what torch.nn has."""
    assert set(torch_names.losses()) == {name for name in dir(nn) if name.endswith("Loss")}


def test_optimizers_are_classes_of_torch_optim():
    """All of torch's optimisers that take one step with dense gradients, by their names in small letters."""
    there = {
        name for name, thing in vars(optim).items()
        if inspect.isclass(thing) and issubclass(thing, optim.Optimizer) and thing is not optim.Optimizer
    }  # fmt: skip
    assert set(torch_names.optimizers().values()) == there - {"LBFGS", "SparseAdam"}
    assert all(name.lower() == key for key, name in torch_names.optimizers().items())
