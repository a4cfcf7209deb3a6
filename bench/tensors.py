"""Named tensors as a safetensors file, never a pickle; whatever memory they share."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from bench import files

Tensors = dict[str, Tensor]

#: Complex types that safetensors has no name for: stored as pairs of real numbers.
PAIRS = (torch.complex128, torch.complex32)


def save(path: Path, tensors: Mapping[str, Tensor], text: str = "") -> None:
    """Write tensors and a text with their SHA-256, in one step; a tensor with two names is stored once.

    Raises:
        ValueError: one is no dense tensor with values.
        OSError: there is no room or no permission.
    """
    kept, names = _own_memory(tensors)
    pairs = [name for name, tensor in kept.items() if tensor.dtype in PAIRS]
    kept |= {name: torch.view_as_real(kept[name]) for name in pairs}
    words = {"text": text, "names": json.dumps(names), "pairs": json.dumps(pairs)}
    words["sha256"] = _digest(kept, words)
    with files.replacing(path) as draft:
        try:
            save_file(kept, draft, words)
        except SafetensorError as error:
            raise OSError(str(error)) from error


def load(path: Path) -> tuple[Tensors, str]:
    """Read tensors, on the CPU and with all their names, and the text.

    Raises:
        ValueError: the file is damaged.
        OSError: it cannot be read.
    """
    try:
        with safe_open(path, "pt") as file:
            words = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        if words.pop("sha256") != _digest(tensors, words):
            raise ValueError("its checksum does not match its content")
        for name in json.loads(words["pairs"]):
            tensors[name] = torch.view_as_complex(tensors[name])
        for name, stored in json.loads(words["names"]).items():
            tensors[name] = tensors[stored]
    except KeyError as error:
        raise ValueError(f"it has no {error}") from error
    except (SafetensorError, TypeError, AttributeError, RuntimeError) as error:
        raise ValueError(str(error)) from error
    return tensors, words["text"]


def digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, types, shapes and values, wherever the tensors lie."""
    kept, names = _own_memory(tensors)
    return _digest(kept, {"names": json.dumps(names)})


def _digest(tensors: Tensors, words: Mapping[str, str]) -> str:
    """SHA-256 over names, types, shapes and values of tensors, and over what goes with them."""
    sha = hashlib.sha256(json.dumps(words, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        sha.update(f"\0{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
        sha.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return sha.hexdigest()


def _own_memory(tensors: Mapping[str, Tensor]) -> tuple[Tensors, dict[str, str]]:
    """Tensors on the CPU that share no memory, and further names with the name each is stored by."""
    kept: Tensors = {}
    names: dict[str, str] = {}
    seen: dict[object, str] = {}
    for name, tensor in tensors.items():
        try:
            dense = tensor.detach()
            view = (dense.shape, dense.stride(), dense.dtype, dense.is_conj(), dense.is_neg())
            place = (dense.device, dense.data_ptr(), view)
            if dense.numel() and place in seen:
                names[name] = seen[place]
                continue
            seen[place] = name
            kept[name] = dense.cpu().resolve_conj().resolve_neg().contiguous()
        except (AttributeError, RuntimeError, NotImplementedError) as error:
            what = str(getattr(tensor, "layout", type(tensor).__name__))
            raise ValueError(f"{name} ({what}) is no dense tensor with values") from error
    memory: set[int] = set()
    for name, tensor in kept.items():
        if tensor.untyped_storage().data_ptr() in memory:
            kept[name] = tensor.clone()
        memory.add(tensor.untyped_storage().data_ptr())
    return kept, names
