"""A recovered keystream in front of a U-Net, likelihoods behind it."""

import torch
from torch import Tensor, nn

from bench.errors import at_least
from bench.models import NetworkModel
from bench.models._keystream import reason_unfit, recover
from bench.models._statistics import histogram, mean_image
from bench.models._unet import padded_unet
from bench.models.shared.padding import smallest
from bench.operators import Operator
from bench.operators.shared.levels import intensities, log_posterior, pieces
from bench.problem import TrainingProblem

#: Grey levels per pixel that noisy bytes leave in question: at 1 % noise the likeliest 16 hold all but
#: 3e-5 of the posterior under a flat prior, on photos.
CANDIDATES = 16
#: The posterior that the U-Net sees is summed in this many equal intervals.
BINS = 16


class GatedUNet(NetworkModel):
    """Known-plaintext attack, then a U-Net as the prior of each pixel's posterior mean; no key given.

    The keystream is recovered from training pairs and gates the bits of the measurement. What the
    noisy bytes say about each pixel by itself, ``p(v | y)`` over the 256 grey levels v, goes into a
    U-Net as a histogram; the U-Net answers with a mean m and a precision s drawn from the
    neighbourhood, and the image is the mean of v under ``p(v | y) exp(-s (v - m)^2)``: exact without
    noise, and with noise the neighbours decide between the levels that the bytes leave open. Of the
    levels the 16 likeliest are kept; m stands for the others.

    On photos at 32x32 with 1 % noise its recipe reaches 31.1 dB (SSIM 0.85; mean: 12.9 dB, posterior
    mean of single pixels with the key: 14.6 dB) in 188 seconds of one CPU core.

    Its PSNR hangs on what is seen: with 1 % noise single images scatter by 6 dB. Validation and test of
    photos are two regions of each photograph, so their means differ with the content. ``width=8`` and one
    epoch validate at 27.4 and test at 26.1 dB; the regions of coffee have 28.9 and 23.5, of motorcycle 23.4
    and 21.9, of astronaut 27.3 and 28.2, and that of coffee is harder with the key and no training as well
    (posterior mean of single pixels: 15.3 and 12.7).

    On leaves, where images are independent, the same network has 28.7 +- 0.4 dB on the 250 validation images
    and 27.5 +- 0.3 on the 500 test images, though after one epoch nothing has been chosen by them. It is
    chance: 750 further validation images have 28.2 +- 0.2, 3,000 further test images 27.9 +- 0.1 and 750
    training images 28.1 +- 0.2.

    Args:
        width: channels of the finest of five scales.
        pairs: training pairs that the keystream is recovered from, at most.

    Raises:
        ValueError: width or pairs is less than 1.
    """

    smallest = smallest(16)
    uses = ("cipher structure",)
    recipe = {"epochs": 3}

    def __init__(self, width: int = 16, pairs: int = 2048):
        at_least(1, width=width, pairs=pairs)
        self.width = width
        self.pairs = pairs

    def fits(self, operator: Operator) -> str:
        return super().fits(operator) or reason_unfit(operator)

    def build(self, problem: TrainingProblem) -> nn.Module:
        channels = problem.image_shape[0]
        network = padded_unet((BINS + 1) * channels, 2 * channels, self.width)
        return _Posterior(network, problem.image_shape, self.pairs)


class _Posterior(nn.Module):
    """The U-Net between likelihoods and posterior mean."""

    stream: Tensor
    sigma: Tensor
    prior: Tensor
    mean: Tensor

    def __init__(self, network: nn.Module, image_shape: tuple[int, int, int], pairs: int):
        super().__init__()
        channels, height, width = image_shape
        self.network = network
        self.pairs = pairs
        self.register_buffer("stream", torch.zeros(height, width, 4 * channels, dtype=torch.uint8))
        self.register_buffer("sigma", torch.ones(()))
        self.register_buffer("prior", torch.ones(256))
        self.register_buffer("mean", torch.zeros(image_shape))

    def prepare(self, problem: TrainingProblem) -> None:
        """Recover the keystream; take histogram and mean of the training images."""
        key = recover(problem, self.pairs)
        for buffer, value in (
            (self.stream, key.stream),
            (self.sigma, torch.where(key.found, key.sigma, torch.inf)),
            (self.prior, histogram(problem)),
            (self.mean, mean_image(problem)),
        ):
            buffer.copy_(value)

    def forward(self, y: Tensor, operator: Operator) -> Tensor:
        seen, posterior, level = self.single_pixels(y)
        mean = self.mean.expand(len(y), *self.mean.shape)
        out = self.network(torch.cat([seen, mean], 1).contiguous(memory_format=torch.channels_last)).float()
        offset, sharpness = out.chunk(2, 1)
        middle = (mean + offset).unsqueeze(-1)
        precision = (sharpness + 3).clamp_max(12).exp().unsqueeze(-1)
        # What the candidates leave of the probability goes to the U-Net's own answer.
        rest = 1 - posterior.sum(-1, keepdim=True)
        rest = torch.where(rest < 1e-4, 0, rest)
        fitting = torch.cat([posterior.log() - precision * (level - middle).square(), rest.log()], -1)
        weight = fitting.softmax(-1)
        return (weight * torch.cat([level, middle], -1)).sum(-1)

    @torch.no_grad()
    def single_pixels(self, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What each pixel by itself says.

        Returns:
            Its posterior in bins ``(B, C BINS, H, W)``; probabilities and intensities of its
            likeliest levels ``(B, C, H, W, CANDIDATES)``.
        """
        seen = []
        for piece in pieces(y, self.stream):
            posterior = log_posterior(piece, self.stream, self.sigma, self.prior).softmax(-1)
            bins = posterior.unflatten(-1, (BINS, -1)).sum(-1)
            seen.append((bins, *posterior.topk(CANDIDATES, sorted=False)))
        bins, best, index = (torch.cat(part).permute(0, 3, 4, 1, 2) for part in zip(*seen, strict=True))
        level = intensities(y.device)[index]
        return bins.flatten(1, 2), best.movedim(2, -1), level.movedim(2, -1)
