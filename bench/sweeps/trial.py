"""One trial of a tuning: trained, and judged on the validation split; the test split is not looked at."""

import gc
import math
from collections.abc import Callable

import torch

from bench.errors import BenchError, reason
from bench.metrics.psnr import capped_psnr
from bench.models import NetworkModel
from bench.problem import TrainingProblem
from bench.recipe import Recipe
from bench.runs.assembly import build_model
from bench.runs.determinism import deterministic
from bench.runs.runner import Run
from bench.seeding import stream
from bench.spec import RunSpec
from bench.training import Progress, Trainer

#: Validation images that are reconstructed at once by models that are not networks.
BATCH = 32


class Pruned(Exception):
    """The trial was ended early: others were better at the same epoch."""


def validated(spec: RunSpec, report: Callable[[Progress], None]) -> tuple[float, int]:
    """Mean PSNR in dB over the validation split after training, and the settings that ``fit`` tried itself.

    Exact images count 100 dB. What ``report`` raises ends the trial.

    Raises:
        BenchError: the model's or the operator's own code fails, or training diverges.
        Pruned: from ``report``.
    """
    gc.collect()
    run = Run(spec)
    try:
        with deterministic(run.device):
            model = build_model(spec.model, spec.seed)
            if isinstance(model, NetworkModel):
                model.trainer = Trainer(spec.recipe or Recipe(), report)
            torch.manual_seed(spec.seed)
            history = model.fit(run.problem.training(spec.seed, truth=model.supervised)) or []
            if history:
                return max(epoch.validation_psnr for epoch in history), model.trials
            problem = run.problem.training(spec.seed)
            return _quality(model.reconstruct, problem), model.trials
    except (BenchError, Pruned):
        raise
    except (Exception, SystemExit) as error:
        raise BenchError(reason(error)) from error


@torch.no_grad()
def _quality(reconstruct: Callable[..., torch.Tensor], problem: TrainingProblem) -> float:
    low, high = problem.value_range
    generator = stream(problem.device, problem.seed, "validation")
    scores = [
        capped_psnr(reconstruct(y, operator, generator), x, high - low)
        for y, x, operator in problem.validation_batches(BATCH)
    ]
    found = float(torch.cat(scores).mean())
    if not math.isfinite(found):
        raise BenchError("reconstructions of the validation images are not finite")
    return found
