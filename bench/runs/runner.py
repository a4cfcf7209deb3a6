"""One run, from spec to record."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import torch

from bench import files
from bench.component import Component
from bench.datasets import Splits
from bench.errors import BenchError, DivergedError, MismatchError, UsageError
from bench.metrics import Metric
from bench.models import Model
from bench.problem import Problem
from bench.runs import lease, provenance, transfer
from bench.runs.assembly import (
    build_model,
    components,
    fitting_operators,
    load_images,
    load_problem,
    sized,
)
from bench.runs.determinism import deterministic
from bench.runs.evaluation import score
from bench.runs.failure import failure
from bench.runs.fitting import fit
from bench.runs.following import Follower
from bench.runs.parts import Failure
from bench.runs.publishing import publish, publish_failure
from bench.runs.record import Record, runs_folder
from bench.runs.recorded import Elsewhere
from bench.runs.scoring import build, tried
from bench.runs.writing import run_lease, tidy
from bench.spec import RunSpec
from bench.training import Progress


@dataclass
class Run:
    """A spec, and what it stands for: images, problem and model.

    Attributes:
        spec: what is run.
    """

    spec: RunSpec
    _elsewhere: dict[Path, Elsewhere] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def images(self) -> Splits:
        """The dataset's splits."""
        return sized(self.spec.dataset, self.spec.train_size, self.spec.problem_seed)

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
        return load_problem(spec.operator, spec.dataset, spec.problem_seed, spec.device, spec.train_size)

    @cached_property
    def model(self) -> Model:
        """The model, not yet fitted: :meth:`execute` fits one of its own, and lets it go.

        Raises:
            MismatchError: model and operator do not fit together.
        """
        return self.build()

    def build(self) -> Model:
        """A model that is not yet fitted.

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
            self.build()  # which checks that it fits the operator
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
        """SHA-256 of the code of each component, by its kind and its name in the spec: ``model unet``.

        Of weights that come from elsewhere as well: ``weights timm_unet``.
        """
        parts = components(self.spec)
        code = {f"{room.kind} {part.name}": part.source(room) for room, part in parts}
        weights = {f"weights {part.name}": part.weights(room) for room, part in parts}
        return code | {name: sha for name, sha in weights.items() if sha}

    def recorded(self, results: Path) -> Record | None:
        """The successful record of this run, if there is one and it is whole."""
        return Record.complete(runs_folder(results) / self.fingerprint)

    def execute(
        self,
        results: Path,
        force: bool = False,
        report: Callable[[Progress], None] = lambda progress: None,
        wait: bool = True,
        log: Sequence[Component] = (),
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
            log: loggers (:mod:`bench.loggers`) that are told of it.

        Raises:
            UsageError: the spec cannot work as it stands, or results cannot be written; nothing is recorded.
            BusyError: another process works on the same run, and ``wait`` is off.
        """
        if not force and (record := self.recorded(results)):
            self._clear(results)
            return record
        self.buildable()
        elsewhere = self.elsewhere(results)
        while True:
            try:
                with lease.held(run_lease(results, self.fingerprint)):
                    # Whoever held the lease may have made the record meanwhile, or failed.
                    done = None if force else self.recorded(results) or elsewhere.failure()
                    if done:
                        return done
                    tidy(results)
                    follower = Follower(log, results, self.spec, self.fingerprint)
                    record = self._perform(results, force, report, follower)
                    follower.end(record)
                    return record
            except lease.BusyError as busy:
                elsewhere.notice()
                if not wait:
                    raise
                report(Progress(stage=str(busy)))
                time.sleep(lease.LOOK)

    @property
    def contested(self) -> bool:
        """Whether somebody else may have worked on it: of thousands that wait, only such are looked at."""
        return bool(self._elsewhere)

    def elsewhere(self, results: Path) -> Elsewhere:
        """What others make of the run in that folder, as long as this one waits for them."""
        folder = runs_folder(results) / self.fingerprint
        return self._elsewhere.setdefault(folder, Elsewhere(folder))

    def _perform(
        self, results: Path, force: bool, report: Callable[[Progress], None], follower: Follower
    ) -> Record:
        """The run itself, under its lease."""
        checkpoint = self._checkpoint(results)
        for unfinished in checkpoint.parent.glob(f".{self.fingerprint}-*"):
            files.remove(unfinished)
        if force:
            checkpoint.unlink(missing_ok=True)
        origin = provenance.collect(self.device)
        try:
            with deterministic(self.device):
                taken = transfer.fitted(self, results, report) if self.spec.trained_on else None
                fitted = taken or fit(self, checkpoint, report, follower.epochs)
                scored = score(self, fitted, report)
                record = publish(self, results, fitted, scored, origin)
        except (Exception, SystemExit) as error:
            if isinstance(error, DivergedError):
                checkpoint.unlink(missing_ok=True)
            return publish_failure(self, results, failure(error), origin)
        checkpoint.unlink(missing_ok=True)
        return record

    def _checkpoint(self, results: Path) -> Path:
        return results / "checkpoints" / f"{self.fingerprint}.safetensors"

    def _clear(self, results: Path) -> None:
        """Remove what is left of a process that was killed when its record was in place already."""
        beat, checkpoint = run_lease(results, self.fingerprint), self._checkpoint(results)
        if beat.exists() or checkpoint.exists():
            # Somebody may be making the run anew, or the folder may be for reading only.
            with suppress(BenchError), lease.held(beat):
                checkpoint.unlink(missing_ok=True)

    def fail(self, results: Path, message: str) -> Record:
        """Record that the run failed for a reason outside of it: its process was killed."""
        return publish_failure(self, results, Failure(message), provenance.collect(self.device))
