"""A U-Net on any backbone of timm."""

import difflib
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any

import timm
import torch
from huggingface_hub.constants import HF_HUB_CACHE
from torch import Tensor, nn

from bench import tensors
from bench.errors import BenchError, UsageError, at_least
from bench.models import NetworkModel, seen_shape
from bench.models._features import FeatureUNet, feature_shapes
from bench.models._hub import within_reach
from bench.models.shared.padding import Padded, smallest
from bench.operators import Operator
from bench.problem import TrainingProblem, check_size


class TimmUNet(NetworkModel):
    """U-Net with a timm backbone as encoder: encoder=NAME.

    The decoder goes from the coarsest feature maps to full resolution in steps of at most 2:
    bilinear upsampling, then two 3x3 convolutions with batch normalisation over all maps of that
    size; at full resolution, over the network's input itself.

    Args:
        encoder: any timm model that supports ``features_only``; ``timm.list_models()`` names them.
        width: channels of the decoder at full resolution; doubled at every coarser scale, up to 16
            times.
        pretrained: start from timm's weights, which are downloaded once; their content is part of what a
            run is named by.
        residual: learn what the best linear estimate of the image leaves, not the image from nothing.

    Raises:
        ValueError: timm has no such model, or the model has no features.

    Reference:
        Wightman: PyTorch image models, 2019, doi 10.5281/zenodo.4414861.
    """

    def __init__(
        self, encoder: str = "resnet18", width: int = 16, pretrained: bool = False, residual: bool = True
    ):
        at_least(1, width=width)
        if not timm.is_model(encoder):
            near = difflib.get_close_matches(encoder, timm.list_models(), n=5, cutoff=0.5)
            hint = f"near it: {', '.join(near)}" if near else "timm.list_models() has them all"
            raise ValueError(f"timm has no model {encoder!r}; {hint}")
        self.encoder = encoder
        self.width = width
        self.pretrained = pretrained
        if pretrained:
            self.uses = (f"weights of {encoder}",)
        self.residual = residual
        try:
            with torch.device("meta"):
                self.step: int = max(self._backbone(3).feature_info.reduction())  # type: ignore[union-attr, operator]
        except Exception as error:
            raise ValueError(f"timm's {encoder} cannot be an encoder: {error}") from error

    @classmethod
    def content(cls, params: Mapping[str, Any]) -> str | None:
        """SHA-256 of the weights that training starts from, as timm has them; it downloads them.

        Raises:
            BenchError: they cannot be had.
        """
        model = cls(**params)
        return _weights_digest(model.encoder) if model.pretrained else None

    def fits(self, operator: Operator) -> str:
        channels, height, width = seen_shape(operator)
        self._setting(channels, (height, width))
        return super().fits(operator)

    def network(self, in_channels: int, out_channels: int, image_size: tuple[int, int]) -> nn.Module:
        multiple, mixed = self._setting(in_channels, image_size)
        canvas = _canvas(image_size, multiple)
        backbone = self._backbone(in_channels, canvas, mixed, self.pretrained)
        return Padded(FeatureUNet(backbone, in_channels, out_channels, canvas, self.width), multiple)

    def restore(self, problem: TrainingProblem, state: Mapping[str, Tensor]) -> None:
        self.pretrained = False  # the saved weights take their place
        super().restore(problem, state)

    def _backbone(
        self,
        in_channels: int,
        canvas: tuple[int, int] | None = None,
        mixed: bool = False,
        pretrained: bool = False,
    ) -> nn.Module:
        """The encoder; one that is built for one image size, for ``canvas``."""
        if mixed:
            return Mixed(in_channels, self._backbone(3, canvas, pretrained=pretrained))
        config = timm.get_pretrained_cfg(self.encoder)
        size = {"img_size": canvas} if canvas and config and config.fixed_input_size else {}
        make = partial(timm.create_model, self.encoder, features_only=True, in_chans=in_channels, **size)
        return _with_weights(self.encoder, make) if pretrained else make(pretrained=False)

    def _setting(self, in_channels: int, image_size: tuple[int, int]) -> tuple[int, bool]:
        """What image sizes are padded to multiples of, and whether channels are mixed to three first.

        The least multiple that the backbone works with: mostly its coarsest step, but some want several
        of those, or exactly the size they were made for. A few take colour images only. Found by trying.

        Raises:
            UsageError: the backbone cannot take images of this size.
        """
        height, width = image_size
        reason = None
        for mixed in (False, True):
            for multiple in (*(self.step * n for n in range(1, 5)), self._own_size()):
                refusal = self._refusal(in_channels, _canvas(image_size, multiple), mixed)
                if refusal is None:
                    check_size((height, width), smallest(multiple), f"timm's {self.encoder}")
                    return multiple, mixed
                reason = reason or refusal
        raise UsageError(
            f"timm's {self.encoder} cannot take images of {in_channels} channels and {height}x{width} "
            f"pixels: {reason}"
        )

    def _refusal(self, in_channels: int, canvas: tuple[int, int], mixed: bool) -> Exception | None:
        """What the backbone raises for images of this size; None if it takes them."""
        refusal = None
        for device in ("meta", "cpu"):
            try:
                with torch.device(device):
                    backbone = self._backbone(in_channels, canvas, mixed)
                    feature_shapes(backbone, in_channels, canvas)
                return None
            except Exception as error:
                refusal = error
            if "meta" not in str(refusal):
                break  # without memory was not the trouble
        return refusal

    def _own_size(self) -> int:
        """Side of the images that the encoder was made for."""
        config = timm.get_pretrained_cfg(self.encoder)
        size: tuple[int, ...] = config.input_size if config else (3, 224, 224)
        return max(size[1:])


class Mixed(nn.Module):
    """An encoder of colour images behind a 1x1 convolution from any number of channels."""

    def __init__(self, in_channels: int, encoder: nn.Module):
        super().__init__()
        self.mix = nn.Conv2d(in_channels, 3, 1)
        self.encoder = encoder
        self.output_fmt = getattr(encoder, "output_fmt", "")

    def forward(self, x: Tensor) -> list[Tensor]:
        maps: list[Tensor] = self.encoder(self.mix(x))
        return maps


def _with_weights(encoder: str, make: Callable[..., nn.Module]) -> nn.Module:
    """A backbone with timm's weights.

    Raises:
        BenchError: they cannot be had.
    """
    with within_reach() as unreachable:
        try:
            return make(pretrained=True)
        except Exception as error:
            why = unreachable or f"{type(error).__name__}: {' '.join(str(error).split())}"
            raise BenchError(
                f"timm's weights for {encoder} could not be had ({why}). They are downloaded once, into "
                f"{HF_HUB_CACHE} or {torch.hub.get_dir()}/checkpoints; offline, copy that folder there"
            ) from error


@lru_cache(maxsize=4)
def _weights_digest(encoder: str) -> str:
    """SHA-256 of the weights of a timm model, of colour images."""
    backbone = TimmUNet(encoder, pretrained=True)._backbone(3, pretrained=True)
    return tensors.digest(backbone.state_dict())


def _canvas(image_size: tuple[int, int], multiple: int) -> tuple[int, int]:
    """The size that images are padded to."""
    height, width = image_size
    return height + -height % multiple, width + -width % multiple
