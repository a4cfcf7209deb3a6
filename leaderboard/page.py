"""The leaderboard as one static folder that opens from the disk and needs no network."""

import hashlib
import importlib.util
import math
import re
import shutil
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader

import bench
from bench import text
from bench.errors import UsageError
from bench.files import replacing_folder
from bench.leaderboard import _strips, export
from bench.leaderboard._charts import charts, training
from bench.leaderboard._strips import Strip
from bench.leaderboard.groups import Group, Method
from bench.leaderboard.loading import Certificate, history
from bench.leaderboard.ranking import Ranking
from bench.leaderboard.rows import footnote, place, remark, speed
from bench.leaderboard.show import flat
from bench.leaderboard.table import COLUMNS, Board
from bench.runs.record import Record

#: Problems with pictures on the front page; all others are in its table.
CARDS = 12


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
        _write_assets(self.folder / "assets")
        export.write(self.board, self.folder / "downloads")
        self.strips = self._write_strips()
        for ranking in self.board.rankings:
            self._write_problem(ranking)
        self._write_index()

    @cached_property
    def environment(self) -> Environment:
        """Templates; everything they print is escaped unless it is marked as safe."""
        environment = Environment(
            loader=PackageLoader("bench.leaderboard"), autoescape=True, trim_blocks=True, lstrip_blocks=True
        )
        environment.globals |= {
            "number": text.number, "count": text.count, "seconds": text.seconds, "share": text.share,
            "interval": text.interval, "place": place, "slug": slug, "run_name": run_name,
            "remark": remark, "speed": speed,
            "version": bench.__version__,
        }  # fmt: skip
        return environment

    def _render(self, template: str, path: str, **content: Any) -> None:
        page = self.environment.get_template(template).render(root="../" * path.count("/"), **content)
        (self.folder / path).write_text(page, encoding="utf-8")

    def _write_strips(self) -> dict[str, Strip]:
        """Pictures of every run by fingerprint; measurement and truth once per test measurements."""
        folder, strips = self.folder / "images", {}
        for record in self.board.records:
            images = _strips.samples(record) if record.status == "ok" else {}
            if not images:
                continue
            under = _strips.captions(record, len(images["truth"]))
            name = run_name(record)
            strips[record.fingerprint] = _strips.write(images["reconstruction"], folder, name, under)
            for kind in ("measurement", "truth"):
                key = _shared(record, kind)
                if key not in strips:
                    strips[key] = _strips.write(images[kind], folder, key)
        return strips

    def _gallery(self, records: Sequence[tuple[str, Record]]) -> list[tuple[str, Record | None, Strip]]:
        """Rows of a gallery: measurement, each run's reconstruction, truth."""
        shown = [(n, r, self.strips[r.fingerprint]) for n, r in records if r.fingerprint in self.strips]
        if not shown:
            return []
        first = shown[0][1]
        measured, truth = (self.strips[_shared(first, kind)] for kind in ("measurement", "truth"))
        same = [row for row in shown if _shared(row[1], "truth") == _shared(first, "truth")]
        return [("measurement", None, measured), *same, ("truth", None, truth)]

    def _write_problem(self, ranking: Ranking) -> None:
        group = ranking.group
        rows = list(zip(group.entries, ranking.standings, strict=True))
        self._render(
            "problem.html", f"problems/{slug(group.title)}.html",
            group=group, ranking=ranking, rows=rows, footnote=footnote(ranking),
            gallery=self._gallery([(e.label, e.first) for e in group.entries]),
            charts=charts(ranking, self._siblings.get(_test_set(group), ())),
            latex=export.latex([ranking]), leakage=_leakage(group),
            certificate=self._certificate(group),
        )  # fmt: skip
        for record in group.records:
            self._write_run(record, ranking)

    def _certificate(self, group: Group) -> dict[str, Any]:
        """What was measured of an operator: facts, on the group's own images if a run measured them there.

        The picture is that of `bench describe`, and so are the facts if no run has them.
        """
        described = self.board.loaded.certificates.get(group.operator, Certificate({}, None))
        measured = [r.data.certificate for r in group.records if "summary" in r.data.certificate]
        facts, picture = flat(measured[0] if measured else described.facts), described.picture
        if not facts:
            return {}
        name = f"images/{slug(group.operator)}-certificate.png"
        if picture:
            shutil.copyfile(picture, self.folder / name)
        sentence = facts.pop("summary", "")
        return {"facts": facts, "sentence": sentence, "picture": name if picture else None}

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
        curve = (
            training(Group("", "", "", (Method(row["method"], (record,)),))) if len(history(record)) else None
        )
        self._render(
            "run.html", f"runs/{run_name(record)}.html",
            record=record, row=row, group=ranking.group, curve=curve, columns=COLUMNS,
            spec=flat(record.spec.to_json()), parts=_parts(record), leakage=_leakage_of(record),
            gallery=self._gallery([(row["method"], record)]),
        )  # fmt: skip

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
            rankings=self.board.rankings, cards=cards, heat=_heat(rankings),
            skipped=self.board.loaded.skipped,
            runs=len(frame), failed=int((frame.status == "failed").sum()),
            operators=frame.operator.nunique(), models=frame.method.nunique(),
            table=_table_data(self.board),
        )  # fmt: skip


def _best(group: Group) -> list[tuple[str, Record]]:
    """The floor and the best models of a group: what a card shows."""
    chosen = [*group.of_role("model")[:2], *filter(None, [group.floor])]
    return [(e.label, e.first) for e in chosen]


def _heat(rankings: Iterable[Ranking]) -> dict[str, Any]:
    """Operators and datasets by methods: score, and way from the floor to the best as shade 0 to 100."""
    kept = list(rankings)
    methods = list(dict.fromkeys(e.label for r in kept for e in r.group.entries))
    rows = []
    for ranking in kept:
        means = {e.label: e.mean() for e in ranking.group.entries}
        cells = [(m, means.get(m), _shade(means, m, ranking.group)) for m in methods]
        rows.append((ranking.group, cells, ranking.best))
    return {"methods": methods, "rows": rows}


def _shade(means: dict[str, float], method: str, group: Group) -> int:
    """Position between the floor and the best finite score."""
    finite = [v for v in means.values() if math.isfinite(v)]
    value = means.get(method, -math.inf)
    low = group.floor.mean() if group.floor and math.isfinite(group.floor.mean()) else min(finite, default=0)
    high = max(finite, default=0)
    if not math.isfinite(value):
        return 100 if value > 0 else 0
    return round(100 * min(max((value - low) / (high - low), 0), 1)) if high > low else 0


def _table_data(board: Board) -> dict[str, Any]:
    """Rows and columns as the script of the page takes them; infinite values as text."""
    frame = board.frame.drop(columns="group")
    problems = [f"problems/{slug(title)}.html" for title in board.frame.group]
    links = [f"runs/{run_name(name)}.html" for name in frame.fingerprint]
    first = {r.best.first.fingerprint for r in board.rankings if r.best}
    columns = [{"name": name, "about": COLUMNS[name]} for name in frame.columns]
    values = [frame[name].astype(object).where(frame[name].notna(), None).tolist() for name in frame.columns]
    rows = [[_plain(v) for v in row] for row in zip(*values, strict=True)]
    return {
        "columns": columns, "rows": rows, "links": links, "problems": problems,
        "best": [int(f in first) for f in frame.fingerprint],
    }  # fmt: skip


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        if math.isinf(value):
            return "inf" if value > 0 else "-inf"
        return float(f"{value:.7g}")
    return value


def _parts(record: Record) -> dict[str, dict[str, Any]]:
    """Sections of a run's page: titles with names and values."""
    return {
        "Timing": record.timings,
        "Data": flat(asdict(record.data)),
        "Settled by the operator": flat(record.settings),
        "Provenance": flat(asdict(record.provenance)),
    }


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
        return "No test image has an exact or near duplicate among the training images."
    return (
        f"{found.exact} test images are among the training images too, and {found.near} more have a near "
        "duplicate there: scores may flatter every method that learns."
    )


def _about_ivs(record: Record) -> str:
    repeated = record.data.repeated_ivs
    if repeated is None:
        return ""
    return f"{repeated} test images share their iv with another one." if repeated else "No iv was used twice."


def _test_set(group: Group) -> tuple[str, tuple[str, ...]]:
    digests = sorted({r.data.test_digest for e in group.entries for r in e.records})
    return group.operator, tuple(digests)


def _shared(record: Record, kind: str) -> str:
    digest = hashlib.sha256(record.data.test_digest.encode()).hexdigest()[:16]
    return f"{digest}-{kind}"


def slug(title: str) -> str:
    """A file name for a title: readable, and different for different titles."""
    readable = re.sub(r"[^A-Za-z0-9]+", "-", title).strip("-")[:60]
    return f"{readable}-{hashlib.sha256(title.encode()).hexdigest()[:6]}"


def run_name(record: Record | str) -> str:
    """File name of a run's page and picture: its fingerprint, or a slug of it if that is no plain name."""
    name = record if isinstance(record, str) else record.fingerprint
    return name if re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name) else slug(name)


def _write_assets(folder: Path) -> None:
    """The page's own script and style, and the libraries, from their packages."""
    own = files("bench.leaderboard") / "static"
    for name in ("page.css", "page.js"):
        (folder / name).write_bytes((own / name).read_bytes())
    itables = _package("itables") / "html"
    (folder / "datatables.css").write_bytes((itables / "dt_bundle.css").read_bytes())
    bundle = (itables / "dt_bundle.js").read_text(encoding="utf-8")
    (folder / "datatables.js").write_text(_as_script(bundle), encoding="utf-8")
    shutil.copyfile(_package("plotly") / "package_data" / "plotly.min.js", folder / "plotly.js")


def _package(name: str) -> Path:
    """A package's folder, without importing it."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise UsageError(f"the package {name} is missing: pip install {name}")
    return Path(next(iter(spec.submodule_search_locations)))


def _as_script(module: str) -> str:
    """DataTables' module as a classic script: browsers load no modules from the disk."""
    exported = re.search(r"export\s*\{([^}]*)\}", module)
    names = dict(re.findall(r"([\w$]+) as (\w+)", exported.group(1))) if exported else {}
    inner = next((k for k, v in names.items() if v == "default"), None)
    if exported is None or inner is None:
        raise UsageError("this version of itables bundles DataTables in another form; install itables 2.9")
    body = module[: exported.start()] + module[exported.end() :]
    return f"(function () {{\n{body}\nwindow.DataTable = {inner};\n}})();\n"
