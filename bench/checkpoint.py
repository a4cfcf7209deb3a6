"""The state of a training between two epochs, and its file: tensors and JSON, never a pickle."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from bench import tensors as storage
from bench.errors import BenchError, CheckpointError
from bench.tensors import Tensors


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
        seconds: wall time that the run has taken so far, over all its starts.
    """

    module: nn.Module
    optimizer: Optimizer
    schedule: LRScheduler
    best: Tensors
    shadow: Tensors
    history: History = field(default_factory=list)
    pieces: int = 1
    seconds: float = 0.0

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
    """The module's weights and buffers as tensors of their own.

    Raises:
        BenchError: it keeps something else than tensors, which cannot be saved.
    """
    state = module.state_dict()
    for name, value in state.items():
        if not isinstance(value, Tensor):
            kind = type(value).__name__
            raise BenchError(f"{type(module).__name__} keeps {name}, a {kind}; only tensors can be saved")
    return {k: v.detach().clone() for k, v in state.items()}


def save(path: Path, state: State, fingerprint: str) -> None:
    """Write the state with its checksum, replacing an older one in a single step.

    Raises:
        BenchError: the state holds what cannot be saved.
        CheckpointError: there is no room or no permission.
    """
    optimizer = state.optimizer.state_dict()
    tensors = {f"module/{k}": v for k, v in state.module.state_dict().items()}
    tensors |= {f"best/{k}": v for k, v in state.best.items()}
    tensors |= {f"shadow/{k}": v for k, v in state.shadow.items()}
    for index, moments in optimizer["state"].items():
        tensors |= {f"optimizer/{index}/{k}": torch.as_tensor(v) for k, v in moments.items() if v is not None}
    tensors |= {f"random/{k}": v for k, v in _random_state().items()}
    content = {
        "fingerprint": fingerprint,
        "history": [asdict(epoch) for epoch in state.history],
        "groups": optimizer["param_groups"],
        "schedule": state.schedule.state_dict(),
        "pieces": state.pieces,
        "seconds": state.seconds,
    }
    try:
        text = json.dumps(content)
        path.parent.mkdir(parents=True, exist_ok=True)
        storage.save(path, tensors, text)
    except (ValueError, TypeError) as error:
        raise BenchError(f"the state of {type(state.module).__name__} cannot be saved: {error}") from error
    except OSError as error:
        raise CheckpointError(f"cannot write the checkpoint {path}: {error}") from error


def load(path: Path, state: State, fingerprint: str) -> None:
    """Take a state up where :func:`save` left it, the global random numbers included.

    Raises:
        CheckpointError: the file is damaged, or belongs to another run.
    """
    try:
        tensors, text = storage.load(path)
        content = json.loads(text)
        if content["fingerprint"] != fingerprint:
            raise CheckpointError(
                f"the checkpoint {path} belongs to run {content['fingerprint']}, not to {fingerprint}; "
                "delete it, or use --force, to train from the start"
            )
        _take_over(state, content, tensors)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, RuntimeError) as error:
        what = f"it has no {error}" if isinstance(error, KeyError) else " ".join(str(error).split())[:300]
        raise CheckpointError(
            f"the checkpoint {path} is damaged ({what}); delete it, or use --force, to train from the start"
        ) from error


def _take_over(state: State, content: dict[str, Any], tensors: Tensors) -> None:
    history = _checked_history(content["history"])
    own = state.module.state_dict()
    parts = {name: _part(tensors, name) for name in ("module", "best", "shadow")}
    for name, part in parts.items():
        if part or name != "shadow" or state.shadow:
            _same_shapes(name, part, own)
    moments: dict[int, Tensors] = {}
    for name, value in _part(tensors, "optimizer").items():
        index, _, key = name.partition("/")
        moments.setdefault(int(index), {})[key] = value
    _check_moments(state.optimizer, moments, bool(history))
    if set(content["schedule"]) != set(state.schedule.state_dict()):
        raise ValueError("its learning rate schedule is not the recipe's")
    state.module.load_state_dict(parts["module"])
    state.best = {k: v.to(own[k].device) for k, v in parts["best"].items()}
    state.shadow = {k: v.to(own[k].device) for k, v in parts["shadow"].items()}
    state.optimizer.load_state_dict({"state": moments, "param_groups": content["groups"]})
    state.schedule.load_state_dict(content["schedule"])
    state.history = history
    state.pieces, state.seconds = int(content["pieces"]), float(content["seconds"])
    if state.pieces < 1 or not 0 <= state.seconds < math.inf:
        raise ValueError(f"pieces {state.pieces} or seconds {state.seconds} make no sense")
    _set_random_state(_part(tensors, "random"))


def _checked_history(content: Any) -> History:
    """The epochs of a checkpoint, if they are what a training leaves: 1, 2, ... with finite figures."""
    history = TypeAdapter(History).validate_python(content)
    if [epoch.epoch for epoch in history] != list(range(1, len(history) + 1)):
        raise ValueError(f"its history is of epochs {[epoch.epoch for epoch in history]}")
    for epoch in history:
        figures = (epoch.loss, epoch.validation_psnr, epoch.lr, epoch.seconds)
        # Exact images count 100 dB.
        if not all(map(math.isfinite, figures)) or epoch.validation_psnr > 100 or epoch.images < 1:
            raise ValueError(f"its history has {epoch}")
    return history


def _same_shapes(name: str, part: Tensors, own: Mapping[str, Tensor]) -> None:
    if set(part) != set(own):
        raise ValueError(f"{name} has other tensors than the network: {sorted(set(part) ^ set(own))[:3]}")
    for key, value in part.items():
        if (value.shape, value.dtype) != (own[key].shape, own[key].dtype):
            raise ValueError(f"{name}: {key} is {tuple(value.shape)}, not {tuple(own[key].shape)}")


def _check_moments(optimizer: Optimizer, moments: Mapping[int, Tensors], trained: bool) -> None:
    """Whether each parameter's moments are of its shape, and there where the optimiser keeps any."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    if trained and "betas" in optimizer.defaults and not moments:
        raise ValueError("it has no state of the optimiser")
    for index, kept in moments.items():
        shape = parameters[index].shape
        # Adafactor's are the variances of rows and columns.
        whole = {key: value for key, value in kept.items() if value.dim() and not key.endswith("_var")}
        if wrong := [key for key, value in whole.items() if value.shape != shape]:
            raise ValueError(f"{wrong[0]} of the optimiser's parameter {index} is not {tuple(shape)}")


def _part(tensors: Tensors, name: str) -> Tensors:
    prefix = f"{name}/"
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _random_state() -> Tensors:
    """States of the global generators: the processor's and every GPU's."""
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states |= {f"cuda:{i}": value for i, value in enumerate(torch.cuda.get_rng_state_all())}
    return states


def _set_random_state(states: Tensors) -> None:
    torch.set_rng_state(states.pop("cpu"))
    for device, value in states.items():
        # A machine with fewer GPUs goes on with those it has.
        if int(device.removeprefix("cuda:")) < torch.cuda.device_count():
            torch.cuda.set_rng_state(value, device)
