"""The state of a training between two epochs, and its file: tensors and JSON, never a pickle."""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from bench.errors import CheckpointError

Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class Epoch:
    """One row of a training history.

    Attributes:
        epoch: number, from 1.
        loss: mean training loss over the epoch.
        validation_psnr: mean PSNR in dB over the validation split, after the epoch.
        lr: learning rate at the end of the epoch.
        seconds: time spent on training steps, validation left out.
        images: images trained on.
        pieces: parts that each batch was taken in, because the GPU could not hold it whole.
    """

    epoch: int
    loss: float
    validation_psnr: float
    lr: float
    seconds: float
    images: int
    pieces: int = 1


History = list[Epoch]


@dataclass
class State:
    """All that a training consists of between two epochs.

    Attributes:
        module: the network.
        optimizer: with its moments.
        schedule: of the learning rate.
        best: weights of the best epoch so far.
        shadow: moving average of the weights; empty if they are not averaged.
        history: one entry per epoch done.
        pieces: parts that a batch is taken in.
    """

    module: nn.Module
    optimizer: Optimizer
    schedule: LRScheduler
    best: Tensors
    shadow: Tensors
    history: History = field(default_factory=list)
    pieces: int = 1

    @torch.no_grad()
    def average(self, decay: float) -> None:
        """Move the averaged weights: ``shadow = decay shadow + (1 - decay) weights``."""
        if not self.shadow:
            return
        # Early on the average follows closely, else it would remember the random start.
        steps = self.schedule.last_epoch
        decay = min(decay, (1 + steps) / (10 + steps))
        for name, value in self.module.state_dict().items():
            if value.is_floating_point():
                self.shadow[name].lerp_(value, 1 - decay)
            else:
                self.shadow[name].copy_(value)


def copied(module: nn.Module) -> Tensors:
    """The module's weights and buffers as tensors of their own."""
    return {k: v.detach().clone() for k, v in module.state_dict().items()}


def save(path: Path, state: State, fingerprint: str) -> None:
    """Write the state, replacing an older one in a single step.

    Raises:
        CheckpointError: there is no room or no permission.
    """
    optimizer = state.optimizer.state_dict()
    tensors = {f"module/{k}": v for k, v in copied(state.module).items()}
    tensors |= {f"best/{k}": v for k, v in state.best.items()}
    tensors |= {f"shadow/{k}": v for k, v in state.shadow.items()}
    for index, moments in optimizer["state"].items():
        tensors |= {f"optimizer/{index}/{k}": torch.as_tensor(v) for k, v in moments.items()}
    tensors |= {f"random/{k}": v for k, v in _random_state().items()}
    content = {
        "fingerprint": fingerprint,
        "history": [asdict(epoch) for epoch in state.history],
        "groups": optimizer["param_groups"],
        "schedule": state.schedule.state_dict(),
        "pieces": state.pieces,
    }
    draft = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file({k: v.contiguous() for k, v in tensors.items()}, draft, {"state": json.dumps(content)})
        os.replace(draft, path)
    except (OSError, SafetensorError) as error:
        draft.unlink(missing_ok=True)
        raise CheckpointError(f"cannot write the checkpoint {path}: {error}") from error


def load(path: Path, state: State, fingerprint: str) -> None:
    """Take a state up where :func:`save` left it, the global random numbers included.

    Raises:
        CheckpointError: the file is damaged, or belongs to another run.
    """
    try:
        with safe_open(path, "pt") as file:
            content = json.loads(file.metadata()["state"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        if content["fingerprint"] != fingerprint:
            raise CheckpointError(
                f"the checkpoint {path} belongs to run {content['fingerprint']}, not to {fingerprint}; "
                "delete it, or use --force, to train from the start"
            )
        _take_over(state, content, tensors)
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise CheckpointError(
            f"the checkpoint {path} is damaged ({error}); delete it, or use --force, to train from the start"
        ) from error


def _take_over(state: State, content: dict[str, Any], tensors: Tensors) -> None:
    device = next(iter(state.best.values())).device
    state.module.load_state_dict(_part(tensors, "module"))
    state.best = {k: v.to(device) for k, v in _part(tensors, "best").items()}
    state.shadow = {k: v.to(device) for k, v in _part(tensors, "shadow").items()}
    moments: dict[int, Tensors] = {}
    for name, value in _part(tensors, "optimizer").items():
        index, _, key = name.partition("/")
        moments.setdefault(int(index), {})[key] = value
    state.optimizer.load_state_dict({"state": moments, "param_groups": content["groups"]})
    state.schedule.load_state_dict(content["schedule"])
    state.history = [Epoch(**epoch) for epoch in content["history"]]
    state.pieces = content["pieces"]
    _set_random_state(_part(tensors, "random"))


def _part(tensors: Tensors, name: str) -> Tensors:
    prefix = f"{name}/"
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _random_state() -> Tensors:
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    return states


def _set_random_state(states: Tensors) -> None:
    torch.set_rng_state(states["cpu"])
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"])
