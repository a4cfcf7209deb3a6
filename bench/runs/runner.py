"""One run, from spec to record."""

import gc
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, get_args
from weakref import ref

import pandas as pd
import torch
from torch import Tensor, nn

from bench import registry, tensors
from bench.datasets import Splits
from bench.errors import BenchError, DivergedError, MismatchError, UsageError
from bench.metrics import Metric, mean_score
from bench.models import Model, NetworkModel
from bench.operators import Operator, noting_uses
from bench.problem import Problem
from bench.recipe import Recipe
from bench.runs import lease, provenance, timing
from bench.runs.assembly import (
    build_model,
    certificate,
    components,
    duplicates_in,
    fitting_operators,
    load_images,
    load_problem,
)
from bench.runs.evaluation import evaluate
from bench.runs.failure import failure
from bench.runs.leakage import repeated_ivs
from bench.runs.record import (
    SIMULATED,
    Budget,
    Data,
    Failure,
    MetricFacts,
    Provenance,
    Record,
    Role,
    runs_folder,
)
from bench.runs.request import specify
from bench.runs.samples import save_samples
from bench.runs.scoring import build, tried
from bench.runs.writing import run_lease, tidy, writing
from bench.seeding import stream
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
    protocol: str | None = None,
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
        protocol: a way of scoring, or the path of a ``.toml`` file; default: the dataset's.
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
    _standing: tuple[tuple[int, int] | None] | None = field(
        default=None, init=False, repr=False, compare=False
    )

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
        """The model, not yet fitted: :meth:`execute` fits one of its own, and lets it go.

        Raises:
            MismatchError: model and operator do not fit together.
        """
        return self._built()

    def _built(self) -> Model:
        model = build_model(self.spec.model, self.spec.seed)
        if reason := model.fits(self.problem.operator):
            raise MismatchError(
                f"{self.spec.model.label} does not work with {self.spec.operator_label}: {reason}. "
                f"{fitting_operators(model, self.problem.image_shape)}"
            )
        return model

    @cached_property
    def metrics(self) -> dict[str, Metric]:
        """What is computed, by the name of its column.

        Raises:
            UsageError: a metric that cannot be computed here.
        """
        return build(self.spec.metrics, self.spec.protocol)

    def buildable(self) -> bool:
        """Whether operator and model can be built; if not, their own code fails: :meth:`execute` records it.

        Raises:
            UsageError: the spec cannot work as it stands.
        """
        self.metrics  # noqa: B018 - what cannot be had is said before training
        try:
            self._built()  # which checks that it fits the operator
            self._try_metrics()
        except UsageError:
            raise
        except (Exception, SystemExit):
            return False
        return True

    def _try_metrics(self) -> None:
        """Compute what is asked for of one training image: faults show before training.

        Raises:
            UsageError: a metric fails on it.
        """
        if self.spec.metrics:
            batch = next(self.problem.training(self.spec.seed).training_batches(1, shuffle=False))
            own = {part: self.metrics[part.label] for part in self.spec.metrics}
            tried(own, self.spec.protocol, batch, self.problem.value_range)

    @cached_property
    def fingerprint(self) -> str:
        """Name of the run's folder; the same for all that gives the same scores."""
        _, digest = load_images(self.spec.dataset)
        sources = [sha for name, sha in self.sources.items() if not name.startswith("dataset ")]
        return self.spec.fingerprint(digest, sources)

    @cached_property
    def sources(self) -> dict[str, str]:
        """SHA-256 of the code of each component, by its kind and its name in the spec: ``model unet``."""
        return {f"{room.kind} {part.name}": part.source(room) for room, part in components(self.spec)}

    def recorded(self, results: Path) -> Record | None:
        """The successful record of this run, if there is one and it is whole."""
        return Record.complete(runs_folder(results) / self.fingerprint)

    def execute(
        self,
        results: Path,
        force: bool = False,
        report: Callable[[Progress], None] = lambda progress: None,
        wait: bool = True,
    ) -> Record:
        """Fit, score and publish: reconstruct the test images, score, time, and write the record.

        A model or operator that raises gives a record of status ``failed``, which does not take the
        place of a successful one. What was trained stays in the run's checkpoint until the record is in
        place: whatever fails after the last epoch is repeated without training again.

        Args:
            results: folder of the records.
            force: run again what has a record.
            report: called after every training step.
            wait: whether to wait for another process that works on the same run.

        Raises:
            UsageError: the spec cannot work as it stands, or results cannot be written; nothing is recorded.
            BusyError: another process works on the same run, and ``wait`` is off.
        """
        if not force and (record := self.recorded(results)):
            return record
        self.buildable()
        while True:
            try:
                with lease.held(run_lease(results, self.fingerprint)):
                    # Whoever held the lease may have made the record meanwhile, or failed.
                    done = None if force else self.recorded(results) or self.failed_elsewhere(results)
                    if done:
                        return done
                    tidy(results)
                    return self._perform(results, force, report)
            except lease.BusyError as busy:
                self.found_busy(results)
                if not wait:
                    raise
                report(Progress(stage=str(busy)))
                time.sleep(lease.LOOK)

    def found_busy(self, results: Path) -> None:
        """Remember what stands in the record's place while somebody else works on the run."""
        if self._standing is None:
            self._standing = (self._stamp(results),)

    def failed_elsewhere(self, results: Path) -> Record | None:
        """The record of a failure that somebody else has left since :meth:`found_busy`: not repeated."""
        if self._standing in (None, (self._stamp(results),)):
            return None
        try:
            record = Record.read(runs_folder(results) / self.fingerprint)
        except BenchError:
            return None
        return record if record.status == "failed" else None

    def _stamp(self, results: Path) -> tuple[int, int] | None:
        """What tells one writing of the record from another."""
        try:
            stat = (runs_folder(results) / self.fingerprint / "record.json").stat()
        except OSError:
            return None
        return stat.st_ino, stat.st_mtime_ns

    def _perform(self, results: Path, force: bool, report: Callable[[Progress], None]) -> Record:
        """The run itself, under its lease."""
        checkpoint = results / "checkpoints" / f"{self.fingerprint}.safetensors"
        for draft in checkpoint.parent.glob(f".{self.fingerprint}-*"):
            draft.unlink(missing_ok=True)
        if force:
            checkpoint.unlink(missing_ok=True)
        origin = provenance.collect(self.device)
        try:
            with deterministic(self.device):
                fitted = self._fit(checkpoint, report)
                scored = self._score(fitted, report)
                record = self._publish(results, fitted, scored, origin)
        except (Exception, SystemExit) as error:
            if isinstance(error, DivergedError):
                checkpoint.unlink(missing_ok=True)
            return self._publish_failure(results, failure(error), origin)
        checkpoint.unlink(missing_ok=True)
        return record

    def fail(self, results: Path, message: str) -> Record:
        """Record that the run failed for a reason outside of it: its process was killed."""
        return self._publish_failure(results, Failure(message), provenance.collect(self.device))

    def _fit(self, checkpoint: Path, report: Callable[[Progress], None]) -> "Fitted":
        """A new model, fitted: gone on with where its checkpoint left it."""
        _let_go()
        timing.reset_peak_memory(self.device)
        model, trainer = self._built(), Trainer(self.spec.recipe or Recipe(), report, checkpoint)
        _held.append(ref(model))
        trainer.fingerprint = self.fingerprint
        if isinstance(model, NetworkModel):
            model.trainer = trainer
        torch.manual_seed(self.spec.seed)
        report(Progress(stage="fitting"))
        used = set(model.uses)
        with noting_uses(used):
            history = model.fit(self.problem.training(self.spec.seed, truth=model.supervised)) or []
        seconds = sum(e.seconds for e in history) or trainer.seconds
        _held.extend(ref(part) for part in vars(model).values() if isinstance(part, nn.Module))
        return Fitted(model, history, seconds, trainer, used)

    def _score(self, fitted: "Fitted", report: Callable[[Progress], None]) -> "Scored":
        """Scores of the test images, and how fast they are reconstructed."""
        model, seed = fitted.model, self.spec.seed
        scores, digest, samples = evaluate(
            model, self.problem, report, seed, fitted.used, self.spec.protocol, self.metrics
        )
        y, _, operator = next(self.problem.test_batches())
        generator = stream(y.device, seed, "timing")
        history = fitted.history
        timings = {
            "train_seconds": fitted.seconds,
            **timing.training([e.images for e in history], [e.seconds for e in history]),
            **timing.inference(lambda y: model.reconstruct(y, operator, generator), y),
            **timing.circumstances(),
            "peak_memory_mb": timing.peak_memory_mb(self.device),
            "total_seconds": fitted.trainer.seconds,
        }
        return Scored(scores, digest, samples, timings)

    def _publish(self, results: Path, fitted: "Fitted", scored: "Scored", origin: Provenance) -> Record:
        """Write the record with all that goes with it, and put it in place."""
        title = f"{self.spec.operator_label}, {self.spec.model.label}"
        record = self._complete(fitted, scored, origin)
        with writing(results, self.fingerprint) as folder:
            scored.scores.to_parquet(folder / "scores.parquet")
            pd.DataFrame([vars(epoch) for epoch in fitted.history]).to_parquet(folder / "history.parquet")
            tensors.save(folder / "model.safetensors", fitted.model.state())
            shown = self.images.value_range, record.data.picture_axes
            save_samples(scored.samples, scored.scores, title, folder, *shown)
            record = record.write(folder)
        return replace(record, folder=runs_folder(results) / self.fingerprint)

    def _publish_failure(self, results: Path, error: Failure, origin: Provenance) -> Record:
        """Write a record that says why there is no other; an earlier one that says more is kept."""
        place = runs_folder(results) / self.fingerprint
        if self.recorded(results):
            error = replace(error, message=f"{error.message} (its earlier record is kept)")
            return self.draft(origin, status="failed", error=error, folder=place)
        record = self.draft(origin, status="failed", error=error)
        try:
            with writing(results, self.fingerprint) as folder:
                return replace(record.write(folder), folder=place)
        except BenchError:
            # The disk may be too full for this as well: what failed is told all the same.
            return record

    def _complete(self, fitted: "Fitted", scored: "Scored", origin: Provenance) -> Record:
        """The record of a run that came to its end."""
        values, used = scored.scores.drop(columns="group"), self.metrics
        record = self.draft(
            origin,
            scores={name: mean_score(values[name], used[name].unit) for name in values},
            metrics={name: MetricFacts(used[name].unit, used[name].higher_is_better) for name in values},
            exact=int((values["psnr"] == math.inf).sum()),
            failed=int((values["psnr"] == -math.inf).sum()),
            timings=scored.timings,
            budget=Budget(
                len(fitted.history), fitted.seconds, fitted.model.trials * max(1, self.spec.trials)
            ),
            uses=tuple(sorted(fitted.used)),
            parameters=fitted.model.parameters(),
        )
        found = certificate(self.spec.operator, self.spec.dataset, self.spec.problem_seed)
        data = replace(
            record.data,
            test_digest=scored.digest,
            groups=scored.scores["group"].nunique(),
            repeated_ivs=repeated_ivs(self.problem),
            certificate=found.get("certificate", {}),
        )
        return replace(record, data=data)

    def restore(self, weights: Path) -> None:
        """Give the model the state that a run of this spec stored, in place of training.

        Raises:
            RuntimeError: the state belongs to another model.
            ValueError: the file is damaged.
        """
        if isinstance(self.model, NetworkModel):
            self.model.trainer = Trainer(self.spec.recipe or Recipe())
        state, _ = tensors.load(weights)
        self.model.restore(self.problem.training(self.spec.seed, truth=self.model.supervised), state)

    def draft(self, origin: Provenance, **content: Any) -> Record:
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
                group_kind=images.group_kind,
                image_shape=images.image_shape,
                measurement_shape=operator.measurement_shape if operator else (),
                picture_axes=operator.picture_axes if operator else (),
                note=SIMULATED if self.spec.operator and images.reconstructions else "",
                implied=operator.implied() if operator else (),
                duplicates=duplicates_in(self.spec.dataset),
            ),
            sources=self.sources,
            provenance=origin,
            **content,
        )

    def _role(self, operator: Operator | None) -> Role:
        """What the run is for; without an operator, what its model's class says."""
        role = self._built().role_in(operator) if operator else None
        said = role or getattr(registry.models.load(self.spec.model.name), "role", "model")
        return next((known for known in get_args(Role) if known == said), "model")


@dataclass(frozen=True)
class Fitted:
    """A model after training.

    Attributes:
        model: fitted.
        history: of its training.
        seconds: time of the training steps, or of ``fit`` where there are none.
        trainer: whose clock the run goes by.
        used: what the model used of the operator, and beside it.
    """

    model: Model
    history: History
    seconds: float
    trainer: Trainer
    used: set[str]


@dataclass(frozen=True)
class Scored:
    """What a fitted model achieves on the test split.

    Attributes:
        scores: one row per scoring unit.
        digest: SHA-256 of the test measurements.
        samples: the first images, as tensors.
        timings: as the record has them.
    """

    scores: pd.DataFrame
    digest: str
    samples: dict[str, Tensor]
    timings: dict[str, float]


#: Models and networks of this process's runs.
_held: list[ref[Any]] = []


def _let_go() -> None:
    """What earlier runs held must not count in the next one's peak memory."""
    if any(thing() is not None for thing in _held):  # looking for cycles takes a tenth of a second
        gc.collect()
    _held.clear()


@contextmanager
def deterministic(device: torch.device) -> Iterator[None]:
    """The same scores from the same spec, on a GPU too; torch warns of the few operations that cannot.

    float32 is float32: products and convolutions are not rounded to TF32's ten bits.
    """
    rounding = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    try:
        with _deterministic_kernels() if device.type == "cuda" else nullcontext():
            yield
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = rounding


@contextmanager
def _deterministic_kernels() -> Iterator[None]:
    """On the CPU there is nothing to choose, and asking costs a second: torch imports its compiler."""
    before = torch.get_deterministic_debug_mode()
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before > 0, warn_only=before == 1)
