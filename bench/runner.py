"""One run, from spec to record."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from safetensors.torch import load_file, save_file

from bench import provenance, registry, timing
from bench.datasets import Splits
from bench.describe import IMAGES, certify
from bench.errors import BenchError, CheckpointError, MismatchError, UsageError
from bench.evaluation import evaluate, save_samples
from bench.leakage import duplicates, repeated_ivs
from bench.models import FunctionModel, Model, NetworkModel
from bench.problem import Problem, build_operator, check_size
from bench.record import Record, clear, runs_folder, writing
from bench.scoring import mean_score
from bench.spec import Component, Recipe, RunSpec, parse_chain
from bench.specify import specify
from bench.training import History, Progress, Trainer


def run(
    operator: str,
    model: str,
    dataset: str = "photos",
    *,
    preset: str = "quick",
    seed: int = 0,
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
        seed: seed of everything random.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:1``.
        results: folder of the records.
        force: run again what has a record.
        report: called after every training step.
        **recipe: values of :class:`bench.spec.Recipe`: ``epochs``, ``batch_size``, ``lr``, ...

    Returns:
        The record; ``record.scores["psnr"]`` is the mean PSNR over the test images in dB.

    Raises:
        UsageError: what was asked for cannot work as asked.

    Example:
        >>> record = bench.run("xor_ctr+noise:sigma=0.01", "unet", epochs=2)  # doctest: +SKIP
    """
    spec = specify(operator, model, dataset, preset=preset, seed=seed, device=device, changes=recipe)
    return Run(spec).execute(Path(results), force=force, report=report or (lambda progress: None))


@lru_cache(maxsize=1)
def load_images(dataset: str) -> tuple[Splits, str]:
    """The splits of a dataset, and the SHA-256 of their content; the last dataset is kept."""
    component = Component.parse(dataset).checked(registry.datasets)
    splits: Splits = component.build(registry.datasets).load()
    if not len(splits.train) or not len(splits.test):
        raise UsageError(
            f"{dataset} has {len(splits.train)} training and {len(splits.test)} test images; "
            "at least one of each is needed"
        )
    check_size(splits.image_shape, 11, "SSIM's 11x11 window")
    splits = splits.with_validation()
    return splits, splits.digest()


@lru_cache(maxsize=1)
def _duplicates(dataset: str) -> dict[str, Any]:
    """Test images of a dataset that have a copy among its training images."""
    images, _ = load_images(dataset)
    return duplicates(images.train, images.test)


@lru_cache(maxsize=2)
def _problem(operator: str, dataset: str, seed: int, device: str) -> Problem:
    """A problem from its text form; the last two are kept, so that models share one operator."""
    images, _ = load_images(dataset)
    chain = [part.checked(registry.operators) for part in parse_chain(operator)]
    return Problem(build_operator(chain, images.image_shape, seed), images, seed, torch.device(device))


def problem_of(operator: str, dataset: str, seed: int) -> tuple[Problem, str]:
    """A problem on the CPU from text forms, and the operator as tables show it.

    Raises:
        UsageError: unknown names or parameters, or images that cannot be used.
    """
    chain = [part.checked(registry.operators) for part in parse_chain(operator)]
    text = "+".join(map(str, chain))
    problem = _problem(text, str(Component.parse(dataset).checked(registry.datasets)), seed, "cpu")
    return problem, "+".join(part.label for part in chain)


@lru_cache(maxsize=4)
def _certificate(operator: str, dataset: str, seed: int) -> dict[str, Any]:
    """What ``bench describe`` measures, once for all models; nothing where it would take many seconds."""
    problem = _problem(operator, dataset, seed, "cpu")
    try:
        started = time.perf_counter()
        problem.operator.measure(problem.images.test[:IMAGES].float() / 255, torch.Generator().manual_seed(0))
        if time.perf_counter() - started > 0.1:
            return {}
        return {"certificate": certify(problem).to_json()}
    except Exception as error:
        return {"certificate": {"error": _reason(error)}}


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
        return load_images(str(self.spec.dataset))[0]

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
        return _problem("+".join(map(str, spec.operator)), str(spec.dataset), spec.seed, spec.device)

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
        _, digest = load_images(str(self.spec.dataset))
        sources = [part.source(registry.operators) for part in self.spec.operator]
        sources.append(self.spec.model.source(registry.models))
        return self.spec.fingerprint(digest, sources)

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
                record = self._draft(status="failed", error=_reason(error))
                keep = isinstance(error, CheckpointError)
                clear(folder)
            if record.status == "failed" and self.recorded(results):
                record = replace(record, error=f"{record.error} (its earlier record is kept)")
            else:
                (folder / "record.json").write_text(record.to_json(), encoding="utf-8")
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
        history: History = model.fit(self.problem) or []
        trained = sum(e.seconds for e in history) or time.perf_counter() - started
        scores, digest, samples = evaluate(model, self.problem, report)
        y, _ = next(self.problem.test_batches())
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
        means = {name: mean_score(torch.tensor(scores[name].to_numpy())) for name in scores}
        record = self._draft(scores=means, timings=timings, parameters=model.parameters())
        repeated = repeated_ivs(self.problem)
        found: dict[str, Any] = {} if repeated is None else {"repeated_ivs": repeated}
        found |= _certificate("+".join(map(str, self.spec.operator)), str(self.spec.dataset), self.spec.seed)
        return replace(record, data={**record.data, "test_digest": digest, **found})

    def restore(self, weights: Path) -> None:
        """Give the model the state that a run of this spec stored, in place of training.

        Raises:
            RuntimeError: the state belongs to another model.
        """
        if isinstance(self.model, NetworkModel):
            self.model.trainer = Trainer(self.spec.recipe or Recipe())
        self.model.restore(self.problem, load_file(weights, device=str(self.problem.device)))

    def _draft(self, **content: Any) -> Record:
        """A record with all that is known before the run."""
        images, digest = load_images(str(self.spec.dataset))
        counts = {k: len(v) for k in ("train", "validation", "test") if (v := getattr(images, k)) is not None}
        shapes: dict[str, Any] = {"image_shape": list(images.image_shape)}
        if content.get("status") != "failed":
            shapes["measurement_shape"] = list(self.problem.operator.measurement_shape)
        try:
            operator = self.problem.operator
            role, settings = self.model.role_in(operator), operator.settings()
        except Exception:
            if content.get("status") != "failed":
                raise
            # What failed may be the very code that would say it.
            role, settings = getattr(registry.models.load(self.spec.model.name), "role", "model"), {}
        return Record(
            fingerprint=self.fingerprint,
            spec=self.spec,
            role=role,
            settings=settings,
            data={"digest": digest, "duplicates": _duplicates(str(self.spec.dataset)), **counts, **shapes},
            provenance=provenance.collect(self.device),
            **content,
        )


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


def build_model(component: Component, seed: int) -> Model:
    """The model that a component names, a plain function too, not yet fitted."""
    thing = registry.models.load(component.name)
    if isinstance(thing, type):
        model: Model = component.build(registry.models, seed=seed)
        return model
    return FunctionModel(thing, **component.params)


def fitting_operators(model: Model, image_shape: tuple[int, ...]) -> str:
    """Which registered operators a model works with, in a sentence."""
    names = []
    for name in registry.operators.entries():
        try:
            operator = build_operator([Component(name)], image_shape, 0)
        except (BenchError, NotImplementedError):
            continue
        if not model.fits(operator):
            names.append(name)
    return f"It works with: {', '.join(names)}." if names else "No registered operator has it."


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, BenchError) else f"{type(error).__name__}: {error}"
