"""A group's methods as rows of text, and what may be claimed of them: shared by all forms of the table."""

import math
from collections.abc import Callable, Iterator

from bench.leaderboard import references
from bench.leaderboard.methods import Method
from bench.leaderboard.ranking import Ranking
from bench.leaderboard.references import Figure
from bench.leaderboard.scales import Scale, scale
from bench.leaderboard.standings import Standing
from bench.runs.parts import SIMULATED
from bench.runs.record import Record
from bench.text import count, number, seconds, share


def header(ranking: Ranking) -> list[str]:
    """Heads of the columns of :func:`cells`."""
    others = [ranking.group.scale(name).title for name in _others(ranking)]
    unit = f" ({ranking.metric.unit})" if ranking.metric.unit else ""
    own = [place_title(ranking), "model", ranking.metric.title + unit, "± 95 %"]
    return [
        *own,
        *others,
        "to ceiling",
        "trainings",
        "epochs",
        "fit",
        "trials",
        "uses",
        "images/s",
        "weights",
        "",
    ]


def cells(ranking: Ranking, escape: Callable[[str], str] = str) -> list[list[str]]:
    """One row of texts per method under :func:`header`; names pass through ``escape``."""
    return [
        _cells(ranking, entry, standing, escape)
        for entry, standing in zip(ranking.group.entries, ranking.standings, strict=True)
    ]


def _cells(ranking: Ranking, entry: Method, standing: Standing, escape: Callable[[str], str]) -> list[str]:
    budget = entry.first.budget
    return [
        place(entry, standing),
        escape(entry.label),
        number(standing.mean, ranking.metric.digits),
        number(standing.half_width, ranking.metric.digits),
        *(number(entry.mean(name), ranking.group.scale(name).digits) for name in _others(ranking)),
        share(standing.share),
        count(entry.trainings) if entry.trainings else "-",
        count(budget.epochs) if budget.epochs else "-",
        seconds(budget.seconds),
        count(budget.trials),
        escape(", ".join(entry.first.uses)),
        speed(entry.first),
        count(entry.first.parameters),
        remark(standing, ranking.metric),
    ]


def published_cells(ranking: Ranking, escape: Callable[[str], str] = str) -> list[list[str]]:
    """Published figures of the problem as rows under :func:`header`, their source last; never ranked."""
    return [_published(ranking, figure, escape) for figure in references.beside(ranking.group)]


def _published(ranking: Ranking, figure: Figure, escape: Callable[[str], str]) -> list[str]:
    shown = [ranking.metric.name, *_others(ranking)]
    first, *others = [number(figure.scores.get(name), scale(name).digits) for name in shown]
    unknown = [""] * (len(header(ranking)) - len(others) - 5)
    return ["published", escape(figure.method), first, "", *others, *unknown, escape(cited(figure))]


def cited(figure: Figure) -> str:
    """Source, its address, and what differs, in one line."""
    told = [figure.source, figure.url, figure.protocol, figure.caveats]
    return "; ".join(text for text in told if text)


def _others(ranking: Ranking) -> list[str]:
    return [name for name in ranking.group.metrics if name != ranking.metric.name]


def beside(ranking: Ranking) -> Scale:
    """The metric that narrow tables show beside the one ranked by: SSIM; PSNR beside SSIM."""
    return scale("psnr" if ranking.metric.name == "ssim" else "ssim")


def place_title(ranking: Ranking) -> str:
    """``rank``; or what the methods are compared with."""
    return f"vs {ranking.reference.label}" if ranking.reference else "rank"


def place(entry: Method, standing: Standing) -> str:
    """``1``, ``2–4``, a verdict against the reference, or the role of a row that is not ranked."""
    if standing.rank is not None:
        low, high = standing.rank
        return f"{low}" if low == high else f"{low}–{high}"
    if standing.against is not None and standing.against.outcome != "not tested":
        return standing.against.outcome
    if standing.failed and entry.role == "model":
        return "failed"
    return "reference" if entry.role == "model" else entry.role


def remark(standing: Standing, metric: Scale) -> str:
    """What else must be known of a row: failed and exact units, and how it stands against the floor."""
    told = [f"failed on {standing.failed}"] if standing.failed else []
    told += [f"{standing.exact} exact"] if standing.exact and math.isfinite(standing.mean) else []
    if standing.floor and standing.floor.outcome != "better":
        told.append(
            {"not better": "not better than the mean", "undecided": "not shown above the mean"}[
                standing.floor.outcome
            ]
        )
    against = standing.against
    if against and against.outcome == "undecided":
        unit = f" {metric.unit}" if metric.unit else ""
        told.append(f"equal within {number(against.equal_within, metric.digits)}{unit}")
    return "; ".join(told)


def speed(record: Record) -> str:
    """Images per second; ``-`` where nothing is computed: the constant, the identity, what failed."""
    value = record.timings.get("images_per_second", math.nan)
    return count(value) if computes(record) else "-"


def computes(record: Record) -> bool:
    """Whether the speed of a run was taken: not where it hands over its input or a constant."""
    return record.timings.get("images_per_second", math.nan) > 0


def setting(record: Record) -> str:
    """What must be the same for speeds to be compared: hardware, threads and batch size."""
    threads = record.provenance.threads
    told = [record.provenance.hardware or "unknown hardware"]
    told += [f"{threads} thread{'s' * (threads > 1)}"] if threads else []
    batch = record.timings.get("batch_size", math.nan)
    return ", ".join([*told, f"batch {number(batch, 0)}"] if math.isfinite(batch) else told)


def footnote(ranking: Ranking) -> str:
    """The claim's scope, and how it was tested."""
    return " ".join(sentences(ranking))


def sentences(ranking: Ranking) -> Iterator[str]:
    """What the verdicts hold for, how they were tested, and where mean and images disagree."""
    claim = ranking.claim
    if ranking.group.note_of_data == SIMULATED:
        yield f"{SIMULATED.capitalize()}: recorded measurements can be harder (Shimron et al. 2022)."
    if len(ranking.group.entries) < 2:
        return
    within = "" if claim.groups == claim.units else f" in {claim.groups:,} {claim.kind}"
    yield f"{claim.units:,} {claim.unit}s{within}; {scope(ranking)}"
    if claim.pairs:
        what = f"Against {ranking.reference.label}" if ranking.reference else "Ranks"
        count = f"{claim.pairs} pair{'s' * (claim.pairs > 1)}"
        yield f"{what}: 5 %, Holm over {count}; intervals (±) are each mean's own, of 95 %."
    for first, second in claim.disagreeing[:3]:
        yield f"Image by image and mean disagree: {second} wins more images than {first}."
    if len(claim.disagreeing) > 3:
        yield f"So do {len(claim.disagreeing) - 3} more pairs."


def scope(ranking: Ranking) -> str:
    """One sentence: what the claims hold for."""
    claim = ranking.claim
    groups = f" and {claim.groups} {claim.kind}" if claim.few_groups else ""
    if claim.about_networks:
        once = "one training each" if claim.trainings == (1, 1) else "some trained once"
        return f"holds for these trained networks{groups} only ({once}), not for methods."
    fewest = f" ({_range(claim.trainings)} trainings)" if claim.trainings else ""
    if claim.few_groups:
        return f"holds for these {claim.groups} {claim.kind} only{fewest}."
    return f"holds for methods{fewest} and images like these."


def _range(values: tuple[int, int]) -> str:
    return f"{values[0]}" if values[0] == values[1] else f"{values[0]} to {values[1]}"
