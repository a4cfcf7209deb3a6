"""What tests in several rooms need."""

import pytest

#: A dataset so small that a whole run takes a second.
TINY = "photos:size=16,test=12,train=40"


@pytest.fixture
def tiny() -> str:
    """Text form of a dataset for whole runs in tests."""
    return TINY


@pytest.fixture
def plugin(tmp_path):
    """Write a plug-in file and return its path as text."""

    def write(name: str, text: str) -> str:
        path = tmp_path / f"{name}.py"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write
