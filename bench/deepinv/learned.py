"""Networks of deepinv: trained by the recipe, or with weights that are there already."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.deepinv.classical import choose_strength, known_sigma, plug_and_play
from bench.deepinv.convert import native, why_not_native
from bench.deepinv.layout import forked
from bench.deepinv.networks import Maker, Pretrained, network, weights_digest
from bench.errors import UsageError
from bench.models import NetworkModel
from bench.models.shared.padding import Padded
from bench.operators import Operator
from bench.operators.shared.chain import Identity, without_noise
from bench.problem import TrainingProblem
from bench.training import History

#: What image sizes are padded to: the networks halve them three times, or look at windows of 8.
MULTIPLE = 8
#: The noise level that a network is told while it is trained: there is one only.
LEVEL = 0.1


class NetworkDenoiser(NetworkModel):
    """Trained by the recipe on what the operator shows; or, pretrained, a denoiser as it is.

    Pretrained it is told the noise's sigma where the operator only adds Gaussian noise; elsewhere it is the
    prior of deepinv's plug-and-play, its strength chosen on the validation split. Values are in [0, 1].

    Args:
        pretrained: deepinv's weights, which are downloaded once; or a ``.safetensors`` file.
        strength: sigma that a pretrained denoiser is told.
        iterations: of plug-and-play.
        residual: learn what the best linear estimate of the image leaves, not the image from nothing.
        settings: of the network.
    """

    maker: ClassVar[Maker]

    def __init__(
        self,
        pretrained: Pretrained = False,
        strength: float | None = None,
        iterations: int = 8,
        residual: bool = True,
        **settings: Any,
    ):
        self.pretrained, self.strength, self.iterations = pretrained, strength, iterations
        self.residual, self.settings = residual, settings
        self.chosen: Tensor | None = None
        if pretrained:
            self.trained = False  # type: ignore[misc]
            self.uses = (f"weights of {self._source}",)

    @property
    def _source(self) -> str:
        name = type(self).__name__
        return f"deepinv {name}" if self.pretrained is True else f"{name} ({self.pretrained})"

    @classmethod
    def content(cls, params: Mapping[str, Any]) -> str | None:
        """SHA-256 of the weights that the parameters ask for, of colour images; it downloads them."""
        if not params.get("pretrained"):
            return None
        given = {"pretrained", "strength", "iterations", "residual"}
        settings = tuple(sorted((k, v) for k, v in params.items() if k not in given))
        return weights_digest(cls.__name__, params["pretrained"], settings)

    def fits(self, operator: Operator) -> str:
        return why_not_native(operator) if self.pretrained else super().fits(operator)

    def network(self, in_channels: int, out_channels: int, image_size: tuple[int, int]) -> nn.Module:
        inner = network(type(self).__name__, in_channels, False, self.settings).train()
        return Padded(AtLevel(inner, in_channels, out_channels), MULTIPLE)

    def fit(self, problem: TrainingProblem) -> History:
        if not self.pretrained:
            return super().fit(problem)
        self._frozen(problem, self.pretrained)
        sigma = known_sigma(problem.operator)
        alone = isinstance(without_noise(problem.operator), Identity)
        given = sigma if self.strength is None and alone else self.strength
        with torch.no_grad():
            best, self.trials = choose_strength(problem, self._denoise, self.iterations, given)
        self.chosen = torch.tensor(best, device=problem.device)
        return []

    def reconstruct(self, y: Tensor, operator: Operator, generator: torch.Generator) -> Tensor:
        if self.chosen is None:
            with forked(generator):  # DScCP finds its norms from random images
                return super().reconstruct(y, operator, generator)
        return plug_and_play(self._denoise, float(self.chosen), y, operator, self.iterations)

    def parameters(self) -> int:
        return 0 if self.chosen is not None else super().parameters()

    def state(self) -> dict[str, Tensor]:
        return super().state() | ({} if self.chosen is None else {"chosen": self.chosen})

    def restore(self, problem: TrainingProblem, state: Mapping[str, Tensor]) -> None:
        if "chosen" not in state:
            self.pretrained = False
            super().restore(problem, state)
            return
        self._frozen(problem, False)
        self.module.load_state_dict({k: v for k, v in state.items() if k != "chosen"})
        self.chosen = state["chosen"].to(problem.device)

    def _frozen(self, problem: TrainingProblem, pretrained: bool | str) -> None:
        channels = native(problem.operator, problem.device).channels
        if problem.value_range != (0.0, 1.0):
            raise UsageError(
                f"{self._source}: its weights are for values in [0, 1]; these are in {problem.value_range}"
            )
        made = network(type(self).__name__, channels, pretrained, self.settings)
        self.module = made.to(problem.device).eval().requires_grad_(False)

    def _denoise(self, x: Tensor, strength: float) -> Tensor:
        height, width = x.shape[-2:]
        whole = F.pad(x, (0, -width % MULTIPLE, 0, -height % MULTIPLE), mode="replicate")
        out: Tensor = self.module(whole, strength)[..., :height, :width]
        return out


class AtLevel(nn.Module):
    """A denoiser told one noise level, from any number of channels to any."""

    def __init__(self, inner: nn.Module, in_channels: int, out_channels: int):
        super().__init__()
        self.inner = inner
        same = in_channels == out_channels
        self.last = nn.Identity() if same else nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.last(self.inner(x, LEVEL))
        return out
