"""The page's files: whole, escaped, linked, and made of nothing but the records."""

import html
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.errors import UsageError
from bench.leaderboard import compare, export, find, page, terminal
from bench.leaderboard.page.names import linked, soft
from bench.leaderboard.table import board
from bench.pictures import absolute, error_colours
from bench.recipe import Recipe

EVIL = "<script>alert('x')</script>\"&"


class Links(HTMLParser):
    """Every address and script text of a page; of addresses, those that only a reader follows."""

    def __init__(self, text: str):
        super().__init__()
        self.addresses: list[str] = []
        self.followed: list[str] = []
        self.scripts: list[str] = []
        self._script = False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = [v for k, v in attrs if k in ("href", "src") and v]
        self.addresses += found
        self.followed += found if ("rel", "noreferrer") in attrs else []
        self._script = tag == "script"

    def handle_data(self, data):
        if self._script and data.strip():
            self.scripts.append(data)
        self._script = False


@pytest.fixture(scope="module")
def results_of_site(making, tmp_path_factory):
    """Records of two operators, a failed run and a plug-in whose texts are markup."""
    results = tmp_path_factory.mktemp("results")
    make = making(results)
    for operator in ("xor_ctr", f"evil{EVIL}"):
        make(operator, "mean", 12.0)
        make(operator, "unet", 18.0, recipe=Recipe(epochs=3))
        make(operator, "inverse", np.full(40, np.inf))
    make("xor_ctr", f"bad{EVIL}", status="failed", error=f"RuntimeError: {EVIL}")
    make("xor_ctr", "dncnn", 17.0, provenance={"hardware": EVIL, "packages": {EVIL: EVIL}})
    return results


@pytest.fixture(scope="module")
def site(results_of_site):
    """Their page."""
    return page.write(board(results_of_site), results_of_site / "leaderboard").parent


def _pages(site: Path) -> list[Path]:
    return sorted(site.rglob("*.html"))


def test_every_link_leads_to_a_file_of_the_folder(site):
    """The folder can be published as it is: nothing missing, nothing from elsewhere."""
    assert len(_pages(site)) == 1 + 2 + 8
    for path in _pages(site):
        links = Links(path.read_text())
        for address in links.addresses:
            if address.startswith(("#", "data:,")) or address in links.followed:
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


def test_gallery_shows_the_sample_images_of_the_run(site, results_of_site):
    """The strip's pixels are those that the run stored, in their order."""
    record = next(r for r in board(results_of_site).records if r.spec.model.name == "unet")
    from safetensors.numpy import load_file

    stored = load_file(record.folder / "samples.safetensors")
    wanted = stored["reconstruction"].transpose(0, 2, 3, 1)
    shown = np.asarray(Image.open(site / "images" / f"{record.fingerprint}.png"))
    np.testing.assert_array_equal(shown, wanted.reshape(-1, 16, 3))


def test_a_policy_forbids_whatever_is_not_the_pages_own(site):
    """Each page has a content security policy before anything that it loads; no script stands in a page."""
    for path in _pages(site):
        text = path.read_text()
        policy = re.search(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', text)
        assert policy is not None
        assert "default-src 'none'; script-src 'self'; style-src 'self';" in policy.group(1)
        assert policy.start() < text.index("<link")
        assert not re.search(r"<script(?! (src=|type=\"application/json\"))", text)
        assert not re.search(r"<style|\son\w+=|javascript:", text.replace("&#34;", ""))


def test_error_maps_of_a_problem_share_one_scale():
    """Twice the error is twice as far along the colours, whichever method made it."""
    truth = np.zeros((1, 2, 2, 3), np.uint8)
    small, large = (absolute(truth + v, truth) for v in (51, 102))
    np.testing.assert_allclose(large, 2 * small)
    np.testing.assert_allclose(small, 0.2)
    assert (error_colours(large, 0.4) == error_colours(large * 2, 0.4)).all()
    assert (error_colours(small, 0.4) != error_colours(large, 0.4)).any()


def test_a_link_in_place_of_a_picture_is_not_followed(make, results, tmp_path):
    """What a link in a results folder leads to is nobody's picture: its bytes do not reach the page."""
    make("xor_ctr", "unet")
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"\x89PNG\r\n\x1a\n" + b"private")
    folder = results / "operators" / "xor_ctr"
    folder.mkdir(parents=True)
    (folder / "certificate.json").write_text(json.dumps({"operator": "xor_ctr", "summary": "Fine."}))
    (folder / "picture.png").symlink_to(secret)
    loaded = board(results)
    site = page.write(loaded, results / "leaderboard").parent
    (folder / "picture.png").unlink()
    (folder / "picture.png").write_bytes(secret.read_bytes())
    later = board(results)
    (folder / "picture.png").unlink()
    (folder / "picture.png").symlink_to(secret)  # after it was looked at, before it is copied
    page.write(later, results / "other")
    for made in (site, results / "other"):
        assert not [p for p in made.rglob("*") if p.is_file() and b"private" in p.read_bytes()]


def test_links_in_a_runs_folder_are_not_offered(make, results, tmp_path):
    """A run's files are copied beside its page, never what a link among them leads to."""
    record = make("xor_ctr", "unet", recipe=Recipe(epochs=2))
    (tmp_path / "secret").write_bytes(b"private")
    loaded = board(results)
    for name in ("history.parquet", "samples.safetensors"):
        (record.folder / name).unlink()
        (record.folder / name).symlink_to(tmp_path / "secret")
    site = page.write(loaded, results / "leaderboard").parent
    assert (site / "runs" / record.fingerprint / "record.json").is_file()
    assert not [p for p in site.rglob("*") if p.is_file() and b"private" in p.read_bytes()]


def test_the_front_page_is_light(make, results):
    """With 100 runs: page, styles and scripts together at most 300 kB before pictures."""
    for operator in ("xor_ctr", "ct", "mri", "denoising"):
        for seed in range(25):
            make(operator, f"unet:width={seed}", 20.0 + seed / 100, seed=seed)
    site = page.write(board(results), results / "leaderboard").parent
    size = sum(p.stat().st_size for p in [site / "index.html", *(site / "assets").iterdir()])
    assert size <= 300_000


def test_the_front_page_is_in_order(site):
    """What it is, the summary, the problems, then all runs."""
    found = re.findall(r'<h[12](?: id="(\w+)")?>', (site / "index.html").read_text())
    assert found == ["", "summary", "problems", "runs"]


def test_a_problem_explains_itself(site):
    """The operator in its own words, the protocol, and every pair's verdict as a sentence."""
    (path,) = site.glob("problems/xor-ctr-on-photos-*.html")
    text = html.unescape(path.read_text())
    assert "Each image as it was reconstructed" in text
    assert "AES" in text
    assert "unet against mean, not tested: +6.00" in text or "unet is shown better than mean" in text


def test_a_dataset_s_references_are_links(make, results):
    """Readers of a problem come to the home of its images; what its parameters are is left out."""
    make("ct", "unet", dataset="ellipses:size=32")
    site = page.write(board(results), results / "leaderboard").parent
    (path,) = site.glob("problems/*.html")
    assert '<a href="https://github.com/jleuschn/dival" rel="noreferrer">' in path.read_text()
    assert "number of test phantoms" not in path.read_text()


def test_costs_are_told_in_words(make, results):
    """No field of a record stands on a page by its own name; a median has its quartiles beside it."""
    timings = {"latency_ms": 60.5, "latency_ms_q1": 47.7, "latency_ms_q3": 74.2, "peak_memory_mb": 1188.0}
    record = make("ct", "unet", timings=timings, recipe=Recipe(epochs=2))
    site = page.write(board(results), results / "leaderboard").parent
    text = re.sub(r"<.*?>", " ", (site / "runs" / f"{record.fingerprint}.html").read_text())
    assert re.search(r"one image alone\s+60.5 ms \(quartiles 47.7 and 74.2\)", text)
    assert re.search(r"most memory\s+1,188 MB", text)
    assert re.search(r"learning rate\s+0.004", text)
    assert not re.search(r"q1|q3| mb\b", text)


def test_a_component_named_by_a_record_opens_no_file(make, results, tmp_path):
    """A path, or a name with dots, is looked up nowhere: only the project's own words are shown."""
    (tmp_path / "mine.py").write_text('"""A private docstring."""')
    make(str(tmp_path / "mine.py"), "unet")
    make("..operators.ct", "unet")
    site = page.write(board(results), results / "leaderboard").parent
    assert not [p for p in _pages(site) if "private docstring" in p.read_text()]


def test_ranks_and_verdicts_are_in_the_page_without_javascript(site):
    """A problem's table is plain HTML with rank, interval and what the claims hold for."""
    (path,) = site.glob("problems/xor-ctr-on-photos-*.html")
    text = re.sub(r"\s+", " ", path.read_text())
    assert "<td>ceiling</td>" in text
    assert "[+∞, +∞]" in text
    assert "holds for these trained networks only" in text


def test_a_runs_page_has_the_command_that_makes_it_again(site, results_of_site):
    """The exact command and the error of a failed run are on its page."""
    for record in board(results_of_site).records:
        text = (site / "runs" / f"{record.fingerprint}.html").read_text()
        commands = re.findall(r"<code>(bench.*?|<span>bench.*?)</code>", text)
        assert html.unescape(re.sub("<.*?>", "", commands[0])) == record.spec.command()
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
    assert "<dt>influence share</dt><dd>0.25</dd>" in path.read_text()
    assert len(list(site.glob("images/*certificate.png"))) == 1


def test_all_forms_say_how_a_problem_was_simulated(make, results, tmp_path):
    """Noise that ``ct`` has by itself stands beside its name, though no chain says it."""
    for model in ("tv", "unet"):
        make("ct", model, data={"implied": ("finer grid", "noise 0.01")})
    whole = board(results)
    problem = "ct (finer grid, noise 0.01)"
    assert whole.rankings[0].group.title == f"{problem} on photos"
    texts = [export.text(whole, form) for form in ("markdown", "latex")]
    texts += [str(table.title) for table in terminal.tables(whole)]
    texts.append(compare.text(compare.duel(whole.rankings[0], *whole.rankings[0].group.entries)))
    folder = page.write(whole, tmp_path / "page").parent
    texts += [path.read_text() for path in (folder / "index.html", *(folder / "problems").iterdir())]
    assert len(texts) == 6
    assert all(problem in text for text in texts)
    assert find.only(whole, "ct").rankings == whole.rankings


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("Hauptmann & Adler, arXiv:2007.14745.", "https://arxiv.org/abs/2007.14745"),
        ("see doi:10.1109/83.661180, or not", "https://doi.org/10.1109/83.661180"),
        ("at https://zenodo.org/record/3384092.", "https://zenodo.org/record/3384092"),
    ],
)
def test_sources_in_a_docstring_are_links(text, address):
    """Where a formula or a dataset comes from can be followed; the full stop is not part of it."""
    assert f'<a href="{address}"' in linked(text)
    assert Links(linked(text)).addresses == [address]


def test_markup_around_a_link_stays_text():
    """A docstring is text: nothing in it but sources becomes markup."""
    assert "<script>" not in linked(f"{EVIL} https://a.org/{EVIL}")
    assert "<i>" not in soft("unet:<i>=1,2")


def test_names_break_between_their_parts():
    """A name too long for its place is not cut within a word."""
    assert soft("known_plaintext:width=8,<b>=3") == "known_<wbr>plaintext:<wbr>width=8,<wbr>&lt;b&gt;=3"
