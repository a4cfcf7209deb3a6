"""What serves as a component of a kind, and which of several things in a file is meant."""

import pytest

from bench import registry
from bench.errors import UsageError


def test_a_function_as_a_model(tmp_path):
    """A plain function serves as a model, and not as an operator."""
    path = tmp_path / "mine.py"
    path.write_text("def network(in_channels, out_channels):\n    pass\n")
    assert registry.models.load(str(path)).__name__ == "network"
    with pytest.raises(UsageError, match="found none"):
        registry.operators.load(str(path))


NET = "class Net(nn.Module):\n    def __init__(self, in_channels, out_channels): ...\n"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (NET, "Net"),
        ("class Block(nn.Module):\n    pass\n\n" + NET, "Net"),
        ("def initialised(module):\n    pass\n\n" + NET, "Net"),
        ("def network(in_channels):\n    pass\n\n" + NET, "network"),
        ("class Block(nn.Module):\n    pass\n\ndef network(width=3):\n    pass\n", "network"),
    ],
)
def test_a_module_class_as_a_model(tmp_path, text, name):
    """An nn.Module class serves as a model; what is told the channels comes before helpers beside it."""
    path = tmp_path / "mine.py"
    path.write_text(f"from torch import nn\n\n\n{text}", encoding="utf-8")
    assert registry.models.load(str(path)).__name__ == name
    with pytest.raises(UsageError, match="found none"):
        registry.operators.load(str(path))


def test_two_module_classes(tmp_path):
    """Where two could be meant, neither is guessed."""
    path = tmp_path / "mine.py"
    path.write_text(f"from torch import nn\n\n\n{NET}\n{NET.replace('Net', 'Other')}", encoding="utf-8")
    with pytest.raises(UsageError, match=r"or torch.nn.Module or one function .*found 2 \(Net, Other\)"):
        registry.models.load(str(path))
