"""A real Chromium on a real server with the built page; screenshots of every step are kept for people to look at."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.serving import REPOSITORY, ServerProcess, serve

SCREENSHOTS = Path(__file__).parent / "screenshots"
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip

# What Playwright says when Chromium or the connection to it broke, which no line of ours decides.
BROKEN_BROWSER = ["Protocol error", "Target crashed", "browser has been closed"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let a test begin anew, once, where the browser broke under it; a check that fails stays a failure."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.flaky(reruns=1, only_rerun=BROKEN_BROWSER))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The system's Chromium; `make test` installs it where it is missing."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        pytest.fail("no Chromium on this machine; `make test` installs it, or run `apt-get install chromium`")
    with sync_playwright() as playwright:
        playwright.selectors.set_test_id_attribute("data-test")
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def built_page() -> None:
    if not (REPOSITORY / "front_end" / "dist" / "index.html").is_file():
        pytest.fail("the page is not built; run `make page`")


@pytest.fixture(scope="module")
def server(built_page: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server without the question, which the walk covers."""
    with serve(tmp_path_factory.mktemp("server"), human_check=False) as running:
        yield running


@pytest.fixture(scope="module")
def asking_server(built_page: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with serve(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page whose uncaught errors are collected in `faults`."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-US", accept_downloads=True)
    page = context.new_page()
    page.faults = []
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    yield page
    context.close()


@pytest.fixture(scope="session")
def screenshots() -> Path:
    SCREENSHOTS.mkdir(exist_ok=True)
    return SCREENSHOTS
