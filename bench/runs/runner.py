"""One run, from spec to record."""

import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

import pandas as pd
import torch
from safetensors.torch import load_file, save_file

from bench import registry
from bench.datasets import Splits
from bench.errors import BenchError, CheckpointError, MismatchError, UsageError
from bench.losses import own_losses
from bench.metrics import mean_score
from bench.models import Model, NetworkModel
from bench.operators import Operator
from bench.problem import Problem
from bench.recipe import Recipe
from bench.runs import provenance, timing
from bench.runs.assembly import (
    build_model,
    certificate,
    duplicates_in,
    fitting_operators,
    load_images,
    load_problem,
)
from bench.runs.evaluation import evaluate, save_samples
from bench.runs.failure import failure
from bench.runs.leakage import repeated_ivs
from bench.runs.record import Budget, Data, Record, Role, runs_folder
from bench.runs.request import specify
from bench.runs.writing import clear, writing
from bench.spec import RunSpec
from bench.training import History, Progress, Trainer


def run(
    operator: str,
    model: str,
    dataset: str = "photos",
    *,
    preset: str = "quick",
    seed: int = 0,
    problem_seed: int = 0,
    protocol: str = "unit",
    metrics: Sequence[str] = (),
    device: str = "auto",
    results: str | Path = "results",
    force: bool = False,
    report: Callable[[Progress], None] | None = None,
    **recipe: Any,
) -> Record:
    """Run one model on one operator and return its record; a run already recorded is not repeated.

    Args:
        operator: ``name:key=value``, chains as ``a+b``, or the path of a ``.py`` file.
        model: ``name:key=value`` or the path of a ``.py`` file.
        dataset: ``name:key=value`` or the path of a ``.py`` file.
        preset: ``quick`` or ``paper``.
        seed: the training seed: initialisation, batch order, training noise.
        problem_seed: the problem's seed: key, masks, test noise.
        protocol: a way of scoring, or the path of a ``.toml`` file.
        metrics: metrics besides the protocol's: ``name:key=value`` or the path of a ``.py`` file.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:1``.
        results: folder of the records.
        force: run again what has a record.
        report: called after every training step.
        **recipe: values of :class:`bench.recipe.Recipe`: ``epochs``, ``batch_size``, ``lr``, ...

    Returns:
        The record; ``record.scores["psnr"]`` is the mean PSNR over the test images in dB.

    Raises:
        UsageError: what was asked for cannot work as asked.

    Example:
        >>> record = bench.run("xor_ctr+noise:sigma=0.01", "unet", epochs=2)  # doctest: +SKIP
    """
    spec = specify(
        operator,
        model,
        dataset,
        preset=preset,
        seed=seed,
        problem_seed=problem_seed,
        protocol=protocol,
        metrics=metrics,
        device=device,
        changes=recipe,
    )
    return Run(spec).execute(Path(results), force=force, report=report or (lambda progress: None))


@dataclass
class Run:
    """A spec, and what it stands for: images, problem and model.

    Attributes:
        spec: what is run.
    """

    spec: RunSpec

    @property
    def images(self) -> Splits:
        """The dataset's splits."""
        return load_images(self.spec.dataset)[0]

    @property
    def device(self) -> torch.device:
        """Where the model works."""
        return torch.device(self.spec.device)

    @property
    def problem(self) -> Problem:
        """Dataset and operator together, on the spec's device.

        Raises:
            UsageError: the operator refuses its parameters.
            BenchError: the operator's own code fails.
        """
        spec = self.spec
        return load_problem(spec.operator, spec.dataset, spec.problem_seed, spec.device)

    @cached_property
    def model(self) -> Model:
        """The model, not yet fitted.

        Raises:
            MismatchError: model and operator do not fit together.
        """
        model = build_model(self.spec.model, self.spec.seed)
        if reason := model.fits(self.problem.operator):
            raise MismatchError(
                f"{self.spec.model.label} does not work with {self.spec.operator_label}: {reason}. "
                f"{fitting_operators(model, self.problem.image_shape)}"
            )
        return model

    def buildable(self) -> bool:
        """Whether operator and model can be built; if not, their own code fails: :meth:`execute` records it.

        Raises:
            UsageError: the spec cannot work as it stands.
        """
        try:
            self.model  # noqa: B018 - building the model checks that it fits the operator
        except UsageError:
            raise
        except Exception:
            return False
        return True

    @cached_property
    def fingerprint(self) -> str:
        """Name of the run's folder; the same for all that gives the same scores."""
        _, digest = load_images(self.spec.dataset)
        sources = [sha for name, sha in self.sources.items() if not name.startswith("dataset ")]
        return self.spec.fingerprint(digest, sources)

    @cached_property
    def sources(self) -> dict[str, str]:
        """SHA-256 of the code of each component, by its kind and its name in the spec: ``model unet``."""
        spec = self.spec
        rooms = {
            registry.operators: spec.operator,
            registry.models: [spec.model],
            registry.datasets: [spec.dataset],
            registry.metrics: spec.metrics,
            registry.losses: own_losses(spec.recipe.loss) if spec.recipe else (),
        }
        return {f"{r.kind} {part.name}": part.source(r) for r, parts in rooms.items() for part in parts}

    def recorded(self, results: Path) -> Record | None:
        """The successful record of this run, if there is one."""
        try:
            record = Record.read(runs_folder(results) / self.fingerprint)
        except BenchError:
            return None
        return record if record.status == "ok" else None

    def execute(
        self, results: Path, force: bool = False, report: Callable[[Progress], None] = lambda progress: None
    ) -> Record:
        """Fit, reconstruct the test images, score, time, and write the record.

        A model or operator that raises gives a record of status ``failed``, which does not take the
        place of a successful one.

        Raises:
            UsageError: the spec cannot work as it stands; nothing is recorded.
        """
        if not force and (record := self.recorded(results)):
            return record
        self.buildable()
        checkpoint = results / "checkpoints" / f"{self.fingerprint}.safetensors"
        if force:
            checkpoint.unlink(missing_ok=True)
        keep = False
        with writing(results, self.fingerprint) as folder:
            try:
                with deterministic(self.device):
                    record = self._complete(folder, checkpoint, report)
            except Exception as error:
                record = self._draft(status="failed", error=failure(error))
                keep = isinstance(error, CheckpointError)
                clear(folder)
            if record.status == "failed" and self.recorded(results):
                kept = f"{record.reason} (its earlier record is kept)"
                record = replace(record, error=record.error and replace(record.error, message=kept))
            else:
                record = record.write(folder)
        if not keep:
            checkpoint.unlink(missing_ok=True)
        return replace(record, folder=runs_folder(results) / self.fingerprint)

    def _complete(self, folder: Path, checkpoint: Path, report: Callable[[Progress], None]) -> Record:
        model, device, started = self.model, self.device, time.perf_counter()
        if isinstance(model, NetworkModel):
            recipe = self.spec.recipe or Recipe()
            model.trainer = Trainer(recipe, report, checkpoint, self.fingerprint)
        timing.reset_peak_memory(device)
        torch.manual_seed(self.spec.seed)
        report(Progress(stage="fitting"))
        history: History = model.fit(self.problem.training(self.spec.seed)) or []
        trained = sum(e.seconds for e in history) or time.perf_counter() - started
        scores, digest, samples = evaluate(model, self.problem, report)
        y = next(self.problem.test_batches()).y
        timings = {
            "train_seconds": trained,
            **timing.training([e.images for e in history], [e.seconds for e in history]),
            **timing.inference(model.reconstruct, y),
            "peak_memory_mb": timing.peak_memory_mb(device),
            "total_seconds": time.perf_counter() - started,
        }
        scores.to_parquet(folder / "scores.parquet")
        pd.DataFrame([vars(epoch) for epoch in history]).to_parquet(folder / "history.parquet")
        save_file({k: v.cpu().contiguous() for k, v in model.state().items()}, folder / "model.safetensors")
        save_samples(samples, scores, f"{self.spec.operator_label}, {self.spec.model.label}", folder)
        values = scores.drop(columns="group")
        record = self._draft(
            scores={name: mean_score(values[name]) for name in values},
            exact=int((values["psnr"] == math.inf).sum()),
            failed=int((values["psnr"] == -math.inf).sum()),
            timings=timings,
            budget=Budget(epochs=len(history), seconds=trained),
            parameters=model.parameters(),
        )
        found = certificate(self.spec.operator, self.spec.dataset, self.spec.problem_seed)
        data = replace(
            record.data,
            test_digest=digest,
            groups=scores["group"].nunique(),
            repeated_ivs=repeated_ivs(self.problem),
            certificate=found.get("certificate", {}),
        )
        return replace(record, data=data)

    def restore(self, weights: Path) -> None:
        """Give the model the state that a run of this spec stored, in place of training.

        Raises:
            RuntimeError: the state belongs to another model.
        """
        if isinstance(self.model, NetworkModel):
            self.model.trainer = Trainer(self.spec.recipe or Recipe())
        self.model.restore(
            self.problem.training(self.spec.seed), load_file(weights, device=str(self.problem.device))
        )

    def _draft(self, **content: Any) -> Record:
        """A record with all that is known before the run."""
        images, digest = load_images(self.spec.dataset)
        failed = content.get("status") == "failed"
        # What failed may be the very code that would say more.
        operator = None if failed else self.problem.operator
        return Record(
            fingerprint=self.fingerprint,
            spec=self.spec,
            role=self._role(operator),
            settings=operator.settings() if operator else {},
            data=Data(
                digest=digest,
                train=len(images.train),
                validation=0 if images.validation is None else len(images.validation),
                test=len(images.test),
                image_shape=images.image_shape,
                measurement_shape=operator.measurement_shape if operator else (),
                duplicates=duplicates_in(self.spec.dataset),
            ),
            sources=self.sources,
            provenance=provenance.collect(self.device),
            **content,
        )

    def _role(self, operator: Operator | None) -> Role:
        """What the run is for; without an operator, what its model's class says."""
        role = self.model.role_in(operator) if operator else None
        said = role or getattr(registry.models.load(self.spec.model.name), "role", "model")
        return next((known for known in get_args(Role) if known == said), "model")


@contextmanager
def deterministic(device: torch.device) -> Iterator[None]:
    """The same scores from the same spec, on a GPU too; torch warns of the few operations that cannot."""
    if device.type != "cuda":
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
