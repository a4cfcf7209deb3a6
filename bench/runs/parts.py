"""What a run record is made of: its parts, and the types of their values."""

import math
from dataclasses import field
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, JsonValue, StringConstraints
from pydantic.dataclasses import dataclass

from bench.parameters import UNKNOWN_REFUSED

#: Note of runs whose operator measures images that are reconstructions: magnitude MRI, CT slices.
SIMULATED = "simulated from reconstructions"


def _score(value: float) -> float:
    if math.isnan(value) or 1e12 < abs(value) < math.inf:
        raise ValueError("a score is infinite or a number between -1e12 and 1e12")
    return value


def _timing(value: float) -> float:
    if not (math.isnan(value) or 0 <= value <= 1e12):
        raise ValueError("a timing lies between 0 and 1e12, or could not be taken (NaN)")
    return value


Text = Annotated[str, StringConstraints(max_length=1000)]
Role = Literal["floor", "ceiling", "model", "transfer"]
Count = Annotated[int, Field(strict=True, ge=0, le=2**53)]
Score = Annotated[float, AfterValidator(_score)]
Timing = Annotated[float, AfterValidator(_timing)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
FileName = Annotated[str, StringConstraints(pattern=r"^\w[\w.-]{0,99}$")]


@dataclass(frozen=True, config=UNKNOWN_REFUSED)
class Failure:
    """Why a run failed.

    Attributes:
        message: one line for people, with the kind of the error where it is not the harness's own.
        kind: class of the exception.
        place: ``file, line 12``: where in the user's own code it happened, else in the harness.
        traceback: of the user's own code; empty where none of it was running.
    """

    message: Annotated[str, StringConstraints(max_length=10_000)]
    kind: Text = ""
    place: Text = ""
    traceback: Annotated[str, StringConstraints(max_length=100_000)] = ""


@dataclass(frozen=True, config=UNKNOWN_REFUSED)
class Budget:
    """What a row has cost, and what its equals may spend.

    Attributes:
        epochs: passes over the training images; 0 for what is not trained.
        seconds: time of ``fit``.
        trials: settings that were tried, the one that was kept included.
    """

    epochs: Count = 0
    seconds: Timing = 0.0
    trials: Count = 1


@dataclass(frozen=True, config=UNKNOWN_REFUSED)
class Duplicates:
    """Test images that have a copy in training (:func:`bench.runs.leakage.duplicates`).

    Attributes:
        exact: number of those with an exact copy.
        near: number of those with a near one.
        pairs: the first ten of them: numbers of the test image and of the training image.
        of_train: how many training images were looked at; None if all were.
        of_test: likewise of test images.
    """

    exact: Count = 0
    near: Count = 0
    pairs: tuple[tuple[Count, Count], ...] = ()
    of_train: Count | None = None
    of_test: Count | None = None


@dataclass(frozen=True, config=UNKNOWN_REFUSED)
class Data:
    """What a model was trained and scored on.

    Attributes:
        digest: SHA-256 of the images.
        test_digest: SHA-256 of the test measurements.
        train: number of training images.
        validation: number of validation images.
        test: number of scoring units of the test split: rows of ``scores.parquet``.
        groups: number of independent groups among them (photographs, patients, volumes).
        group_kind: what one of those is.
        unit: what one of the scoring units is.
        image_shape: ``(C, H, W)``.
        measurement_shape: of one image's measurement.
        picture_axes: what runs down and across a picture of it; empty where that is an image.
        note: what a reader must know: :data:`SIMULATED`, or nothing.
        implied: how measurements were simulated where the chain does not say so: ``noise 0.01``.
        duplicates: what the leakage check found; None if it was not made.
        repeated_ivs: under ``iv=fresh``, test images whose iv another one has too.
        certificate: what :func:`bench.describe.certificate.certify` measured, or why it could not.
    """

    digest: Text = ""
    test_digest: Text = ""
    train: Count = 0
    validation: Count = 0
    test: Count = 0
    groups: Count = 0
    group_kind: Text = "group"
    unit: Literal["image", "volume"] = "image"
    image_shape: tuple[Count, ...] = ()
    measurement_shape: tuple[Count, ...] = ()
    picture_axes: tuple[Text, Text] | tuple[()] = ()
    note: Text = ""
    implied: tuple[Text, ...] = ()
    duplicates: Duplicates | None = None
    repeated_ivs: Count | None = None
    certificate: dict[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, config=UNKNOWN_REFUSED)
class MetricFacts:
    """How the values of a metric are read, as its class said when they were computed.

    Attributes:
        unit: of the values; those in ``dB`` are averaged as :func:`bench.metrics.mean_score` says.
        higher_is_better: which of two values is the better one.
    """

    unit: Annotated[str, StringConstraints(max_length=40)] = ""
    higher_is_better: bool = True


@dataclass(frozen=True, config=UNKNOWN_REFUSED)
class Provenance:
    """Where numbers come from: see :func:`bench.runs.provenance.collect`.

    Attributes:
        invbench: version of the harness.
        python: version.
        platform: system and processor family.
        packages: versions of what computes.
        hardware: the device in words.
        threads: of torch on the CPU.
        commit: of the harness's checkout, if it ran from one.
        dirty: whether that had local changes.
        time: when the record was written, UTC.
    """

    invbench: Text = ""
    python: Text = ""
    platform: Text = ""
    packages: dict[Text, Text] = field(default_factory=dict)
    hardware: Text = ""
    threads: Count = 0
    commit: Text | None = None
    dirty: bool | None = None
    time: Text = ""
