"""The page in a real browser: opened from the disk, sorted, filtered, followed, downloaded.

Needs Chromium and its driver (Debian: ``apt-get install chromium chromium-driver``); skipped without.
"""

import json
import shutil

import numpy as np
import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from bench.leaderboard import page
from bench.leaderboard.table import board
from bench.recipe import Recipe

pytestmark = [
    pytest.mark.skipif(
        not (shutil.which("chromium") and shutil.which("chromedriver")),
        reason="no Chromium with its driver here (apt-get install chromium chromium-driver)",
    ),
    pytest.mark.xdist_group("browser"),
]
EVIL = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    """Headless Chromium that saves downloads and logs its console and its requests."""
    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1300,1000"):
        options.add_argument(argument)
    folder = tmp_path_factory.mktemp("downloads")
    options.add_experimental_option("prefs", {"download.default_directory": str(folder)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    driver.downloads = folder
    yield driver
    driver.quit()


@pytest.fixture
def opened(chromium, make, results):
    """The front page of a leaderboard with infinities, ties, noise, a failure and a hostile name."""
    for operator in ("xor_ctr", "xor_ctr+noise:sigma=0.01"):
        make(operator, "mean", 12.0)
        make(operator, "unet", 18.0, recipe=Recipe(epochs=3))
        make(operator, "dncnn", 17.0, recipe=Recipe(epochs=3))
    make("xor_ctr", "inverse", np.full(40, np.inf))
    make("xor_ctr+noise:sigma=0.01", "inverse", np.full(40, -np.inf))
    make("ct", EVIL, 20.0, provenance={"hardware": EVIL})
    make("ct", "broken", status="failed", error=f"RuntimeError: {EVIL}")
    site = page.write(board(results), results / "leaderboard")
    chromium.get_log("browser")
    chromium.get_log("performance")
    chromium.get(site.as_uri())
    yield chromium
    _nothing_wrong(chromium, site.parent.as_uri())


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
        const index = window.table.column(arguments[0] + ":name").index("visible");
        return [...document.querySelectorAll("#table tbody tr")].map((row) => row.cells[index].innerText);
    """
    return browser.execute_script(script, name)


def _head(browser, name):
    return browser.execute_script("return window.table.column(arguments[0] + ':name').header()", name)


def test_sorting_puts_infinities_at_the_ends(opened):
    """By PSNR: missing, -inf, finite, +inf, and back; by mouse and by keyboard."""
    head = _head(opened, "psnr")
    head.click()
    WebDriverWait(opened, 10).until(lambda b: _column(b, "psnr")[0] == "")
    first = _column(opened, "psnr")
    assert first[:2] == ["", "−∞"]
    assert first[-1] == "+∞"
    finite = [float(text.removeprefix("★ ")) for text in first[2:-1]]
    assert finite == sorted(finite)
    head.find_element(By.CSS_SELECTOR, "[tabindex='0']").send_keys(Keys.ENTER)
    WebDriverWait(opened, 10).until(lambda b: _column(b, "psnr")[0] == "+∞")
    assert _column(opened, "psnr") == first[::-1]


def test_filters_and_search_narrow_the_table(opened):
    """Operator, noise and status filters, and the search box, leave the rows that fit."""
    assert len(_column(opened, "method")) == 10
    Select(opened.find_element(By.NAME, "operator")).select_by_visible_text("xor_ctr")
    assert set(_column(opened, "operator")) == {"xor_ctr"}
    Select(opened.find_element(By.NAME, "operator")).select_by_visible_text("all")
    Select(opened.find_element(By.NAME, "noise")).select_by_visible_text("with noise")
    assert set(_column(opened, "operator")) == {"xor_ctr+noise:sigma=0.01"}
    Select(opened.find_element(By.NAME, "noise")).select_by_visible_text("all")
    Select(opened.find_element(By.NAME, "status")).select_by_visible_text("failed")
    assert _column(opened, "method") == ["broken"]
    Select(opened.find_element(By.NAME, "status")).select_by_visible_text("all")
    opened.find_element(By.CSS_SELECTOR, ".dt-search input").send_keys("dncnn")
    assert set(_column(opened, "method")) == {"dncnn"}


def test_columns_can_be_switched_on(opened):
    """A column that is hidden at first appears when it is chosen."""
    hidden = "return window.table.column('fingerprint:name').visible()"
    assert not opened.execute_script(hidden)
    opened.find_element(By.CSS_SELECTOR, ".dt-buttons button").click()
    choices = opened.find_elements(By.CSS_SELECTOR, ".dt-button-collection button")
    next(choice for choice in choices if choice.text == "fingerprint").click()
    assert opened.execute_script(hidden)


def test_names_from_plugins_are_text(opened):
    """A model called like an image tag is shown with its brackets; nothing of it becomes an element."""
    assert EVIL in _column(opened, "method")
    assert opened.find_elements(By.CSS_SELECTOR, "img[src=x]") == []


def test_a_run_opens_with_its_pictures_and_its_chart(opened):
    """From the table to the run's page: samples are drawn, the training curve is drawn."""
    Select(opened.find_element(By.NAME, "model")).select_by_visible_text("unet")
    opened.find_elements(By.CSS_SELECTOR, "#table td a[href^='runs/']")[0].click()
    WebDriverWait(opened, 10).until(
        lambda b: b.find_elements(By.CSS_SELECTOR, "#chart1 .scatterlayer path.js-line")
    )
    images = opened.find_elements(By.CSS_SELECTOR, ".gallery img")
    assert len(images) == 3 * 8
    assert opened.execute_script("return arguments[0].complete && arguments[0].naturalWidth", images[0]) == 16
    assert "bench run --operator" in opened.find_element(By.TAG_NAME, "pre").text


def test_a_problem_opens_with_all_its_charts(opened):
    """Quality, speed, distributions and training curves are drawn in the reader's browser."""
    opened.find_element(By.LINK_TEXT, "xor_ctr").click()
    WebDriverWait(opened, 10).until(
        lambda b: len(b.find_elements(By.CSS_SELECTOR, ".plot svg.main-svg")) >= 4
    )
    titles = [caption.text for caption in opened.find_elements(By.TAG_NAME, "figcaption")]
    assert titles[0] == "Quality, with floor and ceiling"
    assert "Training curves" in titles


def test_a_download_is_the_table(opened):
    """The CSV that a reader saves is the one that was written."""
    opened.find_element(By.LINK_TEXT, "CSV").click()
    target = opened.downloads / "leaderboard.csv"
    WebDriverWait(opened, 10).until(lambda _: target.is_file())
    assert target.read_text().startswith("operator,dataset,rank,rank_best,rank_worst,method")


@pytest.mark.parametrize("width", [360, 1300])
def test_nothing_hangs_over_the_edge(opened, width):
    """On a phone and on a desk the page itself does not scroll sideways; wide tables do, inside."""
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    opened.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        for link in ("index", "problem"):
            if link == "problem":
                opened.get(opened.find_element(By.CSS_SELECTOR, ".card h3 a").get_attribute("href"))
            assert opened.execute_script("return document.documentElement.scrollWidth") <= width
    finally:
        opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


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
