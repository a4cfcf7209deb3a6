"""The page in a real browser: opened from the disk, sorted, filtered, followed, downloaded.

Needs Chromium and its driver (Debian: ``apt-get install chromium chromium-driver``); skipped without.
"""

import json
from importlib.resources import files

import numpy as np
import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from bench.leaderboard import page
from bench.leaderboard.table import board
from bench.recipe import Recipe

pytestmark = pytest.mark.xdist_group("browser")
EVIL = "a & b <img src=x onerror=\"document.title='EVIL'\"><script>document.title='EVIL'</script>"


@pytest.fixture(scope="module")
def chromium(browser, tmp_path_factory):
    """Headless Chromium that saves downloads and logs its console and its requests."""
    folder = tmp_path_factory.mktemp("downloads")
    driver = browser(
        "--window-size=1300,1000",
        prefs={"download.default_directory": str(folder)},
        logs={"browser": "ALL", "performance": "ALL"},
    )
    driver.downloads = folder
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def home(making, tmp_path_factory):
    """The front page of a leaderboard with infinities, ties, noise, and a failure."""
    results = tmp_path_factory.mktemp("results")
    make = making(results)
    for operator in ("xor_ctr", "xor_ctr+noise:sigma=0.01"):
        make(operator, "mean", 12.0)
        make(operator, "unet", 18.0, recipe=Recipe(epochs=3))
        make(operator, "dncnn", 17.0, recipe=Recipe(epochs=3))
    make("xor_ctr", "inverse", np.full(40, np.inf))
    make("xor_ctr+noise:sigma=0.01", "inverse", np.full(40, -np.inf))
    make("ct", "tv", 20.0)
    make("ct", "broken", status="failed", error="RuntimeError: no")
    return page.write(board(results), results / "leaderboard")


@pytest.fixture
def opened(chromium, home):
    """That page in the browser; no message on the console and no request from elsewhere afterwards."""
    chromium.get_log("browser")
    chromium.get_log("performance")
    chromium.get("about:blank")
    chromium.get(home.as_uri())
    yield chromium
    _nothing_wrong(chromium, home.parent.as_uri())


def _nothing_wrong(browser, home):
    """No message on the console, no request that leaves the page's folder."""
    assert [entry["message"] for entry in browser.get_log("browser")] == []
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    urls = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    assert urls
    assert [url for url in urls if not url.startswith((home, "data:", "blob:"))] == []


def _column(browser, name):
    """The texts of a column of the table, from top to bottom."""
    script = """
        const index = window.runs.state.columns.indexOf(arguments[0]);
        return [...document.querySelectorAll("#table tbody tr")].map((row) => row.cells[index].innerText);
    """
    return [text.split("\n")[0] for text in browser.execute_script(script, name)]


def _head(browser, name):
    return browser.find_element(By.CSS_SELECTOR, f"#table button[data-column={name}]")


def _choose(browser, name, value):
    """Choose a value in a filter; empty: all."""
    Select(browser.find_element(By.NAME, name)).select_by_value(value)


def test_sorting_puts_infinities_at_the_ends_and_what_is_missing_last(opened):
    """By PSNR, by mouse and by keyboard: +inf, finite, -inf, and back; the failed run stays last."""
    _head(opened, "psnr").click()
    first = _column(opened, "psnr")
    assert first[0] == "+∞"
    assert first[-2:] == ["−∞", ""]
    finite = [float(text.removeprefix("★ ")) for text in first[1:-2]]
    assert finite == sorted(finite, reverse=True)
    _head(opened, "psnr").send_keys(Keys.ENTER)
    assert _column(opened, "psnr") == [*first[-2::-1], ""]
    assert _head(opened, "psnr").find_element(By.XPATH, "..").get_attribute("aria-sort") == "ascending"


def test_sorting_by_rank_leaves_floors_and_failures_last(opened):
    """Rank 1 comes first; what has no rank is no winner."""
    _head(opened, "rank").click()
    ranks = _column(opened, "rank")
    assert ranks[0].startswith("1")
    assert [bool(rank) for rank in ranks] == sorted((bool(rank) for rank in ranks), reverse=True)


def test_filters_narrow_the_table_and_one_another(opened):
    """What a filter offers is what the others leave; search works beside them."""
    assert len(_column(opened, "method")) == 10
    _choose(opened, "operator", "xor_ctr")
    assert sorted(_column(opened, "method")) == ["dncnn", "inverse", "mean", "unet"]
    methods = Select(opened.find_element(By.NAME, "method")).options
    assert [o.text for o in methods] == ["all", "dncnn (1)", "inverse (1)", "mean (1)", "unet (1)"]
    _choose(opened, "operator", "")
    _choose(opened, "status", "failed")
    assert _column(opened, "method") == ["broken"]
    _choose(opened, "status", "")
    opened.find_element(By.CSS_SELECTOR, "#filters input[type=search]").send_keys("DnCNN noise")
    assert _column(opened, "method") == ["dncnn"]
    assert opened.find_element(By.ID, "found").text == "1 of 10 runs"


def test_what_is_shown_stands_in_the_address(opened):
    """An address that was copied shows the same rows in the same order to somebody else."""
    _choose(opened, "operator", "xor_ctr")
    _head(opened, "ssim").click()
    shown, address = _column(opened, "method"), opened.current_url
    assert address.endswith("#operator=xor_ctr&sort=-ssim")
    opened.get("about:blank")
    opened.get(address)
    assert _column(opened, "method") == shown
    assert Select(opened.find_element(By.NAME, "operator")).first_selected_option.text == "xor_ctr (4)"


def test_columns_can_be_switched_on(opened):
    """A column that is hidden at first appears when it is chosen."""
    opened.find_element(By.CSS_SELECTOR, ".chooser summary").click()
    opened.find_element(By.NAME, "column-fingerprint").click()
    assert len(set(_column(opened, "fingerprint"))) == 10


@pytest.fixture
def hostile(make):
    """A run and a failed run of which every text is markup that would run."""
    texts = {
        "hardware": EVIL,
        "platform": EVIL,
        "python": EVIL,
        "invbench": EVIL,
        "time": EVIL,
        "commit": EVIL,
    }
    for status in ("ok", "failed"):
        record = make("xor_ctr", f"unet{status}", 17.0, status=status, error=EVIL, recipe=Recipe(epochs=2))
        path = record.folder / "record.json"
        content = json.loads(path.read_text())
        content["provenance"] |= texts | {"packages": {EVIL: EVIL}}
        content["data"] |= {
            "note": EVIL,
            "digest": EVIL,
            "picture_axes": [EVIL, EVIL],
            "certificate": {"summary": EVIL, EVIL: EVIL},
        }
        content["uses"], content["settings"] = [EVIL], {EVIL: {EVIL: [EVIL]}}
        for part in (content["spec"]["model"], content["spec"]["dataset"], content["spec"]["operator"][0]):
            part["name"], part["params"] = EVIL, {EVIL: EVIL}
        content["spec"] |= {"device": EVIL, "protocol": EVIL}
        if content["error"]:
            content["error"] |= {"kind": EVIL, "place": EVIL, "traceback": EVIL}
        path.write_text(json.dumps(content))


def test_texts_of_a_record_stay_texts(hostile, chromium, results):
    """Every text field of a record holds markup: shown, searched, sorted and chosen, nothing of it runs."""
    loaded = board(results)
    assert len(loaded.records) == 2
    assert not loaded.loaded.skipped
    site = page.write(loaded, results / "leaderboard")
    chromium.get_log("browser")
    for path in (site, *sorted(site.parent.glob("*/*.html"))):
        chromium.get(path.as_uri())
        assert "EVIL" not in chromium.title.replace(EVIL, "")
        assert not chromium.find_elements(By.CSS_SELECTOR, "img[src=x], script:not([src]):not([type])")
    chromium.get(site.as_uri())
    for box in chromium.find_elements(By.CSS_SELECTOR, ".chooser input"):
        chromium.execute_script("if (!arguments[0].checked) arguments[0].click()", box)
    for name in chromium.execute_script("return window.runs.state.columns"):
        chromium.execute_script("arguments[0].click()", _head(chromium, name))
    search = chromium.find_element(By.CSS_SELECTOR, "#filters input[type=search]")
    search.send_keys("a & b <img src=x onerror")
    assert len(_column(chromium, "method")) == 2
    for select in chromium.find_elements(By.CSS_SELECTOR, "#filters select"):
        Select(select).select_by_index(1)
    assert EVIL in _column(chromium, "hardware")
    assert not chromium.find_elements(By.CSS_SELECTOR, "#table img, #table script, #filters img")
    assert chromium.title.startswith("invbench leaderboard")
    assert [entry["message"] for entry in chromium.get_log("browser")] == []


def test_a_policy_stops_what_would_get_through(opened):
    """Markup that reached the page all the same would not run: neither handlers nor scripts."""
    opened.execute_script(
        "document.getElementById('main').insertAdjacentHTML('beforeend', arguments[0]);", EVIL
    )
    WebDriverWait(opened, 10).until(
        lambda b: any("Content Security" in e["message"] for e in b.get_log("browser"))
    )
    assert "EVIL" not in opened.title
    opened.get_log("browser")
    opened.get_log("performance")
    opened.refresh()


def test_a_run_opens_with_its_pictures_and_its_curves(opened):
    """From the table to the run's page: samples are there, loss and validation curves are drawn."""
    _choose(opened, "method", "unet")
    opened.follow(opened.find_element(By.CSS_SELECTOR, "#table tbody th > a"))
    titles = [caption.text for caption in opened.find_elements(By.TAG_NAME, "figcaption")]
    assert titles == ["Validation PSNR (dB)", "Training loss"]
    assert len(opened.find_elements(By.CSS_SELECTOR, ".chart path.curve")) == 2
    images = opened.find_elements(By.CSS_SELECTOR, "section > .scroll > .gallery img")
    assert len(images) == 3 * 8
    WebDriverWait(opened, 10).until(lambda b: b.execute_script("return arguments[0].complete", images[0]))
    assert opened.execute_script("return arguments[0].naturalWidth", images[0]) == 16
    assert "bench run --operator" in opened.find_element(By.CSS_SELECTOR, "pre.copied").text


def test_two_methods_are_compared_with_the_pairs_verdict(opened):
    """The two best models first; the sentence is the board's verdict, the slider shows the images."""
    opened.follow(opened.find_element(By.LINK_TEXT, "xor_ctr"))
    told = opened.find_element(By.CSS_SELECTOR, "#compare output")
    assert told.text.startswith("unet is shown better than dncnn: +1.00 ±")
    choices = [Select(opened.find_element(By.NAME, name)) for name in ("first", "second")]
    choices[0].select_by_visible_text("dncnn")
    choices[1].select_by_visible_text("unet")
    assert told.text.startswith("dncnn is shown worse than unet: −1.00 ±")
    shown = [image.get_attribute("alt") for image in opened.find_elements(By.CSS_SELECTOR, ".over img")]
    assert shown == ["dncnn, test image 3", "unet, test image 3"]
    choices[1].select_by_visible_text("inverse")
    assert (
        told.text == "dncnn against inverse, not tested: −∞ dB; better on 0 % of the images, worse on 100 %."
    )
    opened.get("about:blank#")
    opened.back()
    assert opened.current_url.endswith("#first=dncnn&second=inverse")
    assert opened.find_element(By.CSS_SELECTOR, "#compare output").text.startswith("dncnn against inverse")


def test_two_trainings_of_a_method_are_compared(chromium, make, results):
    """Seeds can be chosen, and shared: their own scores and images, and no verdict on methods."""
    for seed, psnr in enumerate((18.0, 19.0, 20.0)):
        make("xor_ctr", "unet", psnr, seed=seed, recipe=Recipe(epochs=3))
    make("xor_ctr", "tv", 12.0)
    page.write(board(results), results / "leaderboard")
    (path,) = (results / "leaderboard" / "problems").glob("*.html")
    chromium.get(f"{path.as_uri()}#first=unet&second=unet&second_seed=2&image=12")
    assert chromium.find_element(By.CSS_SELECTOR, "#compare output").text.startswith("Two trainings of unet")
    told = chromium.find_element(By.ID, "trainings").text
    assert told == "What is shown: unet, seed 0: 18.00 dB; unet, seed 2: 20.00 dB."
    sources = [i.get_attribute("src") for i in chromium.find_elements(By.CSS_SELECTOR, ".over img")]
    assert len(set(sources)) == 2
    assert Select(chromium.find_element(By.NAME, "image")).first_selected_option.text == "12"
    Select(chromium.find_element(By.NAME, "second")).select_by_visible_text("tv")
    assert chromium.find_element(By.CSS_SELECTOR, "#compare output").text.startswith(
        "unet is shown better than tv"
    )
    assert chromium.current_url.endswith("#first=unet&second=tv&image=12")
    chromium.get_log("browser")
    chromium.get_log("performance")


def _regions(browser):
    """What part of its window each enlarged image fills: left, top, width, in units of the window's width."""
    script = """
        return [...document.querySelectorAll(".boxes figure:not(.fixed) > div")].map((frame) => {
            const [outer, inner] = [frame, frame.firstChild].map((box) => box.getBoundingClientRect());
            return [inner.left - outer.left, inner.top - outer.top, inner.width].map((v) => v / outer.width);
        });
    """
    return [tuple(round(value, 2) for value in region) for region in browser.execute_script(script)]


def test_an_image_is_enlarged_in_all_rows_alike(opened):
    """A click enlarges around its place, keys and drags move: every row shows the same region, crisp."""
    opened.follow(opened.find_element(By.LINK_TEXT, "xor_ctr"))
    opened.find_elements(By.CSS_SELECTOR, ".gallery tbody img")[2].click()
    assert opened.find_element(By.CSS_SELECTOR, ".lens h2").text == "Picture 3 of 8"
    names = [
        caption.text.split("\n")[0] for caption in opened.find_elements(By.CSS_SELECTOR, ".boxes figcaption")
    ]
    assert [name.split()[0] for name in names] == ["measurement", "inverse", "unet", "dncnn", "mean", "truth"]
    assert set(_regions(opened)) == {(0.0, 0.0, 1.0)}
    frame = opened.find_elements(By.CSS_SELECTOR, ".boxes figure > div")[1]
    quarter = frame.size["width"] // 4
    ActionChains(opened).move_to_element_with_offset(frame, quarter, 0).click().perform()
    assert set(_regions(opened)) == {(-0.75, -0.5, 2.0)}
    ActionChains(opened).send_keys(Keys.ARROW_UP).send_keys(Keys.ARROW_UP).send_keys(Keys.ARROW_UP).perform()
    assert set(_regions(opened)) == {(-0.75, 0.0, 2.0)}
    ActionChains(opened).drag_and_drop_by_offset(frame, 2 * quarter, 0).perform()
    assert set(_regions(opened)) == {(-0.25, 0.0, 2.0)}
    image = frame.find_element(By.TAG_NAME, "img")
    assert image.value_of_css_property("image-rendering") == "pixelated"
    ActionChains(opened).send_keys("0").send_keys(Keys.PAGE_DOWN).perform()
    assert set(_regions(opened)) == {(0.0, 0.0, 1.0)}
    assert opened.find_element(By.CSS_SELECTOR, ".lens h2").text == "Picture 4 of 8"
    ActionChains(opened).send_keys(Keys.ESCAPE).perform()
    assert not opened.find_element(By.CSS_SELECTOR, ".lens").is_displayed()


def test_two_fingers_enlarge(opened):
    """On a touch screen two fingers that part enlarge what is between them, in all rows."""
    opened.follow(opened.find_element(By.LINK_TEXT, "xor_ctr"))
    button = opened.find_element(By.CSS_SELECTOR, ".gallery tfoot button")
    button.send_keys(Keys.ENTER)
    frame = opened.find_elements(By.CSS_SELECTOR, ".boxes figure > div")[1]
    box = opened.execute_script("return arguments[0].getBoundingClientRect().toJSON()", frame)
    x, y, width = box["x"] + box["width"] / 2, box["y"] + box["width"] / 2, box["width"]
    for kind, gap in (("touchStart", 0.1), ("touchMove", 0.15), ("touchMove", 0.2), ("touchEnd", None)):
        fingers = [{"x": x + side * gap * width, "y": y} for side in (-1, 1)] if gap else []
        opened.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})
    (region,) = set(_regions(opened))
    assert region == pytest.approx((-0.5, -0.5, 2.0), abs=0.02)


def test_a_problem_opens_with_all_its_charts(opened):
    """Quality, speed, distributions and training curves are drawn, each method with its mark."""
    opened.follow(opened.find_element(By.LINK_TEXT, "xor_ctr"))
    titles = [caption.text for caption in opened.find_elements(By.TAG_NAME, "figcaption")]
    assert titles[0] == "PSNR, with 95 % interval"
    assert titles[1].startswith("PSNR against speed: Test CPU")
    assert titles[2:] == ["PSNR image by image", "Validation PSNR (dB)", "Training loss"]
    assert len(opened.find_elements(By.CSS_SELECTOR, ".chart:first-child path.mark")) == 4


def test_a_download_is_the_table(opened):
    """The CSV that a reader saves is the one that was written."""
    opened.find_element(By.LINK_TEXT, "CSV").click()
    target = opened.downloads / "leaderboard.csv"
    WebDriverWait(opened, 10).until(lambda _: target.is_file())
    assert target.read_text().startswith("operator,dataset,rank,rank_best,rank_worst,method")


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_hangs_over_the_edge(opened, width):
    """On a phone and on a desk the page itself does not scroll sideways; wide tables do, inside."""
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    opened.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        for link in ("", ".card h3 a", ".ranks tbody a"):
            if link:
                opened.get(opened.find_element(By.CSS_SELECTOR, link).get_attribute("href"))
            assert opened.execute_script("return document.documentElement.scrollWidth") <= width
    finally:
        opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_the_score_is_seen_on_a_phone(opened):
    """At 390 pixels a row of the table shows its score without scrolling sideways."""
    metrics = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    opened.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        ends = """
            const cells = document.querySelectorAll("#table tr :nth-child(3)");
            return [...cells].map((cell) => cell.getBoundingClientRect().right);
        """
        assert _head(opened, "psnr").text == "PSNR (dB)"
        assert max(opened.execute_script(ends)) <= 390
    finally:
        opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(opened, scheme):
    """No known barrier (axe-core): contrast, names of controls, order of headings, on every kind of page."""
    axe = (files("axe_core_python") / "axe.min.js").read_text()
    feature = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", feature)
    try:
        for link in ("", ".card h3 a", ".ranks tbody a"):
            if link:
                opened.get(opened.find_element(By.CSS_SELECTOR, link).get_attribute("href"))
            opened.execute_script(axe)
            for button in opened.find_elements(By.CSS_SELECTOR, ".gallery tfoot button")[:1]:
                button.click()
            found = opened.execute_async_script("axe.run({ preload: false }).then(arguments[0])")[
                "violations"
            ]
            assert [(v["id"], v["nodes"][0]["html"][:200]) for v in found] == []
    finally:
        opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_dark_mode_is_dark(opened):
    """Readers who asked their system for dark get light text on a dark ground."""
    feature = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", feature)
    try:
        opened.refresh()
        script = "const s = getComputedStyle(document.body); return [s.color, s.backgroundColor]"
        text, ground = (
            sum(map(int, colour.strip("rgb()").split(","))) for colour in opened.execute_script(script)
        )
        assert ground < 150
        assert text > 500
    finally:
        opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
