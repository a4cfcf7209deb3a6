"""The pages of the leaderboard, one after the other, from their templates."""

from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader

import bench
from bench import text
from bench.errors import BenchError
from bench.leaderboard import export
from bench.leaderboard.groups import Group
from bench.leaderboard.loading import Certificate
from bench.leaderboard.page import charts, index, problem, run
from bench.leaderboard.page.drawing import Drawing
from bench.leaderboard.page.gallery import Gallery
from bench.leaderboard.page.names import linked, run_name, slug, soft
from bench.leaderboard.page.series import series
from bench.leaderboard.plots.grid import MOST_PANELS, looks_of
from bench.leaderboard.plots.looks import of_role
from bench.leaderboard.ranking import Ranking
from bench.leaderboard.rows import footnote, place, remark, speed
from bench.leaderboard.series import Series
from bench.leaderboard.series import series as found_in
from bench.leaderboard.show import flat
from bench.leaderboard.table import COLUMNS, Board
from bench.leaderboard.transfer import matrices
from bench.runs.reading import MOST_JSON, contents
from bench.runs.record import Record

#: Problems with pictures on the front page; all others are in its matrix.
CARDS = 12
#: Files of a run that its page offers.
OFFERED = ("record.json", "scores.parquet", "history.parquet")
#: Largest picture of an operator that is taken over, in bytes.
MOST_PICTURE = 16 * MOST_JSON


@dataclass
class Site:
    """A page that is being written into a folder."""

    board: Board
    folder: Path

    def write(self) -> None:
        for name in ("assets", "images", "problems", "runs", "downloads"):
            (self.folder / name).mkdir()
        for name in ("page.css", "page.js", "table.js", "zoom.js"):
            own = files("bench.leaderboard.page") / "static" / name
            (self.folder / "assets" / name).write_bytes(own.read_bytes())
        export.write(self.board, self.folder / "downloads")
        self.gallery = Gallery(self.folder)
        for ranking in self.board.rankings:
            self._write_problem(ranking)
        self._write_index()

    @cached_property
    def environment(self) -> Environment:
        """Templates; everything they print is escaped."""
        environment = Environment(
            loader=PackageLoader("bench.leaderboard.page"),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.policies["json.dumps_kwargs"] = {"sort_keys": False, "separators": (",", ":")}
        environment.globals |= {
            "number": text.number, "count": text.count, "seconds": text.seconds, "share": text.share,
            "interval": text.interval, "place": place, "slug": slug, "run_name": run_name,
            "remark": remark, "speed": speed, "looks": self.looks, "of_role": of_role,
            "version": bench.__version__,
        }  # fmt: skip
        environment.filters |= {"linked": linked, "soft": soft}
        return environment

    @cached_property
    def looks(self) -> dict[str, Any]:
        return dict(looks_of(self.board))

    def _render(self, template: str, path: str, **content: Any) -> None:
        page = self.environment.get_template(template).render(root="../" * path.count("/"), **content)
        (self.folder / path).write_text(page, encoding="utf-8")

    def _write_problem(self, ranking: Ranking) -> None:
        group = ranking.group
        self.gallery.add(group)
        shown = [(e.label, e.first) for e in group.entries]
        self._render(
            "problem.html", f"problems/{slug(group.title)}.html",
            group=group, ranking=ranking, footnote=footnote(ranking),
            rows=list(zip(group.entries, ranking.standings, strict=True)),
            gallery=self.gallery.rows(shown), errors=self.gallery.error_rows(shown),
            charts=[*charts.charts(ranking, self.looks), *self._series_of(group)],
            latex=export.latex([ranking]), leakage=run.leakage(group), about=problem.about(group),
            certificate=self._certificate(group), pair=problem.pairs(ranking, self.gallery.strips),
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
    def _series(self) -> list[tuple[Series, str]]:
        """Every series, with the metric that it is drawn in."""
        return [(one, self._metric) for one in found_in(r.group for r in self.board.rankings)]

    @property
    def _metric(self) -> str:
        return self.board.rankings[0].metric.name if self.board.rankings else "psnr"

    def _series_of(self, group: Group) -> list[Drawing]:
        """Charts of the series that a group is part of."""
        return [series(one, metric, self.looks) for one, metric in self._series if one.holds(group)]

    def _write_run(self, record: Record, ranking: Ranking) -> None:
        row = self._rows[record.fingerprint]
        shown = [(row["method"], record)]
        self._render(
            "run.html", f"runs/{run_name(record)}.html",
            record=record, row=row, group=ranking.group, columns=COLUMNS,
            charts=charts.of_run(record, row["method"], self.looks) if row["method"] in self.looks else [],
            parts=run.parts(record), leakage=run.leakage_of(record), offered=self._offer(record),
            gallery=self.gallery.rows(shown), errors=self.gallery.error_rows(shown),
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
        cards = [(r, self.gallery.rows(_best(r.group))) for r in rankings if r in largest]
        frame = self.board.frame
        self._render(
            "index.html", "index.html",
            rankings=self.board.rankings, cards=cards, more=len(rankings) - len(cards),
            matrix=index.matrix(rankings),
            skipped=self.board.loaded.skipped,
            transfers=matrices((r.group for r in rankings), self._metric)[:MOST_PANELS],
            series=[series(one, metric, self.looks) for one, metric in self._series[:MOST_PANELS]],
            runs=len(frame), failed=int((frame.status == "failed").sum()),
            operators=frame.operator.nunique(), models=frame.method.nunique(),
            table=index.runs(
                self.board,
                lambda title: f"problems/{slug(title)}.html",
                lambda name: f"runs/{run_name(name)}.html",
            ),
        )  # fmt: skip


def _best(group: Group) -> list[tuple[str, Record]]:
    """The best models of a group, or of what was transferred to it: what a card shows."""
    found = group.of_role("model") or group.of_role("transfer")
    return [(e.label, e.first) for e in found[:2]]
