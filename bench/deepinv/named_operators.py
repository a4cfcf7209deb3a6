"""deepinv's physics and noise models by name, as deepinv.Blur:filter=motion; bench list deepinv has them all.

A chain joins them with each other and with operators of this project: ``deepinv.MRI+deepinv.GaussianNoise``.
Which there are is told without importing deepinv or torch: a mistyped name is answered at once.
"""

import inspect
from functools import cache
from typing import TYPE_CHECKING

from bench.deepinv import require

if TYPE_CHECKING:
    from bench.operators import Operator

#: Distributions whose versions are part of what a member is.
packages = ("deepinv",)

_FILE = "write a file of about ten lines instead: bench.deepinv.operators shows one"
_NO_IMAGES = "its unknown is no image (C, H, W)"
#: What cannot be named, and why.
refused = {
    "Physics": f"it is a base class, made from a function A; {_FILE}",
    "LinearPhysics": f"it is a base class, made from functions A and A_adjoint; {_FILE}",
    "DecomposablePhysics": f"it is a base class, made from functions U, V and a mask; {_FILE}",
    "NoiseModel": f"it is a base class, made from a function noise_model; {_FILE}",
    "ComposedPhysics": "it takes other physics; a chain composes them: deepinv.Blur+deepinv.Inpainting",
    "ComposedLinearPhysics": "it takes other physics; a chain composes them: deepinv.Blur+deepinv.Inpainting",
    "StackedPhysics": f"its argument physics_list, a list of physics, cannot be text; {_FILE}",
    "StackedLinearPhysics": f"its argument physics_list, a list of physics, cannot be text; {_FILE}",
    "PhaseRetrieval": "its argument B, a linear physics, cannot be text; deepinv.RandomPhaseRetrieval, "
    f"deepinv.StructuredRandomPhaseRetrieval and deepinv.Ptychography have theirs; or {_FILE}",
    "PhysicsMultiScaler": f"its argument physics cannot be text; {_FILE}",
    "LinearPhysicsMultiScaler": f"its argument physics cannot be text; {_FILE}",
    "BlurMultiScaler": f"its argument physics cannot be text; {_FILE}",
    "BlurFFTMultiScaler": f"its argument physics cannot be text; {_FILE}",
    "InpaintingMultiScaler": f"its argument physics cannot be text; {_FILE}",
    "PhysicsCropper": f"its argument physics cannot be text; {_FILE}",
    "VirtualLinearPhysics": f"its arguments physics and transform cannot be text; {_FILE}",
    "RadioInterferometry": "its argument samples_loc, a tensor of frequencies, cannot be text, and it needs "
    f"torchkbnufft; {_FILE}",
    "Scattering": f"its arguments receivers and transmitters, tensors of positions, cannot be text; {_FILE}",
    "DynamicMRI": f"{_NO_IMAGES} but a video (2, T, H, W)",
    "SequentialMRI": f"{_NO_IMAGES} but a video (2, T, H, W)",
    "Haze": f"{_NO_IMAGES} but a triple of image, depth and light",
    "SinglePhotonLidar": f"{_NO_IMAGES} but depth, intensity and background, and it takes one at a time",
    "PET": f"{_NO_IMAGES} but a volume, and it needs parallelproj, which only conda has",
    "TomographyWithAstra": "it needs ASTRA and CUDA; deepinv.Tomography and ct are there",
}

#: What can be named; as there are makers in bench.deepinv.physics, and noise models in bench.deepinv.noises.
PHYSICS = (
    "Blur", "BlurFFT", "CompressedSensing", "CompressiveSpectralImaging", "Decolorize", "Demosaicing",
    "Denoising", "Downsampling", "DownsamplingMatlab", "HyperSpectralUnmixing", "Inpainting", "MRI",
    "MultiCoilMRI", "Pansharpen", "Ptychography", "PtychographyLinearOperator", "RandomPhaseRetrieval",
    "SinglePixelCamera", "SpaceVaryingBlur", "SpatialUnwrapping", "StructuredRandom",
    "StructuredRandomPhaseRetrieval", "TiledSpaceVaryingBlur", "Tomography", "Upsampling",
)  # fmt: skip
NOISES = (
    "FisherTippettNoise", "GammaNoise", "GaussianNoise", "LaplaceNoise", "LogPoissonNoise",
    "PoissonGaussianNoise", "PoissonNoise", "RicianNoise", "SaltPepperNoise", "UniformGaussianNoise",
    "UniformNoise", "ZeroNoise",
)  # fmt: skip


def members() -> list[str]:
    """All that can be named."""
    require()
    return sorted([*PHYSICS, *NOISES])


@cache
def member(name: str) -> "type[Operator]":
    """The operator class that a physics or a noise model is wrapped in."""
    require()
    import deepinv

    from bench.deepinv.noises import noise_class
    from bench.deepinv.operators import PhysicsOperator, made_class
    from bench.deepinv.physics import MAKERS

    theirs = getattr(deepinv.physics, name)
    if name in NOISES:
        return noise_class(name, theirs)
    maker = MAKERS[name]
    parameters = [p for key, p in inspect.signature(maker).parameters.items() if key != "rng"]
    doc = f"{inspect.getdoc(maker)}\n\ndeepinv's {theirs.__module__}.{name}."
    return made_class(name, PhysicsOperator, {"maker": staticmethod(maker), "__doc__": doc}, parameters)
