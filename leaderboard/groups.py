"""Which runs may be compared: groups of one operator and one dataset, entries of one method."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property

import numpy as np

from bench.leaderboard.loading import scores
from bench.leaderboard.statistics import Array, intervals, mean_scores
from bench.runs.record import Record


@dataclass(frozen=True)
class Entry:
    """One method: the runs of one model with one recipe, one per seed.

    Attributes:
        label: what it is called in its group: the model, and the recipe where that tells it apart.
        records: its runs, ordered by seed.
    """

    label: str
    records: tuple[Record, ...]

    @property
    def first(self) -> Record:
        """The run of the smallest seed."""
        return self.records[0]

    @property
    def role(self) -> str:
        """``floor``, ``ceiling`` or ``model``."""
        return self.first.role

    @cached_property
    def seeds(self) -> tuple[int, ...]:
        """The seeds it was run with."""
        return tuple(record.spec.seed for record in self.records)

    def score(self, name: str = "psnr", seeds: Iterable[int] | None = None) -> Array:
        """Per-image scores, averaged over its seeds or those given: ``(images,)``."""
        wanted = frozenset(self.seeds if seeds is None else seeds)
        if (name, wanted) not in self._averaged:
            rows = [scores(r, name) for r in self.records if r.spec.seed in wanted]
            self._averaged[name, wanted] = rows[0] if len(rows) == 1 else mean_scores(np.stack(rows, 1))
        return self._averaged[name, wanted]

    @cached_property
    def _averaged(self) -> dict[tuple[str, frozenset[int]], Array]:
        return {}

    def seed_means(self, name: str = "psnr") -> Array:
        """The score of each run, ``(seeds,)``."""
        return np.array([record.scores[name] for record in self.records])

    def seed_mean(self, seed: int, name: str = "psnr") -> float:
        """The score of the run with one seed."""
        return self.records[self.seeds.index(seed)].scores[name]

    def mean(self, name: str = "psnr") -> float:
        """Mean over images and seeds."""
        if name not in self._means:
            self._means[name] = float(mean_scores(self.seed_means(name)[None])[0])
        return self._means[name]

    @cached_property
    def _means(self) -> dict[str, float]:
        return {}

    def interval(self, name: str = "psnr") -> tuple[float, float]:
        """95 % bootstrap interval of the mean over images, of scores averaged over seeds."""
        if name not in self._intervals:
            low, high = intervals(self.score(name)[None])
            self._intervals[name] = float(low[0]), float(high[0])
        return self._intervals[name]

    @cached_property
    def _intervals(self) -> dict[str, tuple[float, float]]:
        return {}


@dataclass(frozen=True)
class Group:
    """Methods that may be compared: same operator, images, test measurements and metric definition.

    Attributes:
        operator: the chain, as tables show it.
        dataset: the dataset, as tables show it.
        note: what tells it apart from another group of the same operator and dataset; mostly empty.
        entries: the methods with scores, best mean PSNR first.
        failed: runs without scores.
    """

    operator: str
    dataset: str
    note: str
    entries: tuple[Entry, ...]
    failed: tuple[Record, ...] = ()

    @property
    def title(self) -> str:
        """Operator and dataset, for people."""
        return f"{self.operator} on {self.dataset}" + (f" ({self.note})" if self.note else "")

    @property
    def records(self) -> tuple[Record, ...]:
        """All runs, best entry first, failed ones last."""
        return tuple(r for entry in self.entries for r in entry.records) + self.failed

    def of_role(self, role: str) -> list[Entry]:
        """The entries of one role."""
        return [entry for entry in self.entries if entry.role == role]

    @property
    def floor(self) -> Entry | None:
        """The best floor (there is one, if several were run)."""
        return next(iter(self.of_role("floor")), None)

    @property
    def ceiling(self) -> Entry | None:
        """The best ceiling, if it lies above the floor."""
        best, floor = next(iter(self.of_role("ceiling")), None), self.floor
        return best if best and not (floor and best.mean() <= floor.mean()) else None


def group(records: Iterable[Record]) -> list[Group]:
    """Runs sorted into groups, ordered by operator and dataset."""
    problems: dict[Hashable, list[Record]] = defaultdict(list)
    for record in records:
        problems[_problem(record)].append(record)
    found = [g for key in sorted(problems, key=str) for g in _groups(problems[key])]
    return _told_apart(found)


def _problem(record: Record) -> tuple[str, str]:
    return record.spec.operator_label, record.spec.dataset.label


def _groups(records: Sequence[Record]) -> list[Group]:
    """Groups of one operator and dataset; more than one where measurements or metrics differ."""
    sound = [r for r in records if r.status == "ok"]
    failed = [r for r in records if r.status != "ok"]
    groups = []
    for batch in _same_measurements(sound):
        pending = _entries(batch)
        while pending:
            seed = _most_common_seed(pending)
            taken = [e for e in pending if seed in e.seeds]
            pending = [e for e in pending if seed not in e.seeds]
            taken.sort(key=lambda e: (-e.mean(), -e.mean("ssim"), e.label))
            groups.append(taken)
    groups.sort(key=len, reverse=True)
    operator, dataset = _problem(records[0])
    made = [Group(operator, dataset, "", tuple(entries)) for entries in groups]
    if not made:
        return [Group(operator, dataset, "", (), tuple(failed))]
    return [Group(operator, dataset, "", made[0].entries, tuple(failed)), *made[1:]]


def _same_measurements(records: Sequence[Record]) -> list[list[Record]]:
    """Runs on the same images, metric definition and, seed by seed, the same test measurements.

    Where one seed has two sets of measurements, nothing says which belongs to which of another
    seed: each set is then a batch of its own.
    """
    batches: dict[Hashable, list[Record]] = defaultdict(list)
    for record in records:
        batches[record.data.digest, record.data.test, record.provenance.metrics].append(record)
    found = []
    for batch in batches.values():
        by_digest: dict[Hashable, list[Record]] = defaultdict(list)
        for record in batch:
            by_digest[record.data.test_digest].append(record)
        seeds = [{r.spec.seed for r in part} for part in by_digest.values()]
        mergeable = sum(map(len, seeds)) == len(set().union(*seeds))
        found += [batch] if mergeable else list(by_digest.values())
    return found


def _most_common_seed(entries: Sequence[Entry]) -> int:
    seeds = [seed for entry in entries for seed in entry.seeds]
    return max(sorted(set(seeds)), key=seeds.count)


def _entries(records: Sequence[Record]) -> list[Entry]:
    """Methods of a batch of runs; runs that only their fingerprint tells apart stay apart."""
    methods: dict[Hashable, list[Record]] = defaultdict(list)
    for record in records:
        spec = record.spec
        methods[spec.model.label, str(spec.recipe), spec.device.partition(":")[0], record.role].append(record)
    parts: list[list[Record]] = []
    for runs in methods.values():
        single = len({r.spec.seed for r in runs}) == len(runs)
        parts += [runs] if single else [[r] for r in runs]
    ordered = [tuple(sorted(part, key=lambda r: r.spec.seed)) for part in parts]
    return [Entry(label, runs) for label, runs in zip(_labels(ordered), ordered, strict=True)]


def _labels(entries: Sequence[tuple[Record, ...]]) -> list[str]:
    """The model's label; where two are alike, also what differs in recipe or device; or the run's name."""
    by_model: dict[str, list[tuple[Record, ...]]] = defaultdict(list)
    for runs in entries:
        by_model[runs[0].spec.model.label].append(runs)
    labels = []
    for runs in entries:
        model = runs[0].spec.model.label
        alike = [_details(other[0]) for other in by_model[model]]
        own = _details(runs[0])
        differing = {k: v for k, v in own.items() if len({a.get(k) for a in alike}) > 1}
        text = ", ".join(f"{k}={v}" for k, v in differing.items())
        if alike.count(own) > 1:
            text = ", ".join(filter(None, [text, f"#{runs[0].fingerprint[:6]}"]))
        labels.append(f"{model} ({text})" if text else model)
    return labels


def _details(record: Record) -> dict[str, str]:
    recipe = asdict(record.spec.recipe) if record.spec.recipe else {}
    return {k: str(v) for k, v in {**recipe, "device": record.spec.device}.items()}


def _told_apart(groups: list[Group]) -> list[Group]:
    """Groups of one operator and dataset get a note: the beginning of their measurements' digest."""
    titles = [(g.operator, g.dataset) for g in groups]
    noted = []
    for g, title in zip(groups, titles, strict=True):
        note = ""
        if titles.count(title) > 1 and g.entries:
            first = g.entries[0].first
            note = f"seed {first.spec.seed}, measurements {first.data.test_digest[:8]}"
        noted.append(Group(g.operator, g.dataset, note, g.entries, g.failed))
    return noted
