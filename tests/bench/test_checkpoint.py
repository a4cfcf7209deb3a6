"""Checkpoints: whatever a module's state is is saved, and nothing damaged is gone on from."""

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn
from torch.optim import SGD, Adam
from torch.optim.lr_scheduler import ConstantLR, OneCycleLR

from bench import checkpoint, tensors
from bench.checkpoint import Epoch, State, copied
from bench.errors import BenchError, CheckpointError


def state(module=None, epochs=2, schedule=ConstantLR):
    """A training after some epochs of two steps each."""
    torch.manual_seed(0)
    module = module or nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    optimizer = Adam(module.parameters(), lr=1e-2)
    extra = {"max_lr": 1e-2, "total_steps": 9} if schedule is OneCycleLR else {}
    made = State(module, optimizer, schedule(optimizer, **extra), copied(module), copied(module))
    for epoch in range(1, epochs + 1):
        for _ in range(2):
            optimizer.zero_grad()
            module(torch.randn(5, 3)).square().mean().backward()
            optimizer.step()
            made.schedule.step()
        made.history.append(Epoch(epoch, 0.5, 20.0 + epoch, 1e-2, 1.5, 10))
    made.seconds = 12.5
    return made


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The bytes of a whole checkpoint of run ``run``."""
    path = tmp_path_factory.mktemp("checkpoint") / "run.safetensors"
    checkpoint.save(path, state(), "run")
    return path.read_bytes()


def test_a_state_is_taken_up_as_it_was_left(tmp_path):
    """Weights, moments, schedule, history, elapsed time and random numbers come back."""
    left, path = state(), tmp_path / "run.safetensors"
    checkpoint.save(path, left, "run")
    expected = torch.rand(3)
    torch.manual_seed(5)
    taken = state(epochs=0)
    checkpoint.load(path, taken, "run")
    assert torch.equal(torch.rand(3), expected)
    assert (taken.history, taken.seconds) == (left.history, 12.5)
    assert taken.schedule.state_dict() == left.schedule.state_dict()
    for name, value in left.module.state_dict().items():
        assert torch.equal(taken.module.state_dict()[name], value)
    for index, moments in left.optimizer.state_dict()["state"].items():
        for key, value in moments.items():
            assert torch.equal(taken.optimizer.state_dict()["state"][index][key], value)


def refused(path, reason):
    """Loading ends in one message that names the file, says why and what to do."""
    with pytest.raises(CheckpointError, match=reason) as caught:
        checkpoint.load(path, state(epochs=0), "run")
    message = str(caught.value)
    assert path.name in message
    assert "delete it, or use --force" in message
    assert "\n" not in message
    return message


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_one_flipped_bit_is_found(tmp_path_factory, saved, data):
    """Wherever in the file a bit is flipped, the checkpoint is refused."""
    path = tmp_path_factory.mktemp("flipped") / "run.safetensors"
    place = data.draw(st.integers(0, 8 * len(saved) - 1))
    damaged = bytearray(saved)
    damaged[place // 8] ^= 1 << place % 8
    path.write_bytes(damaged)
    refused(path, "damaged")


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_a_truncated_file_is_found(tmp_path_factory, saved, data):
    """However much of it is missing."""
    path = tmp_path_factory.mktemp("cut") / "run.safetensors"
    path.write_bytes(saved[: data.draw(st.integers(0, len(saved) - 1))])
    refused(path, "damaged")


def crafted(path, change):
    """Write a checkpoint whose content was changed, with the right checksum for it."""
    checkpoint.save(path, state(), "run")
    kept, text = tensors.load(path)
    content = json.loads(text)
    change(content, kept)
    tensors.save(path, kept, json.dumps(content))


def without(part):
    """A change that leaves out the tensors of one part."""

    def change(content, kept):
        for name in [n for n in kept if n.startswith(part)]:
            del kept[name]

    return change


CRAFTED = {
    "999 dB": (lambda c, t: c["history"][1].update(validation_psnr=999.0), "999"),
    "loss is nan": (lambda c, t: c["history"][0].update(loss=float("nan")), "nan"),
    "an epoch twice": (lambda c, t: c["history"].append(c["history"][0]), "epochs"),
    "history of words": (lambda c, t: c.update(history="long"), "damaged"),
    "no history": (lambda c, t: c.pop("history"), "'history'"),
    "empty schedule": (lambda c, t: c.update(schedule={}), "schedule"),
    "no schedule": (lambda c, t: c.update(schedule=None), "damaged"),
    "no optimiser": (without("optimizer"), "no state of the optimiser"),
    "no groups": (lambda c, t: c.update(groups=[]), "damaged"),
    "no best": (without("best"), "best has other tensors"),
    "no module": (without("module"), "module has other tensors"),
    "no shadow": (without("shadow"), "shadow has other tensors"),
    "no random state": (without("random"), "'cpu'"),
    "short random state": (lambda c, t: t.update({"random/cpu": t["random/cpu"][:3]}), "damaged"),
    "wrong shape": (lambda c, t: t.update({"module/0.weight": torch.zeros(2, 2)}), r"not \(4, 3\)"),
    "wrong moments": (lambda c, t: t.update({"optimizer/0/exp_avg": torch.zeros(7)}), r"not \(4, 3\)"),
    "moments of nobody": (lambda c, t: t.update({"optimizer/99/exp_avg": torch.zeros(7)}), "damaged"),
    "no pieces": (lambda c, t: c.update(pieces=0), "pieces 0"),
    "before time": (lambda c, t: c.update(seconds=-1.0), "seconds -1"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "reason"), CRAFTED.values(), ids=CRAFTED.keys())
def test_what_makes_no_sense_is_refused(tmp_path, change, reason):
    """Also with a checksum that fits: parts left out, of other shapes, or with absurd figures."""
    path = tmp_path / "run.safetensors"
    crafted(path, change)
    refused(path, reason)


def test_no_checksum(tmp_path):
    """A file that some other program wrote is no checkpoint."""
    path = tmp_path / "run.safetensors"
    checkpoint.save(path, state(), "run")
    with safe_open(path, "pt") as file:
        words = file.metadata()
        kept = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    del words["sha256"]
    save_file(kept, path, words)
    refused(path, "sha256")


def test_an_optimiser_without_moments(tmp_path):
    """Plain gradient descent keeps none, and is gone on from all the same."""
    module = nn.Linear(2, 2)
    optimizer = SGD(module.parameters(), lr=0.1)
    made = State(module, optimizer, ConstantLR(optimizer), copied(module), {})
    made.history.append(Epoch(1, 0.5, 20.0, 0.1, 1.0, 10))
    checkpoint.save(tmp_path / "run.safetensors", made, "run")
    checkpoint.load(tmp_path / "run.safetensors", made, "run")


class Tied(nn.Module):
    """One weight under two names, buffers that are parts of another, and one of double precision."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(3, 3), nn.Linear(3, 3)
        self.last.weight = self.first.weight
        whole = torch.arange(12.0).view(3, 4)
        self.register_buffer("whole", whole)
        self.register_buffer("row", whole[1])
        self.register_buffer("turned", whole.T)
        self.register_buffer("precise", torch.ones(2, dtype=torch.complex128) * 1j)

    def forward(self, x):
        return self.last(self.first(x))


def test_shared_tensors_are_saved_once_and_come_back(tmp_path):
    """Tied weights, views and complex numbers of double precision: in a checkpoint and in a record."""
    path = tmp_path / "run.safetensors"
    left, taken = state(Tied()), state(Tied(), epochs=0)
    checkpoint.save(path, left, "run")
    checkpoint.load(path, taken, "run")
    for name, value in left.module.state_dict().items():
        assert torch.equal(taken.module.state_dict()[name], value)
    tensors.save(path, left.module.state_dict())
    with safe_open(path, "pt") as file:
        assert "last.weight" not in file.keys()  # noqa: SIM118 - not a dict
    kept, _ = tensors.load(path)
    assert kept["last.weight"] is kept["first.weight"]
    assert kept["precise"].dtype == torch.complex128
    assert torch.equal(kept["turned"], left.module.turned)


def test_a_tensor_and_its_conjugate_are_two(tmp_path):
    """They share their memory, and are different all the same."""
    x = torch.tensor([1 + 2j, 3 - 1j])
    tensors.save(tmp_path / "x.safetensors", {"x": x, "y": x.conj(), "wide": torch.ones(1).expand(5)})
    kept, _ = tensors.load(tmp_path / "x.safetensors")
    assert torch.equal(kept["y"], torch.tensor([1 - 2j, 3 + 1j]))
    assert torch.equal(kept["wide"], torch.ones(5))


class Remembering(nn.Linear):
    """Keeps something in its state that is no tensor."""

    def get_extra_state(self):
        return {"seen": 3}

    def set_extra_state(self, content):
        pass


def test_what_cannot_be_saved_is_named(tmp_path):
    """No tensor, or one without values: the message says which it is, and nothing is written."""
    with pytest.raises(BenchError, match="keeps _extra_state, a dict; only tensors"):
        state(Remembering(3, 2))
    made = state()
    made.best["0.weight"] = torch.eye(3).to_sparse()
    with pytest.raises(BenchError, match=r"best/0\.weight \(torch\.sparse_coo\)"):
        checkpoint.save(tmp_path / "run.safetensors", made, "run")
    assert list(tmp_path.iterdir()) == []


def test_the_generators_of_all_gpus_are_kept(monkeypatch):
    """Not of the current one alone; a machine with fewer of them goes on with those that it has."""
    gpus = [torch.tensor([n, 1], dtype=torch.uint8) for n in range(3)]
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.get_rng_state_all", lambda: list(gpus))
    kept = checkpoint._random_state()
    assert sorted(kept) == ["cpu", "cuda:0", "cuda:1", "cuda:2"]
    given = {}
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setattr("torch.cuda.set_rng_state", lambda value, device: given.update({device: value}))
    checkpoint._set_random_state(kept)
    assert given == {"cuda:0": gpus[0], "cuda:1": gpus[1]}
