"""deepinv's denoisers and reconstructors by name, as deepinv.TGVDenoiser; bench list deepinv has them all.

A denoiser works directly where the operator only adds noise, elsewhere inside deepinv's plug-and-play; its
strength is chosen on the validation split. Optimisation algorithms take a data fidelity and a prior by name,
as deepinv.PGD:prior=TV, whose weight is chosen there too. Networks are trained by the recipe; with
``pretrained=true`` they are deepinv's weights, downloaded into its cache, or those of a .safetensors file.
Which there are is told without importing deepinv or torch: a mistyped name is answered at once.
"""

import inspect
from functools import cache
from typing import TYPE_CHECKING, Any

from bench.deepinv import require

if TYPE_CHECKING:
    from bench.models import Model

#: Distributions whose versions are part of what a member is.
packages = ("deepinv",)

_BASE = "it is a base class"
_PARTS = "it is made from other objects, which text cannot give; a .py file can make it"
_BREGMAN = "its argument bregman_potential cannot be text; with the default it is"
#: What cannot be named, and why.
refused = {
    "Denoiser": _BASE,
    "Reconstructor": _BASE,
    "BaseOptim": _BASE,
    "BaseSampling": _BASE,
    "BaseUnfold": _BASE,
    "BaseDEQ": _BASE,
    "DiffusionSampler": _PARTS,
    "PosteriorDiffusion": _PARTS,
    "ULA": _PARTS,
    "SKRock": _PARTS,
    "MD": f"{_BREGMAN} GD",
    "PMD": f"{_BREGMAN} PGD",
    "SIRT": "landweber is its like, stopped by the validation split; a .py file can make it",
    "MLEM": "it is for Poisson counts of nonnegative operators; a .py file can make it",
    "OSEM": "it is for Poisson counts of nonnegative operators; a .py file can make it",
    "ArtifactRemoval": "its argument backbone_net cannot be text; the networks' own names do what it does",
    "EquivariantDenoiser": _PARTS,
    "EquivariantReconstructor": _PARTS,
    "AnscombeDenoiser": _PARTS,
    "ComplexDenoiserWrapper": _PARTS,
    "ScoreModelWrapper": _PARTS,
    "DiffusersDenoiserWrapper": "its model comes from another hub, with code of its own",
    "Client": "it sends images to a server",
    "CSGMGenerator": "its argument backbone_generator, a trained generator, cannot be text",
    "TimeAgnosticNet": "its unknown is a video",
    "MMSE": "its argument dataloader cannot be text",
    "AutoEncoder": "it takes flattened images of one size; a .py file can make it",
    "ADMUNet": "its weights are for 64x64 pixels alone; DiffUNet is there",
    "NCSNpp": "its weights are for 64x64 pixels alone; DiffUNet is there",
    "EDMPrecond": _PARTS,
    "EPLLDenoiser": "it is only to be had with deepinv's weights, which its constructor fetches",
    "DEAL": "it is only to be had with deepinv's weights, which its constructor fetches",
    "PromptIR": "it restores images of unknown degradation and is given no operator; Restormer is there",
    "SRResNet": "it enlarges by 4 and is given no operator; super_resolution+unet is the like",
    "Poisson2Sparse": "it trains on each image by itself with a data loader of its own",
    "GSDRUNet": "it takes gradients of itself, which neither our training nor plug-and-play allows for",
}


#: What can be named, by the module that makes it.
CLASSICAL = (
    "BM3D", "BilateralFilter", "MedianFilter", "TGVDenoiser", "TVDenoiser", "TVL1Denoiser", "WaveletDenoiser",
    "WaveletDictDenoiser",
)  # fmt: skip
NETWORKS = ("DRUNet", "DScCP", "DiffUNet", "DnCNN", "FFDNet", "Restormer", "SCUNet", "SwinIR", "UNet")
WHOLE = (
    "ADMM", "DDRM", "DPIR", "DPS", "DRS", "DeepImagePrior", "DiffPIR", "FISTA", "GD", "HQS", "MoDL", "PDCP",
    "PGD", "RAM", "VarNet",
)  # fmt: skip


def members() -> list[str]:
    """All that can be named."""
    require()
    return sorted([*CLASSICAL, *NETWORKS, *WHOLE])


@cache
def member(name: str) -> "type[Model]":
    """The model class of a name."""
    require()
    from bench.deepinv import classical, networks
    from bench.deepinv.classical import ClassicalDenoiser, DeepImagePrior
    from bench.deepinv.learned import NetworkDenoiser
    from bench.deepinv.optimizers import OPTIMIZERS
    from bench.deepinv.sampling import SAMPLING
    from bench.deepinv.unrolled import UNROLLED

    whole: dict[str, type[Model]] = {
        **OPTIMIZERS, **SAMPLING, **UNROLLED, "DeepImagePrior": DeepImagePrior
    }  # fmt: skip
    if name in whole:
        return whole[name]
    maker: Any = classical.CLASSICAL.get(name) or networks.NETWORKS[name]
    base: type[Model] = ClassicalDenoiser if name in CLASSICAL else NetworkDenoiser
    own = list(inspect.signature(base).parameters.values())
    settings = list(inspect.signature(maker).parameters.values())
    given = [p for p in settings if p.name not in ("channels", "pretrained")]
    kinds = [p for p in own if p.kind is not p.VAR_KEYWORD]
    doc = f"{inspect.getdoc(maker)}\n\n{inspect.getdoc(base)}"
    made_class = type(name, (base,), {"__doc__": doc, "maker": staticmethod(maker)})
    both = [p.replace(kind=p.KEYWORD_ONLY) for p in [*kinds, *given]]
    made_class.__signature__ = inspect.Signature(both)  # type: ignore[attr-defined]
    return made_class
