"""What tests of runs need."""

import pytest

from bench.training import Trainer


@pytest.fixture
def trained(monkeypatch):
    """Starts to count the epochs that are trained, as a list that grows."""

    def start():
        epochs, whole = [], Trainer._epoch

        def counted(self, state, problem, epoch):
            epochs.append(epoch)
            return whole(self, state, problem, epoch)

        monkeypatch.setattr(Trainer, "_epoch", counted)
        return epochs

    return start
