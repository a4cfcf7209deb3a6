"""Which runs may be compared: groups of one problem, and which of their runs are of one method."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from bench.leaderboard.methods import Method
from bench.leaderboard.scales import Scale, scale
from bench.leaderboard.statistics import Design
from bench.runs.record import Record


@dataclass(frozen=True)
class Group:
    """Methods that may be compared: same operator, images, test measurements, protocol and definitions.

    Attributes:
        operator: the chain, as tables show it.
        dataset: the dataset, as tables show it.
        note: what tells it apart from another group of the same operator and dataset; mostly empty.
        entries: the methods with scores, best mean first.
        failed: runs without scores.
    """

    operator: str
    dataset: str
    note: str
    entries: tuple[Method, ...]
    failed: tuple[Record, ...] = ()

    @cached_property
    def problem(self) -> str:
        """The operator, with what its name does not say: ``ct (finer grid, noise 0.01)``."""
        told = (record.operator for record in self.records if record.data.implied)
        return next(told, self.operator)

    @property
    def title(self) -> str:
        """Operator and dataset, for people."""
        return f"{self.problem} on {self.dataset}" + (f" ({self.note})" if self.note else "")

    @property
    def records(self) -> tuple[Record, ...]:
        """All runs, best entry first, failed ones last."""
        return tuple(r for entry in self.entries for r in entry.records) + self.failed

    @cached_property
    def metrics(self) -> tuple[str, ...]:
        """Metrics that every method has."""
        if not self.entries:
            return ()
        shared = set.intersection(*(set(r.scores) for e in self.entries for r in e.records))
        return tuple(name for name in self.entries[0].first.scores if name in shared)

    def scale(self, name: str) -> Scale:
        """Unit and direction of a metric, as the methods' records say; digits that tell its values apart."""
        if not self.entries:
            return scale(name)
        known = self.entries[0].scale(name)
        return known.fitting([e.mean(known.name) for e in self.entries if known.name in e.first.scores])

    @property
    def note_of_data(self) -> str:
        """What a reader must know of the measurements."""
        return next((record.data.note for record in self.records), "")

    @property
    def only_transferred(self) -> bool:
        """Whether nothing was run here but models that were trained on another problem."""
        return all(entry.role == "transfer" for entry in self.entries)

    def of_role(self, role: str) -> list[Method]:
        """The entries of one role."""
        return [entry for entry in self.entries if entry.role == role]

    @property
    def floor(self) -> Method | None:
        """The best floor (there is one, if several were run)."""
        return next(iter(self.of_role("floor")), None)

    @property
    def ceiling(self) -> Method | None:
        """The best ceiling, if it lies above the floor."""
        best, floor = next(iter(self.of_role("ceiling")), None), self.floor
        return best if best and not (floor and best.mean() <= floor.mean()) else None


def group(records: Iterable[Record], by: str = "psnr") -> list[Group]:
    """Runs sorted into groups, ordered by operator and dataset; methods by their mean of a metric."""
    problems: dict[Hashable, list[Record]] = defaultdict(list)
    for record in records:
        problems[record.spec.operator_label, record.spec.dataset.label].append(record)
    return [g for key in sorted(problems, key=str) for g in _groups(problems[key], by)]


def _groups(records: Sequence[Record], by: str) -> list[Group]:
    """Groups of one operator and dataset; more than one where measurements, protocol or metrics differ."""
    sound, failed = ([r for r in records if (r.status == "ok") is ok] for ok in (True, False))
    operator, dataset = records[0].spec.operator_label, records[0].spec.dataset.label
    batches: dict[Hashable, list[Record]] = defaultdict(list)
    for record in sound:
        batches[_problem(record)].append(record)
    ordered = sorted(batches.values(), key=len, reverse=True)
    notes = _notes([batch[0] for batch in ordered])
    made = [
        Group(operator, dataset, note, tuple(_ordered(_methods(batch), scale(by, batch[0]))))
        for batch, note in zip(ordered, notes, strict=True)
    ]
    made = made or [Group(operator, dataset, "", ())]
    return [replace(made[0], failed=tuple(failed)), *made[1:]]


def _problem(record: Record) -> Hashable:
    return (
        record.data.digest,
        record.data.test_digest,
        record.spec.protocol,
        record.spec.learned.train_size,
        record.numbers,
        record.units.names.number,
    )


def _notes(firsts: Sequence[Record]) -> list[str]:
    """What differs between groups of one operator and dataset, in words; of a single one its train size."""
    sizes = [r.spec.size_label for r in firsts]
    facts = [
        {
            "problem seed": r.spec.problem_seed,
            "protocol": r.spec.protocol,
            "version of the numbers": r.numbers,
            "measurements": r.data.test_digest[:8],
            "images": r.data.digest[:8],
        }
        for r in firsts
    ]
    differing = [name for name in (facts or [{}])[0] if len({f[name] for f in facts}) > 1]
    told = [[f"{name} {f[name]}" for name in differing] for f in facts]
    notes = [", ".join(filter(None, [size, *own])) for size, own in zip(sizes, told, strict=True)]
    alike = len(set(notes)) < len(notes)
    return [f"{n}, {r.fingerprint[:6]}" if alike else n for n, r in zip(notes, firsts, strict=True)]


def _ordered(methods: Iterable[Method], by: Scale) -> list[Method]:
    def place(method: Method) -> tuple[float, float, str]:
        known = all(by.name in record.scores for record in method.records)
        mean = by.sign * method.mean(by.name) if known else -np.inf
        return -mean, -method.mean("ssim"), method.label

    return sorted(methods, key=place)


def _methods(records: Sequence[Record]) -> list[Method]:
    """Methods of a batch of runs."""
    alike: dict[Hashable, list[Record]] = defaultdict(list)
    for record in _scored_once(records):
        spec = record.spec
        learned = spec.trained_on
        # Of the trainings that were transferred, those of one problem are one method.
        source = learned and (learned.operator, learned.dataset, learned.problem_seed, learned.train_size)
        alike[spec.model, spec.recipe, spec.device.partition(":")[0], record.role, source].append(record)
    parts = [part for runs in alike.values() for part in _versions(runs)]
    ordered = [tuple(sorted(part, key=lambda r: r.spec.seed)) for part in parts]
    design = Design.of(records[0].units.groups)
    return [Method(label, runs, design) for label, runs in zip(_labels(ordered), ordered, strict=True)]


def _scored_once(records: Sequence[Record]) -> Sequence[Record]:
    """Of runs that differ in the metrics asked for alone, those with most: they are one training."""
    if len({record.spec.metrics for record in records}) == 1:
        return records
    trainings: dict[Hashable, list[Record]] = defaultdict(list)
    for record in records:
        code = frozenset(item for item in record.sources.items() if not item[0].startswith("metric "))
        spec = record.spec
        trainings[replace(spec, metrics=()) if spec.metrics else spec, code].append(record)
    most = [(runs, max(len(r.spec.metrics) for r in runs)) for runs in trainings.values()]
    return [r for runs, count in most for r in runs if len(r.spec.metrics) == count]


def _versions(runs: Sequence[Record]) -> list[list[Record]]:
    """Runs of one method, apart where one training seed has several: by commit, else the newest first."""
    if len({r.spec.seed for r in runs}) == len(runs):
        return [list(runs)]
    commits: dict[Hashable, list[Record]] = defaultdict(list)
    for record in runs:
        commits[record.provenance.commit].append(record)
    layers: list[list[Record]] = []
    for part in commits.values():
        taken: dict[int, int] = defaultdict(int)
        found: list[list[Record]] = []
        for record in sorted(part, key=lambda r: r.provenance.time, reverse=True):
            layer = taken[record.spec.seed]
            taken[record.spec.seed] += 1
            if layer == len(found):
                found.append([])
            found[layer].append(record)
        layers += found
    return layers


def _labels(methods: Sequence[tuple[Record, ...]]) -> list[str]:
    """The model's label; where two are alike, also what differs in recipe or device; or the run's name."""
    by_model: dict[str, list[dict[str, str]]] = defaultdict(list)
    details = [_details(runs[0]) for runs in methods]
    for runs, own in zip(methods, details, strict=True):
        by_model[runs[0].spec.method_label].append(own)
    labels = []
    for runs, own in zip(methods, details, strict=True):
        model = runs[0].spec.method_label
        alike = by_model[model]
        differing = {k: v for k, v in own.items() if len({a.get(k) for a in alike}) > 1}
        text = ", ".join(f"{k}={v}" for k, v in differing.items())
        if alike.count(own) > 1:
            text = ", ".join(filter(None, [text, f"#{runs[0].fingerprint[:6]}"]))
        labels.append(f"{model} ({text})" if text else model)
    return labels


def _details(record: Record) -> dict[str, str]:
    recipe = vars(record.spec.recipe) if record.spec.recipe else {}
    return {k: str(v) for k, v in {**recipe, "device": record.spec.device}.items()}
