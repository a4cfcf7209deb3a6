"""Methods of deepinv around a denoiser's weights: DPIR, diffusion, and the foundation model RAM."""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import torch
from deepinv import optim, physics, sampling
from torch import Tensor, nn

from bench.deepinv.classical import known_sigma
from bench.deepinv.convert import Native, native, why_not_native
from bench.deepinv.layout import forked
from bench.deepinv.networks import Pretrained, network, weights_digest
from bench.errors import UsageError, at_least
from bench.models import Model
from bench.models.shared.linear import System
from bench.operators import Operator
from bench.problem import TrainingProblem
from bench.training import History

Prior = Literal["DRUNet", "DnCNN", "SCUNet", "SwinIR", "Restormer", "DiffUNet"]


class WithWeights(Model):
    """A method that learns nothing here, around a network that comes with its weights.

    Args:
        pretrained: deepinv's weights, which are downloaded once; or a ``.safetensors`` file.
        denoiser: the network.
        sigma: of the noise; default: the operator's, which must be Gaussian.
        width: of the network, where its weights are a file's; default: as deepinv's.
    """

    #: Tensors of the network, once fitted.
    module: nn.Module

    def __init__(
        self,
        pretrained: Pretrained = False,
        denoiser: Prior = "DRUNet",
        sigma: float | None = None,
        width: int | None = None,
    ):
        if sigma is not None and not sigma > 0:
            raise ValueError(f"sigma must be positive, not {sigma}")
        self.pretrained, self.denoiser, self.sigma = pretrained, denoiser, sigma
        self.settings = {} if width is None else {"width": width}
        if pretrained:
            self.uses = (
                f"weights of deepinv {denoiser}" if pretrained is True else f"weights of {pretrained}",
            )

    @classmethod
    def content(cls, params: Mapping[str, Any]) -> str | None:
        """SHA-256 of the weights that the parameters ask for; downloaded if they are not here."""
        if not params.get("pretrained"):
            return None
        settings = tuple((k, v) for k, v in params.items() if k == "width")
        return weights_digest(params.get("denoiser", "DRUNet"), params["pretrained"], settings)

    def fits(self, operator: Operator) -> str:
        name = type(self).__name__
        if not self.pretrained:
            return (
                f"it is made of trained weights; say deepinv.{name}:pretrained=true, or a .safetensors file"
            )
        if reason := why_not_native(operator):
            return reason
        if self.sigma is None and not known_sigma(operator):
            return "it has to know the deviation of the noise, which is not Gaussian here; give sigma"
        return self.misfit(native(operator, torch.device("cpu")).physics)

    def misfit(self, made: Any) -> str:
        """Why the method cannot work with a physics; an empty text if it can."""
        return ""

    def fit(self, problem: TrainingProblem) -> History:
        if not self.pretrained:
            raise UsageError(f"{type(self).__name__} {self.fits(problem.operator)}")
        self._make(problem, self.pretrained)
        return []

    def reconstruct(self, y: Tensor, operator: Operator, generator: torch.Generator) -> Tensor:
        given = native(operator, y.device)
        sigma = self.sigma or known_sigma(operator) or 0.0
        with torch.inference_mode(False), forked(generator):
            made = self.method(given, sigma, y.device)
            x = self.run(made, given.measurement(y.clone()), given, operator)
        return given.image(x).detach().float()

    def method(self, given: Native, sigma: float, device: torch.device) -> Any:
        """Deepinv's reconstructor."""
        raise NotImplementedError

    def run(self, made: Any, y: Any, given: Native, operator: Operator) -> Tensor:
        """The image from a measurement."""
        x: Tensor = made(y, given.physics)
        return x

    def parameters(self) -> int:
        return 0

    def state(self) -> dict[str, Tensor]:
        return {k: v.contiguous() for k, v in self.module.state_dict().items()}

    def restore(self, problem: TrainingProblem, state: Mapping[str, Tensor]) -> None:
        self._make(problem, False)
        self.module.load_state_dict(dict(state))

    def _make(self, problem: TrainingProblem, pretrained: bool | str) -> None:
        if problem.value_range != (0.0, 1.0):
            raise UsageError(
                f"{type(self).__name__} is for values in [0, 1]; these are in {problem.value_range}"
            )
        channels = native(problem.operator, problem.device).channels
        made = self.make_network(channels, pretrained)
        self.module = made.to(problem.device).eval().requires_grad_(False)

    def make_network(self, channels: int, pretrained: bool | str) -> nn.Module:
        """The network, with its weights."""
        return network(self.denoiser, channels, pretrained, self.settings)


class DPIR(WithWeights):
    """DPIR: half-quadratic splitting with a denoiser, 8 steps of falling noise level.

    Reference:
        Zhang et al.: Plug-and-play image restoration with deep denoiser prior, IEEE TPAMI 44(10), 2022.
    """

    def method(self, given: Native, sigma: float, device: torch.device) -> Any:
        return optim.DPIR(sigma, self.module, device)


class DDRM(WithWeights):
    """DDRM: diffusion in the singular values of a physics that has them.

    Args:
        pretrained: deepinv's weights, which are downloaded once; or a ``.safetensors`` file.
        denoiser: the network.
        sigma: of the noise; default: the operator's, which must be Gaussian.
        width: of the network, where its weights are a file's.
        steps: noise levels, from 1 to 0.

    Reference:
        Kawar et al.: Denoising diffusion restoration models, NeurIPS 2022.
    """

    def __init__(
        self,
        pretrained: Pretrained = False,
        denoiser: Prior = "DRUNet",
        sigma: float | None = None,
        width: int | None = None,
        steps: int = 100,
    ):
        super().__init__(pretrained, denoiser, sigma, width)
        at_least(2, steps=steps)
        self.steps = steps

    def misfit(self, made: Any) -> str:
        if isinstance(made, physics.DecomposablePhysics):
            return ""
        return (
            "it needs a physics with a singular value decomposition: deepinv.Inpainting, deepinv.BlurFFT, ..."
        )

    def method(self, given: Native, sigma: float, device: torch.device) -> Any:
        return sampling.DDRM(self.module, np.linspace(1, 0, self.steps))


class DiffPIR(DDRM):
    """DiffPIR: diffusion with a proximal step on the data at each noise level.

    Args:
        pretrained: deepinv's weights, which are downloaded once; or a ``.safetensors`` file.
        denoiser: the network.
        sigma: of the noise; default: the operator's, which must be Gaussian.
        width: of the network, where its weights are a file's.
        steps: noise levels.

    Reference:
        Zhu et al.: Denoising diffusion models for plug-and-play image restoration, CVPRW 2023.
    """

    def misfit(self, made: Any) -> str:
        return ""

    def method(self, given: Native, sigma: float, device: torch.device) -> Any:
        return sampling.DiffPIR(self.module, optim.L2(), sigma, self.steps, device=device)


class DPS(DDRM):
    """DPS: diffusion whose score is corrected by the gradient of the data term through the denoiser.

    Args:
        pretrained: deepinv's weights, which are downloaded once; or a ``.safetensors`` file.
        denoiser: the network.
        sigma: of the noise; default: the operator's, which must be Gaussian.
        width: of the network, where its weights are a file's.
        steps: of the reverse diffusion.

    Reference:
        Chung et al.: Diffusion posterior sampling for general noisy inverse problems, ICLR 2023.
    """

    def misfit(self, made: Any) -> str:
        return ""

    def method(self, given: Native, sigma: float, device: torch.device) -> Any:
        return sampling.DPS(self.module, num_steps=self.steps, device=device)


class RAM(WithWeights):
    """RAM, "reconstruct anything": one network for all linear operators, which are scaled to norm 1.

    Args:
        pretrained: deepinv's weights, which are downloaded once; or a ``.safetensors`` file.
        sigma: of the noise; default: the operator's, which must be Gaussian.

    Reference:
        Terris et al.: Reconstruct anything model, arXiv 2503.08915, 2025.
    """

    def __init__(self, pretrained: Pretrained = False, sigma: float | None = None):
        super().__init__(pretrained, sigma=sigma)
        if pretrained:
            self.uses = ("weights of deepinv RAM" if pretrained is True else f"weights of {pretrained}",)

    @classmethod
    def content(cls, params: Mapping[str, Any]) -> str | None:
        return weights_digest("RAM", params["pretrained"], ()) if params.get("pretrained") else None

    def make_network(self, channels: int, pretrained: bool | str) -> nn.Module:
        return network("RAM", channels, pretrained, {})

    def method(self, given: Native, sigma: float, device: torch.device) -> Any:
        return self.module

    def run(self, made: Any, y: Any, given: Native, operator: Operator) -> Tensor:
        norm = System(operator, given.physics.A_adjoint(y).device).norm
        sigma = (self.sigma or known_sigma(operator) or 0.0) / norm
        theirs = given.physics
        scaled = physics.LinearPhysics(
            A=lambda x, **_: theirs.A(x) / norm,
            A_adjoint=lambda y, **_: theirs.A_adjoint(y) / norm,
            noise_model=physics.GaussianNoise(sigma),
        )
        x: Tensor = made(y / norm, scaled)
        return x


SAMPLING: dict[str, type[Model]] = {c.__name__: c for c in (DPIR, DDRM, DiffPIR, DPS, RAM)}
