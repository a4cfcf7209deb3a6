"""The end of a run: its record made of what came of it, and put in place; that of a failure too."""

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import pandas as pd

from bench import registry, tensors
from bench.errors import BenchError
from bench.metrics import mean_score
from bench.operators import Operator
from bench.runs import units
from bench.runs.assembly import certificate, duplicates_in, learned_from, load_images
from bench.runs.evaluation import Scored
from bench.runs.fitting import Fitted
from bench.runs.leakage import repeated_ivs
from bench.runs.parts import SIMULATED, Budget, Data, Failure, MetricFacts, Provenance, Role
from bench.runs.record import Record, runs_folder
from bench.runs.samples import save_samples
from bench.runs.writing import writing

if TYPE_CHECKING:
    from bench.runs.runner import Run


def publish(run: "Run", results: Path, fitted: Fitted, scored: Scored, origin: Provenance) -> Record:
    """Write the record of a run with all that goes with it, and put it in place.

    Raises:
        BenchError: it cannot be put in place; the one that was there stays.
    """
    title = f"{run.spec.operator_label}, {run.spec.model.label}"
    record = _complete(run, fitted, scored, origin)
    with writing(results, run.fingerprint) as folder:
        units.write(folder, scored.scores)
        pd.DataFrame([vars(epoch) for epoch in fitted.history]).to_parquet(folder / "history.parquet")
        if not run.spec.trained_on:  # else they lie in the record that it names
            tensors.save(folder / "model.safetensors", fitted.model.state())
        shown = run.images.value_range, record.data.picture_axes
        save_samples(scored.samples, scored.scores, title, folder, *shown)
        record = record.write(folder)
    return replace(record, folder=runs_folder(results) / run.fingerprint)


def publish_failure(run: "Run", results: Path, error: Failure, origin: Provenance) -> Record:
    """Write a record that says why there is no other; an earlier one that says more is kept."""
    place = runs_folder(results) / run.fingerprint
    if run.recorded(results):
        error = replace(error, message=f"{error.message} (its earlier record is kept)")
        return draft(run, origin, status="failed", error=error, folder=place)
    record = draft(run, origin, status="failed", error=error)
    try:
        with writing(results, run.fingerprint) as folder:
            return replace(record.write(folder), folder=place)
    except BenchError:
        # The disk may be too full for this as well: what failed is told all the same.
        return record


def draft(run: "Run", origin: Provenance, **content: Any) -> Record:
    """A record with all that is known of a run before it is done.

    Args:
        run: what is recorded.
        origin: where its numbers come from.
        **content: other fields of the record.
    """
    (_, digest), images = load_images(run.spec.dataset), run.images
    learned = learned_from(run.spec)
    failed = content.get("status") == "failed"
    # What failed may be the very code that would say more.
    operator = None if failed else run.problem.operator
    return Record(
        fingerprint=run.fingerprint,
        spec=run.spec,
        role=_role(run, operator),
        settings=operator.settings() if operator else {},
        data=Data(
            digest=digest,
            train=len(learned.train),
            validation=0 if learned.validation is None else len(learned.validation),
            test=len(images.test),
            group_kind=images.group_kind,
            image_shape=images.image_shape,
            measurement_shape=operator.measurement_shape if operator else (),
            picture_axes=operator.picture_axes if operator else (),
            note=SIMULATED if run.spec.operator and images.reconstructions else "",
            implied=operator.implied() if operator else (),
            duplicates=duplicates_in(run.spec),
        ),
        sources=run.sources,
        provenance=origin,
        **content,
    )


def _role(run: "Run", operator: Operator | None) -> Role:
    """What the run is for; without an operator, what its model's class says."""
    if run.spec.trained_on:
        return "transfer"
    role = run.build().role_in(operator) if operator else None
    said = role or getattr(registry.models.load(run.spec.model.name), "role", "model")
    return next((known for known in get_args(Role) if known == said), "model")


def _complete(run: "Run", fitted: Fitted, scored: Scored, origin: Provenance) -> Record:
    """The record of a run that came to its end."""
    values, used = scored.scores.drop(columns="group"), run.metrics
    record = draft(
        run,
        origin,
        scores={name: mean_score(values[name], used[name].unit) for name in values},
        metrics={name: MetricFacts(used[name].unit, used[name].higher_is_better) for name in values},
        exact=int((values["psnr"] == math.inf).sum()),
        failed=int((values["psnr"] == -math.inf).sum()),
        timings=scored.timings,
        budget=fitted.budget
        or Budget(len(fitted.history), fitted.seconds, fitted.model.trials * max(1, run.spec.trials)),
        uses=tuple(sorted(fitted.used)),
        parameters=fitted.model.parameters(),
    )
    found = certificate(run.spec.operator, run.spec.dataset, run.spec.problem_seed)
    data = replace(
        record.data,
        test_digest=scored.digest,
        groups=scored.scores["group"].nunique(),
        repeated_ivs=repeated_ivs(run.problem),
        certificate=found.get("certificate", {}),
    )
    return replace(record, data=data)
