"""The leaderboard as one static folder that opens from the disk and needs no network."""

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader

import bench
from bench import text
from bench.errors import BenchError, UsageError
from bench.files import replacing_folder
from bench.leaderboard import _charts, _index, _problem, _strips, export
from bench.leaderboard._strips import Strip
from bench.leaderboard.groups import Group
from bench.leaderboard.loading import Certificate
from bench.leaderboard.looks import looks, of_role
from bench.leaderboard.ranking import Ranking
from bench.leaderboard.rows import footnote, place, remark, speed
from bench.leaderboard.show import flat
from bench.leaderboard.table import COLUMNS, Board
from bench.runs.reading import MOST_JSON, contents
from bench.runs.record import Duplicates, Record

#: Problems with pictures on the front page; all others are in its matrix.
CARDS = 12
#: Files of a run that its page offers.
OFFERED = ("record.json", "scores.parquet", "history.parquet")
#: Largest picture of an operator that is taken over, in bytes.
MOST_PICTURE = 16 * MOST_JSON

Row = tuple[str, Record | None, Strip]


def write(board: Board, target: Path) -> Path:
    """Write the page's folder; one that is there already is replaced as a whole.

    Returns:
        The path of ``index.html``.

    Raises:
        UsageError: ``target`` holds something that is no leaderboard page, or cannot be written.
    """
    if target.exists() and any(target.iterdir()) and not (target / "assets" / "page.js").is_file():
        raise UsageError(f"{target} holds something else than a leaderboard page; it is left as it is")
    with replacing_folder(target) as draft:
        _Site(board, draft).write()
    return target / "index.html"


@dataclass
class _Site:
    board: Board
    folder: Path

    def write(self) -> None:
        for name in ("assets", "images", "problems", "runs", "downloads"):
            (self.folder / name).mkdir()
        for name in ("page.css", "page.js", "table.js"):
            own = files("bench.leaderboard") / "static" / name
            (self.folder / "assets" / name).write_bytes(own.read_bytes())
        export.write(self.board, self.folder / "downloads")
        self.strips: dict[str, Strip] = {}
        self.given: dict[str, str] = {}  # what measurement and truth of a run are called
        self.errors: dict[str, tuple[Strip, float]] = {}
        for ranking in self.board.rankings:
            self._write_problem(ranking)
        self._write_index()

    @cached_property
    def environment(self) -> Environment:
        """Templates; everything they print is escaped."""
        environment = Environment(
            loader=PackageLoader("bench.leaderboard"), autoescape=True, trim_blocks=True, lstrip_blocks=True
        )
        environment.policies["json.dumps_kwargs"] = {"sort_keys": False, "separators": (",", ":")}
        environment.globals |= {
            "number": text.number, "count": text.count, "seconds": text.seconds, "share": text.share,
            "interval": text.interval, "place": place, "slug": slug, "run_name": run_name,
            "remark": remark, "speed": speed, "looks": self.looks, "of_role": of_role,
            "version": bench.__version__,
        }  # fmt: skip
        return environment

    @cached_property
    def looks(self) -> dict[str, Any]:
        return looks(e.label for r in self.board.rankings for e in r.group.entries)

    def _render(self, template: str, path: str, **content: Any) -> None:
        page = self.environment.get_template(template).render(root="../" * path.count("/"), **content)
        (self.folder / path).write_text(page, encoding="utf-8")

    def _write_strips(self, group: Group) -> None:
        """Pictures of a group's runs and their errors on one scale; measurement and truth once."""
        made: dict[str, np.ndarray[Any, Any]] = {}
        for record in (r for e in group.entries for r in e.records):
            images = _strips.samples(record)
            if not images:
                continue
            order = _strips.by_content(images["truth"])
            images = {kind: stack[order] for kind, stack in images.items()}
            under, name = _strips.captions(record, order), run_name(record)
            self._keep(record.fingerprint, images["reconstruction"], name, under)
            given = self.given[record.fingerprint] = _digest(images["truth"], images["measurement"])
            for kind in ("measurement", "truth"):
                self._keep(f"{given}-{kind}", images[kind], f"{given}-{kind}")
            made[record.fingerprint] = _strips.errors(images["reconstruction"], images["truth"])
        largest = max((float(np.quantile(values, 0.99)) for values in made.values()), default=0.0)
        for fingerprint, values in made.items():
            colours = _strips.error_map(values, max(largest, 1 / 255))
            strip = _strips.write(colours, self.folder / "images", f"{run_name(fingerprint)}-error")
            self.errors[fingerprint] = strip, max(largest, 1 / 255)

    def _keep(self, key: str, images: Any, name: str, under: tuple[str, ...] = ()) -> None:
        if key not in self.strips:
            self.strips[key] = _strips.write(images, self.folder / "images", name, under)

    def _gallery(self, records: Sequence[tuple[str, Record]]) -> list[Row]:
        """Rows of a gallery: measurement, each run's reconstruction, truth."""
        shown = [(n, r, self.strips[r.fingerprint]) for n, r in records if r.fingerprint in self.strips]
        if not shown:
            return []
        given = self.given[shown[0][1].fingerprint]
        measured, truth = (self.strips[f"{given}-{kind}"] for kind in ("measurement", "truth"))
        same = [row for row in shown if self.given[row[1].fingerprint] == given]
        return [("measurement", None, measured), *same, ("truth", None, truth)]

    def _error_gallery(self, records: Sequence[tuple[str, Record]]) -> dict[str, Any]:
        """Error maps of the same runs, and the error that is shown as the brightest."""
        rows = [(n, r, self.errors[r.fingerprint][0]) for n, r in records if r.fingerprint in self.errors]
        largest = max(
            (self.errors[r.fingerprint][1] for _, r in records if r.fingerprint in self.errors), default=0
        )
        return {"rows": rows, "largest": largest}

    def _write_problem(self, ranking: Ranking) -> None:
        group = ranking.group
        self._write_strips(group)
        shown = [(e.label, e.first) for e in group.entries]
        self._render(
            "problem.html", f"problems/{slug(group.title)}.html",
            group=group, ranking=ranking, footnote=footnote(ranking),
            rows=list(zip(group.entries, ranking.standings, strict=True)),
            gallery=self._gallery(shown), errors=self._error_gallery(shown),
            charts=_charts.charts(ranking, self._siblings.get(_test_set(group), ()), self.looks),
            latex=export.latex([ranking]), leakage=_leakage(group), about=_problem.about(group),
            certificate=self._certificate(group), pair=_problem.pairs(ranking, self.strips),
        )  # fmt: skip
        for record in group.records:
            self._write_run(record, ranking)

    def _certificate(self, group: Group) -> dict[str, Any]:
        """What was measured of an operator: facts, on the group's own images if a run measured them there.

        The picture is that of `bench describe`, and so are the facts if no run has them.
        """
        described = self.board.loaded.certificates.get(group.operator, Certificate({}, None))
        measured = [r.data.certificate for r in group.records if "summary" in r.data.certificate]
        facts = flat(measured[0] if measured else described.facts)
        if not facts:
            return {}
        sentence = facts.pop("summary", "")
        return {"facts": facts, "sentence": sentence, "picture": self._picture(group, described.picture)}

    def _picture(self, group: Group, source: Path | None) -> str | None:
        """An operator's picture, taken over: its bytes, never what a link leads to."""
        name = f"images/{slug(group.operator)}-certificate.png"
        with suppress(BenchError):
            if source is not None:
                (self.folder / name).write_bytes(contents(source, MOST_PICTURE))
                return name
        return None

    @cached_property
    def _siblings(self) -> dict[Any, list[Group]]:
        """Groups by operator and test measurements: they differ in their training images at most."""
        found: dict[Any, list[Group]] = defaultdict(list)
        for ranking in self.board.rankings:
            if ranking.group.entries:
                found[_test_set(ranking.group)].append(ranking.group)
        return found

    def _write_run(self, record: Record, ranking: Ranking) -> None:
        row = self._rows[record.fingerprint]
        shown = [(row["method"], record)]
        self._render(
            "run.html", f"runs/{run_name(record)}.html",
            record=record, row=row, group=ranking.group, columns=COLUMNS,
            charts=_charts.run(record, row["method"], self.looks) if row["method"] in self.looks else [],
            parts=_parts(record), leakage=_leakage_of(record), offered=self._offer(record),
            gallery=self._gallery(shown), errors=self._error_gallery(shown),
        )  # fmt: skip

    def _offer(self, record: Record) -> list[tuple[str, str]]:
        """Files of a run copied beside its page: name and path."""
        found, folder = [], self.folder / "runs" / run_name(record)
        for name in OFFERED:
            with suppress(BenchError):
                if record.folder is not None and (record.folder / name).exists():
                    content = contents(record.folder / name, MOST_JSON)
                    folder.mkdir(exist_ok=True)
                    (folder / name).write_bytes(content)
                    found.append((name, f"{folder.name}/{name}"))
        return found

    @cached_property
    def _rows(self) -> dict[str, dict[str, Any]]:
        return {row["fingerprint"]: row for row in self.board.frame.to_dict("records")}

    def _write_index(self) -> None:
        rankings = [r for r in self.board.rankings if r.group.entries]
        largest = sorted(rankings, key=lambda r: -len(r.group.entries))[:CARDS]
        cards = [(r, self._gallery(_best(r.group))) for r in rankings if r in largest]
        frame = self.board.frame
        self._render(
            "index.html", "index.html",
            rankings=self.board.rankings, cards=cards, matrix=_index.matrix(rankings),
            skipped=self.board.loaded.skipped,
            runs=len(frame), failed=int((frame.status == "failed").sum()),
            operators=frame.operator.nunique(), models=frame.method.nunique(),
            table=_index.runs(
                self.board,
                lambda title: f"problems/{slug(title)}.html",
                lambda name: f"runs/{run_name(name)}.html",
            ),
        )  # fmt: skip


def _best(group: Group) -> list[tuple[str, Record]]:
    """The floor and the best models of a group: what a card shows."""
    chosen = [*group.of_role("model")[:2], *filter(None, [group.floor])]
    return [(e.label, e.first) for e in chosen]


def _parts(record: Record) -> dict[str, dict[str, Any]]:
    """Sections of a run's page: titles with names and values, in words."""
    data, origin = record.data, record.provenance
    spec, recipe = record.spec, asdict(record.spec.recipe) if record.spec.recipe else {}
    return {
        "What was run": {
            "operator": record.operator, "model": spec.model.label, "dataset": spec.dataset.label,
            "training seed": spec.seed, "problem seed": spec.problem_seed, "protocol": spec.protocol,
            "used beside the measurements": ", ".join(record.uses) or None,
        },
        "Training": {_words(k): v for k, v in recipe.items()},
        "Data": {
            "training images": data.train, "validation images": data.validation,
            f"scored {data.unit}s": data.test, "independent groups": data.groups,
            "image": _shape(data.image_shape), "measurement": _shape(data.measurement_shape),
            "note": data.note or None,
        },
        "Settled by the operator": {_words(k): _told(v) for k, v in record.settings.items()},
        "Cost": {
            "time of fit": text.seconds(record.budget.seconds), "settings tried": record.budget.trials,
            **{_words(k): v for k, v in record.timings.items()},
        },
        "Provenance": {
            "hardware": origin.hardware, "threads": origin.threads or None, "time": origin.time,
            "invbench": origin.invbench, "python": origin.python, "platform": origin.platform,
            **origin.packages,
            "commit": (origin.commit or "")[:12] + (" with local changes" if origin.dirty else "") or None,
        },
    }  # fmt: skip


def _words(name: str) -> str:
    return name.replace("_", " ")


def _told(value: Any) -> str:
    """A value in one line; long ones, as keys, by their beginning."""
    found = value if isinstance(value, str) else json.dumps(value)
    return found if len(found) <= 48 else f"{found[:40]}…"


def _shape(sizes: Sequence[int]) -> str:
    return " × ".join(map(str, sizes))


def _leakage(group: Group) -> str:
    """What the leakage check found for the images of a group."""
    return next((found for r in group.records if (found := _leakage_of(r))), "")


def _leakage_of(record: Record) -> str:
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


def _test_set(group: Group) -> tuple[str, tuple[str, ...]]:
    digests = sorted({r.data.test_digest for e in group.entries for r in e.records})
    return group.operator, tuple(digests)


def _digest(*stacks: np.ndarray[Any, Any]) -> str:
    """A name for pictures: alike for runs that were scored on the same."""
    digest = hashlib.sha256()
    for stack in stacks:
        digest.update(repr(stack.shape).encode() + stack.tobytes())
    return digest.hexdigest()[:16]


def slug(title: str) -> str:
    """A file name for a title: readable, and different for different titles."""
    readable = re.sub(r"[^A-Za-z0-9]+", "-", title).strip("-")[:60]
    return f"{readable}-{hashlib.sha256(title.encode()).hexdigest()[:6]}"


def run_name(record: Record | str) -> str:
    """File name of a run's page and picture: its fingerprint, or a slug of it if that is no plain name."""
    name = record if isinstance(record, str) else record.fingerprint
    return name if re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name) else slug(name)
