"""What a problem's page says besides its table: what the problem is, and how any two methods compare."""

import math
import re
from collections.abc import Mapping
from contextlib import suppress
from inspect import cleandoc
from typing import Any

from bench import protocols, registry
from bench.errors import BenchError
from bench.leaderboard.groups import Group
from bench.leaderboard.page.gallery import Strip
from bench.leaderboard.ranking import Ranking
from bench.registry import Registry, is_path
from bench.runs.record import Record
from bench.text import number

#: Methods whose pairs a page shows.
MOST_PAIRED = 40


def about(group: Group) -> dict[str, Any]:
    """Operators and dataset in their own words, and the protocol.

    Only the project's own components are looked up: a record's word opens no other file.
    """
    first = group.records[0]
    return {
        "operators": [(c.label, _doc(registry.operators, c.name)) for c in first.spec.operator],
        "dataset": (first.spec.dataset.label, _doc(registry.datasets, first.spec.dataset.name)),
        "protocol": (first.spec.protocol, _protocol(first.spec.protocol)),
        "data": _data(first),
    }


def _doc(room: Registry, name: str) -> str:
    """What a component of the project is, and its references, by its docstring; empty for any other."""
    path = room.room / f"{name}.py"
    if is_path(name) or not name.isidentifier() or not path.is_file():
        return ""
    from bench.outline import outline

    text = cleandoc(outline(path, room.kind).doc)
    said, *sections = re.split(r"\n(?=[A-Z][a-z]+:\n)", text)
    text = "\n".join([said, *(part for part in sections if part.startswith("Reference"))])
    # Prose takes the reader's width; formulas and lists, which are indented, stay as they stand.
    return re.sub(r"(?<=\S)\n(?=\S)", " ", text.replace("``", "")).strip()


def _protocol(name: str) -> str:
    if name not in protocols.names():
        return ""
    with suppress(BenchError):
        found = protocols.find(name)
        return found.description + (f" ({found.source})" if found.source else "")
    return ""


def _data(record: Record) -> dict[str, Any]:
    data = record.data
    shape = " × ".join
    return {
        "images for training, validation": f"{data.train:,}, {data.validation:,}" if data.train else None,
        f"{data.unit}s that are scored": f"{data.test:,} in {data.groups:,} independent groups"
        if data.groups and data.groups != data.test
        else f"{data.test:,}",
        "image": shape(map(str, data.image_shape)),
        "measurement": shape(map(str, data.measurement_shape)),
        "note": data.note or None,
        "problem seed": record.spec.problem_seed,
    }


def pairs(ranking: Ranking, strips: Mapping[str, Strip]) -> dict[str, Any] | None:
    """Labels, a sentence for each ordered pair, and pictures, for the page's comparison of two methods."""
    entries = ranking.group.entries[:MOST_PAIRED]
    if len(entries) < 2:
        return None
    models_first = sorted(range(len(entries)), key=lambda i: entries[i].role != "model")
    shown = [strips[r.fingerprint] for e in entries for r in e.records if r.fingerprint in strips]
    return {
        "methods": [e.label for e in entries],
        "start": models_first[:2],
        "sentences": [[_sentence(ranking, i, j) for j in range(len(entries))] for i in range(len(entries))],
        "runs": [[_training(ranking, record, strips) for record in e.records] for e in entries],
        "images": max((strip.count for strip in shown), default=0),
        "numbers": max((strip.numbers for strip in shown), key=len, default=()),
    }


def _training(ranking: Ranking, record: Record, strips: Mapping[str, Strip]) -> dict[str, Any]:
    """Seed, mean and pictures of one run of a method."""
    metric, strip = ranking.metric, strips.get(record.fingerprint)
    mean = f"{number(record.scores.get(metric.name), metric.digits)} {metric.unit}".strip()
    size = {"count": strip.count, "width": strip.width, "height": strip.height} if strip else {}
    return {
        "seed": record.spec.seed,
        "mean": mean,
        "strip": {"path": f"../{strip.path}", **size} if strip else None,
    }


def _sentence(ranking: Ranking, i: int, j: int) -> str:
    """The verdict on two methods of the group, in words."""
    if i == j:
        return ""
    first, second = (ranking.group.entries[k].label for k in (i, j))
    verdict, metric, unit = ranking.verdicts[i, j], ranking.metric, ranking.claim.unit
    told = {
        "better": f"{first} is shown better than {second}",
        "worse": f"{first} is shown worse than {second}",
        "undecided": f"Undecided between {first} and {second}",
        "not tested": f"{first} against {second}, not tested",
    }[verdict.outcome]
    gap = number(metric.sign * verdict.difference, metric.digits, sign=True)
    known = math.isfinite(verdict.half_width) and math.isfinite(verdict.difference)
    half = f" ± {number(verdict.half_width, metric.digits)}" if known else ""
    parts = [f"{told}: {gap}{half} {metric.unit}".rstrip()]
    if math.isfinite(verdict.corrected):
        parts.append(f"p = {verdict.corrected:.2g} after Holm's correction")
    if verdict.outcome == "undecided" and math.isfinite(verdict.equal_within):
        parts.append(f"equal within {number(verdict.equal_within, metric.digits)} {metric.unit}".rstrip())
    parts.append(f"better on {100 * verdict.won:.0f} % of the {unit}s, worse on {100 * verdict.lost:.0f} %")
    return "; ".join(parts) + "."
