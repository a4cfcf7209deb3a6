"""The page's files: whole, escaped, linked, and made of nothing but the records."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.errors import UsageError
from bench.leaderboard import page
from bench.leaderboard.table import board
from bench.recipe import Recipe

EVIL = "<script>alert('x')</script>\"&"


class Links(HTMLParser):
    """Every address and script text of a page."""

    def __init__(self, text: str):
        super().__init__()
        self.addresses: list[str] = []
        self.scripts: list[str] = []
        self._script = False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.addresses += [v for k, v in attrs if k in ("href", "src") and v]
        self._script = tag == "script"

    def handle_data(self, data):
        if self._script and data.strip():
            self.scripts.append(data)
        self._script = False


@pytest.fixture
def site(make, results):
    """A page of two operators, a failed run and a plug-in whose texts are markup."""
    for operator in ("xor_ctr", f"evil{EVIL}"):
        make(operator, "mean", 12.0)
        make(operator, "unet", 18.0, recipe=Recipe(epochs=3))
        make(operator, "inverse", np.full(40, np.inf))
    make("xor_ctr", f"bad{EVIL}", status="failed", error=f"RuntimeError: {EVIL}")
    make("xor_ctr", "dncnn", 17.0, provenance={"hardware": EVIL, "packages": {EVIL: EVIL}})
    return page.write(board(results), results / "leaderboard").parent


def _pages(site: Path) -> list[Path]:
    return sorted(site.rglob("*.html"))


def test_every_link_leads_to_a_file_of_the_folder(site):
    """The folder can be published as it is: nothing missing, nothing from elsewhere."""
    assert len(_pages(site)) == 1 + 2 + 8
    for path in _pages(site):
        for address in Links(path.read_text()).addresses:
            if address.startswith(("#", "data:,")):
                continue
            target = (path.parent / address.partition("#")[0]).resolve()
            assert target.is_file(), f"{path.name} links to {address}"
            assert target.is_relative_to(site.resolve())


def test_texts_of_plugins_are_escaped_everywhere(site):
    """A name, parameter or error that holds a script is shown, never run."""
    for path in _pages(site):
        text = path.read_text()
        assert "<script>alert" not in text
        for script in Links(text).scripts:
            json.loads(script)


def test_gallery_shows_the_sample_images_of_the_run(site, results):
    """The strip's pixels are those that the run stored, in their order."""
    record = next(r for r in board(results).records if r.spec.model.name == "unet")
    from safetensors.numpy import load_file

    stored = load_file(record.folder / "samples.safetensors")["reconstruction"].transpose(0, 2, 3, 1)
    shown = np.asarray(Image.open(site / "images" / f"{record.fingerprint}.png"))
    np.testing.assert_array_equal(shown, stored.reshape(-1, 16, 3))


def test_ranks_and_verdicts_are_in_the_page_without_javascript(site):
    """A problem's table is plain HTML with rank, interval and what the claims hold for."""
    (path,) = site.glob("problems/xor-ctr-on-photos-*.html")
    text = re.sub(r"\s+", " ", path.read_text())
    assert "<td>ceiling</td>" in text
    assert "[+∞, +∞]" in text
    assert "holds for these trained networks only" in text


def test_a_runs_page_has_the_command_that_makes_it_again(site, results):
    """The exact command and the error of a failed run are on its page."""
    for record in board(results).records:
        text = (site / "runs" / f"{record.fingerprint}.html").read_text()
        assert "bench run --operator" in text
        if record.status == "failed":
            assert "RuntimeError: &lt;script&gt;" in text


def test_shared_links_have_title_and_description(site):
    """What a chat or a search shows of the page."""
    text = (site / "index.html").read_text()
    assert '<meta property="og:title" content="invbench leaderboard' in text
    assert '<meta property="og:description" content="8 runs of' in text


def test_a_folder_of_something_else_is_left_as_it_is(make, results):
    """The page replaces its own folder only."""
    make()
    target = results / "leaderboard"
    target.mkdir()
    (target / "thesis.tex").write_text("mine")
    with pytest.raises(UsageError, match="something else"):
        page.write(board(results), target)
    assert (target / "thesis.tex").read_text() == "mine"


def test_rewriting_removes_pages_of_removed_runs(make, results):
    """The page is a function of the records that are there now."""
    make(model="unet")
    gone = make(model="dncnn")
    target = page.write(board(results), results / "leaderboard").parent
    import shutil

    shutil.rmtree(gone.folder)
    page.write(board(results), target)
    assert len(list(target.glob("runs/*.html"))) == 1
    assert not list(results.glob(".leaderboard-*"))


def test_an_empty_results_folder_still_has_a_page(results):
    """Before the first run: a page that says that there are no runs."""
    (results / "runs").mkdir(parents=True)
    assert "<b>0</b> runs" in page.write(board(results), results / "leaderboard").read_text()


def test_a_run_s_own_certificate_is_shown(make, results):
    """What a run measured on its own images goes before what was described on others."""
    make("xor_ctr", "unet", data={"certificate": {"summary": "Measured here.", "reach": 1.5}})
    folder = results / "operators" / "xor_ctr"
    folder.mkdir(parents=True)
    (folder / "certificate.json").write_text(json.dumps({"operator": "xor_ctr", "summary": "Elsewhere."}))
    (path,) = page.write(board(results), results / "leaderboard").parent.glob("problems/*.html")
    assert "Measured here." in path.read_text()
    assert "<dt>reach</dt><dd>1.5</dd>" in path.read_text()
    assert "Elsewhere." not in path.read_text()


def test_the_operators_certificate_is_on_its_page(make, results):
    """What `bench describe` stored is shown, a broken file is no harm."""
    make("xor_ctr", "unet")
    folder = results / "operators" / "xor_ctr"
    folder.mkdir(parents=True)
    content = {"operator": "xor_ctr", "summary": "It stays <in> its pixel.", "influence": {"share": 0.25}}
    (folder / "certificate.json").write_text(json.dumps(content))
    Image.new("RGB", (4, 4)).save(folder / "picture.png")
    broken = results / "operators" / "ct"
    broken.mkdir()
    (broken / "certificate.json").write_text("{")
    site = page.write(board(results), results / "leaderboard").parent
    (path,) = site.glob("problems/*.html")
    assert "It stays &lt;in&gt; its pixel." in path.read_text()
    assert "<dt>influence.share</dt><dd>0.25</dd>" in path.read_text()
    assert len(list(site.glob("images/*certificate.png"))) == 1
