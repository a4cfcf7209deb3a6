"""Non-local means."""

from typing import Any

import numpy as np
import torch
from skimage.restoration import denoise_nl_means
from torch import Tensor

from bench.errors import at_least
from bench.metrics.psnr import capped_psnr
from bench.models import Model
from bench.operators import Operator
from bench.problem import TrainingProblem
from bench.progress import tell
from bench.training import History

#: Strengths tried, in units of the noise's deviation.
STRENGTHS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0, 1.2, 1.5)
#: Validation images that each strength is tried on: one image takes milliseconds.
IMAGES = 32


class NLM(Model):
    """Non-local means (scikit-image), strength chosen by the validation split; denoising only.

    A pixel becomes the mean of the pixels around it, weighted by ``exp(-d^2 / h^2)``, where d^2 is
    the mean squared difference of the patches around the two less what noise adds to it. The noise's
    deviation is that of the training measurements from their images. It runs on the CPU, image by
    image, whatever the device.

    Args:
        patch: side of a patch in pixels.
        distance: how far pixels are searched, in pixels.
        strength: h in units of the noise's deviation; default: the best by PSNR on the validation
            split.

    Raises:
        ValueError: a value outside its range.

    Reference:
        Buades, Coll, Morel: A non-local algorithm for image denoising, CVPR 2005. Darbon et al.:
        Fast nonlocal filtering applied to electron cryomicroscopy, ISBI 2008.
    """

    #: Standard deviation of the noise, and the strength.
    sigma: Tensor
    chosen: Tensor

    def __init__(self, patch: int = 5, distance: int = 10, strength: float | None = None):
        at_least(1, patch=patch, distance=distance)
        if strength is not None and not strength > 0:
            raise ValueError(f"strength must be positive, not {strength}")
        self.patch, self.distance, self.strength = patch, distance, strength

    def fits(self, operator: Operator) -> str:
        if operator.noise and len(operator.image_shape) == 3:
            return ""
        return "it needs an operator that only adds noise to images"

    def fit(self, problem: TrainingProblem) -> History:
        y, x, _ = next(problem.training_batches(256, shuffle=False))
        self.sigma = (y - x).std().double()
        y, x, _ = next(problem.validation_batches(IMAGES))
        low, high = problem.value_range

        tried = STRENGTHS if self.strength is None else (self.strength,)
        self.trials, scores = len(tried), []
        for strength in tried:
            scores.append(float(capped_psnr(self._denoised(y, strength), x, high - low).mean()))
            tell("choosing the strength", len(scores), len(tried))
        best = max(range(len(tried)), key=lambda k: scores[k])
        self.chosen = torch.tensor(tried[best], dtype=torch.float64)
        return []

    def reconstruct(self, y: Tensor, operator: Operator, generator: torch.Generator) -> Tensor:
        return self._denoised(y, float(self.chosen))

    def _denoised(self, y: Tensor, strength: float) -> Tensor:
        sigma = float(self.sigma)
        if sigma == 0:
            return y.clone()
        settings: dict[str, Any] = {
            "patch_size": self.patch,
            "patch_distance": self.distance,
            "h": strength * sigma,
            "sigma": sigma,
        }
        if y.shape[1] == 1:  # as planes: scikit-image turns an image of one channel on its side
            planes = [denoise_nl_means(image[0], **settings)[None] for image in y.cpu().numpy()]
            return torch.from_numpy(np.stack(planes)).to(y)
        images = [denoise_nl_means(image, channel_axis=0, **settings) for image in y.cpu().numpy()]
        return torch.from_numpy(np.stack(images)).to(y)
