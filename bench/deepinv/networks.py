"""Denoisers and reconstructors of deepinv: how each is made, and whose weights it may have."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Annotated, Any

import torch
from deepinv import models
from pydantic import Field
from torch import nn

from bench import tensors
from bench.errors import BenchError, UsageError
from bench.sources import file_digest

#: What makes a network that maps an image and a noise level to an image, of so many channels.
Maker = Callable[..., nn.Module]
#: Whether deepinv's weights are asked for, or a file of weights: ``true`` is no file's name.
Pretrained = Annotated[bool | str, Field(union_mode="left_to_right")]


def DnCNN(channels: int, pretrained: Any, width: int = 64, depth: int = 20) -> nn.Module:
    """A plain CNN; the noise level is not an input."""
    return models.DnCNN(channels, channels, depth, nf=width, pretrained=pretrained)  # type: ignore[no-any-return]


def DRUNet(channels: int, pretrained: Any, width: int = 64, blocks: int = 4) -> nn.Module:
    """A residual U-Net with the noise level as an input; its weights are for sigma up to 20/255."""
    widths = (width, 2 * width, 4 * width, 8 * width)
    return models.DRUNet(channels, channels, widths, blocks, pretrained=pretrained)  # type: ignore[no-any-return]


def UNet(channels: int, pretrained: Any, scales: int = 4) -> nn.Module:
    """A U-Net; the noise level is not an input. deepinv has no weights for it."""
    return models.UNet(channels, channels, scales=scales)  # type: ignore[no-any-return]


def FFDNet(channels: int, pretrained: Any, width: int = 64, depth: int = 15) -> nn.Module:
    """A CNN on downsampled sub-images with the noise level as an input. deepinv has no weights for it."""
    return models.FFDNet(depth, width, channels)  # type: ignore[no-any-return]


def DScCP(channels: int, pretrained: Any, width: int = 64, depth: int = 20) -> nn.Module:
    """An unrolled primal-dual denoiser, for colour images."""
    if channels != 3:
        raise UsageError(f"deepinv.DScCP takes colour images, not ones of {channels} channels")
    return models.DScCP(depth, width, pretrained=pretrained)  # type: ignore[no-any-return]


def SCUNet(channels: int, pretrained: Any, width: int = 64, blocks: int = 4) -> nn.Module:
    """A U-Net of Swin transformers and convolutions."""
    return models.SCUNet(channels, (blocks,) * 7, width, pretrained=pretrained)  # type: ignore[no-any-return]


def SwinIR(channels: int, pretrained: Any, width: int = 180, blocks: int = 6) -> nn.Module:
    """A Swin transformer for restoration."""
    return models.SwinIR(  # type: ignore[no-any-return]
        in_chans=channels,
        embed_dim=width,
        depths=(6,) * blocks,
        num_heads=(6,) * blocks,
        pretrained=pretrained,
    )


def Restormer(channels: int, pretrained: Any, width: int = 48, blocks: int = 4) -> nn.Module:
    """A transformer across channels."""
    kept = "denoising" if pretrained else None
    stages = (blocks, *((blocks * 3 + 1) // 2,) * 2, 2 * blocks)
    return models.Restormer(  # type: ignore[no-any-return]
        channels, channels, width, stages, num_refinement_blocks=blocks, pretrained=kept
    )


def DiffUNet(channels: int, pretrained: Any, large: bool = False) -> nn.Module:
    """The U-Net of diffusion models."""
    return models.DiffUNet(channels, channels, large, pretrained=pretrained)  # type: ignore[no-any-return]


def RAM(channels: int, pretrained: Any) -> nn.Module:
    """One network for all linear operators, of grey, complex (two channels) and colour images."""
    return models.RAM(pretrained=bool(pretrained), device="cpu")  # type: ignore[no-any-return]


#: Denoisers by name.
NETWORKS: dict[str, Maker] = {
    maker.__name__: maker
    for maker in (DnCNN, DRUNet, UNet, FFDNet, DScCP, SCUNet, SwinIR, Restormer, DiffUNet)
}
#: Those without weights of deepinv's.
UNTRAINED = frozenset({"UNet", "FFDNet"})


def network(name: str, channels: int, pretrained: bool | str, settings: Mapping[str, Any]) -> nn.Module:
    """A network, with deepinv's weights, those of a ``.safetensors`` file, or none.

    Raises:
        BenchError: the weights cannot be had (there is no connection), or do not fit.
    """
    wanted = "download" if pretrained is True else None
    if wanted and name in UNTRAINED:
        raise UsageError(f"deepinv has no weights for {name}; train it, or give pretrained=FILE.safetensors")
    try:
        made = (RAM if name == "RAM" else NETWORKS[name])(channels, wanted, **settings)
    except Exception as error:
        if wanted is None or isinstance(error, UsageError):
            raise
        raise BenchError(
            f"deepinv's weights for {name} could not be had ({type(error).__name__}: {error}). They are "
            f"downloaded once, into {torch.hub.get_dir()}/checkpoints; offline, copy that folder there"
        ) from error
    if isinstance(pretrained, str):
        load_weights(made, pretrained)
    return made.eval()


def load_weights(module: nn.Module, path: str) -> None:
    """Weights from a ``.safetensors`` file; nothing is unpickled.

    Raises:
        BenchError: there is no such file, or it holds another network's.
    """
    from safetensors.torch import load_file

    try:
        module.load_state_dict(load_file(path))
    except Exception as error:
        raise BenchError(f"pretrained={path}: {str(error).splitlines()[0]}") from error


@lru_cache(maxsize=8)
def weights_digest(name: str, pretrained: bool | str, settings: tuple[tuple[str, Any], ...]) -> str:
    """SHA-256 of a network's weights, of colour images; of a file, of its content.

    Raises:
        BenchError: the weights cannot be had.
    """
    if isinstance(pretrained, str):
        return file_digest(pretrained) or ""
    return tensors.digest(network(name, 3, pretrained, dict(settings)).state_dict())
