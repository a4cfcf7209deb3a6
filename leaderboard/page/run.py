"""What a run's page says: sections of facts in words, and what the leakage check found."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from bench import text
from bench.leaderboard.groups import Group
from bench.runs.parts import Duplicates
from bench.runs.record import Record


def parts(record: Record) -> dict[str, dict[str, Any]]:
    """Sections of a run's page: titles with names and values, in words."""
    data, origin = record.data, record.provenance
    learned = record.spec.trained_on
    spec, recipe = record.spec, asdict(record.spec.recipe) if record.spec.recipe else {}
    return {
        "What was run": {
            "operator": record.operator, "model": spec.model.label,
            "trained on": f"{learned.label()} (run {learned.run})" if learned else None,
            "dataset": spec.dataset.label,
            "training seed": spec.seed, "problem seed": spec.problem_seed, "protocol": spec.protocol,
            "used beside the measurements": ", ".join(record.uses) or None,
        },
        "Training": {RECIPE.get(k, _words(k)): v for k, v in recipe.items()},
        "Data": {
            "training images": data.train, "validation images": data.validation,
            f"scored {data.unit}s": data.test, "independent groups": data.groups or None,
            "image": _shape(data.image_shape), "measurement": _shape(data.measurement_shape),
            "note": data.note or None,
        },
        "Settled by the operator": {_words(k): _told(v) for k, v in record.settings.items()},
        "Cost": {
            "time of fit": text.seconds(record.budget.seconds), "settings tried": record.budget.trials,
            **_timings(record.timings),
        },
        "Provenance": {
            "hardware": origin.hardware, "threads": origin.threads or None,
            "time": origin.time.replace("T", " ").replace("+00:00", " UTC"),
            "invbench": origin.invbench, "python": origin.python, "platform": origin.platform,
            **origin.packages,
            "commit": (origin.commit or "")[:12] + (" with local changes" if origin.dirty else "") or None,
        },
    }  # fmt: skip


#: What parts of a recipe are called where their option's name says too little.
RECIPE = {
    "lr": "learning rate", "clip": "largest norm of the gradient", "ema": "decay of averaged weights",
    "patience": "epochs of patience", "augment": "mirrored at random",
}  # fmt: skip
#: Timings by what they are called, with the unit that stands behind the value.
TIMINGS = {
    "train_seconds": ("training", " s"),
    "train_images_per_second": ("images per second, training", ""),
    "images_per_second": ("images per second", ""),
    "batch_size": ("in batches of", ""),
    "latency_ms": ("one image alone", " ms"),
    "threads": ("threads", ""),
    "load": ("load of the machine", ""),
    "peak_memory_mb": ("most memory", " MB"),
    "total_seconds": ("in all", " s"),
}


def _timings(timings: Mapping[str, float]) -> dict[str, str]:
    """Timings in words; medians with the quartiles of their calls."""
    found = {}
    for name, (title, unit) in TIMINGS.items():
        low, value, high = (text.count(timings.get(f"{name}{end}")) for end in ("_q1", "", "_q3"))
        if value:
            found[title] = f"{value}{unit}" + (f" (quartiles {low} and {high})" if low and high else "")
    return found


def _words(name: str) -> str:
    return name.replace("_", " ")


def _told(value: Any) -> str:
    """A value in one line; long ones, as keys, by their beginning."""
    found = value if isinstance(value, str) else json.dumps(value)
    return found if len(found) <= 48 else f"{found[:40]}…"


def _shape(sizes: Sequence[int]) -> str:
    return " × ".join(map(str, sizes))


def leakage(group: Group) -> str:
    """What the leakage check found for the images of a group."""
    return next((found for r in group.records if (found := leakage_of(r))), "")


def leakage_of(record: Record) -> str:
    """What the leakage check found for the images of a run, in sentences; empty if it was not made."""
    return " ".join(filter(None, [_about_duplicates(record), _about_ivs(record)]))


def _about_duplicates(record: Record) -> str:
    found = record.data.duplicates
    if found is None:
        return ""
    if not found.exact and not found.near:
        return f"No test image has an exact or near duplicate among the training images{_sampled(found)}."
    return (
        f"{found.exact} test images are among the training images too, and {found.near} more have a near "
        f"duplicate there{_sampled(found)}: scores may flatter every method that learns."
    )


def _sampled(found: Duplicates) -> str:
    looked = {"training": found.of_train, "test": found.of_test}
    parts = [f"{number:,} {name}" for name, number in looked.items() if number is not None]
    return f" (looked at: {' and '.join(parts)} images)" if parts else ""


def _about_ivs(record: Record) -> str:
    repeated = record.data.repeated_ivs
    if repeated is None:
        return ""
    return f"{repeated} test images share their iv with another one." if repeated else "No iv was used twice."
