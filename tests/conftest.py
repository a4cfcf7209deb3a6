"""What tests in several rooms need."""

import resource
import shutil
import signal
import sys

import pytest

from bench import cli

#: A dataset so small that a whole run takes a second.
TINY = "photos:size=16,train=40,test=12"


def pytest_configure():
    """Have Ctrl-C mean something: what a shell runs in the background is told to ignore it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def tiny() -> str:
    """Text form of a dataset for whole runs in tests."""
    return TINY


@pytest.fixture
def plugin(tmp_path):
    """Write a plug-in file and return its path as text."""

    def write(name: str, text: str) -> str:
        path = tmp_path / f"{name}.py"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


#: Whether a page has loaded and its scripts have run: on a busy machine the driver's ``get`` can end before.
LOADED = """
    const here = location.href.split("#")[0], asked = new URL(arguments[0]).href.split("#")[0];
    return here === asked && document.readyState === "complete";
"""


@pytest.fixture(scope="session")
def browser():
    """Starts a headless Chromium with more arguments, preferences and logs; skipped where there is none."""
    webdriver = pytest.importorskip("selenium.webdriver")
    wait = pytest.importorskip("selenium.webdriver.support.ui").WebDriverWait
    driver = shutil.which("chromedriver")
    if not (shutil.which("chromium") and driver):
        pytest.skip("no Chromium with its driver on this machine (apt-get install chromium chromium-driver)")

    class Chromium(webdriver.Chrome):
        def get(self, url):
            """Open a page, until it has loaded."""
            super().get(url)
            self.loaded(url)

        def follow(self, link):
            """Click a link, until the page that it leads to has loaded."""
            url = link.get_attribute("href")
            link.click()
            self.loaded(url)

        def loaded(self, url):
            wait(self, 60).until(lambda _: self.execute_script(LOADED, url))

    def start(*arguments, prefs=None, logs=None):
        options = webdriver.ChromeOptions()
        for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", *arguments):
            options.add_argument(argument)
        options.add_experimental_option("prefs", prefs or {})
        options.set_capability("goog:loggingPrefs", logs or {})
        return Chromium(options, webdriver.ChromeService(driver))

    return start


#: What a hostile call may take at most.
SECONDS, GIGABYTE = 120, 1e9


@pytest.fixture
def attack(tmp_path, monkeypatch, capsys):
    """Run the command in a folder of its own: exit code and all that it said; the rest is asserted here."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.chdir(home)
    monkeypatch.setenv("COLUMNS", "200")

    def call(words):
        monkeypatch.setattr(sys, "argv", ["bench", *words])
        before, code = _peak(), 0
        signal.signal(signal.SIGALRM, _too_long)
        signal.alarm(SECONDS)
        try:
            cli.main()
        except SystemExit as end:
            code = end.code or 0
        finally:
            signal.alarm(0)
        told = capsys.readouterr()
        said = " ".join((told.out + told.err).split())
        assert "Traceback" not in said, words
        assert code in (0, 1, 2), (words, code)
        assert _peak() - before < GIGABYTE, words
        assert [path.name for path in tmp_path.iterdir()] == ["home"], words
        return code, said

    return call


def _peak():
    """Most memory that this process has held, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _too_long(*_):
    raise TimeoutError(f"the command took more than {SECONDS} s")


def pytest_terminal_summary(terminalreporter):
    """The tables of deepinv's names: passed, refused with the reason, or untested; from all workers."""
    tables, untested = {}, []
    for outcome, reports in terminalreporter.stats.items():
        for report in reports:
            place = getattr(report, "nodeid", "")
            found = dict(getattr(report, "user_properties", ())).get("table")
            if "::test_the_table[" not in place or getattr(report, "when", "call") == "teardown":
                continue
            if found and outcome == "passed":
                version, kind, name, line = found
                tables.setdefault(f"{kind} of deepinv {version}", {})[name] = line
            elif outcome in ("failed", "error", "skipped"):
                untested.append(f"{place}: {outcome}")
    for title, lines in sorted(tables.items()):
        refused = sum(line.startswith("refused") for line in lines.values())
        terminalreporter.section(f"{title}: {len(lines) - refused} passed, {refused} refused")
        for name, line in sorted(lines.items()):
            terminalreporter.write_line(f"{name}: {line}")
    if tables:
        terminalreporter.write_line(f"untested: {len(untested)}")
        for line in untested:
            terminalreporter.write_line(line)
