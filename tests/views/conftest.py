from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_fapo.views.html.report_data import ReportData
from pytest_fapo.views.html.report_page import write_report

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium: the system's, else the one that playwright has installed.

    Closed with the file: until then playwright runs an event loop in this thread, where no other test could
    run one of its own.
    """
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as started:
        system = next(filter(None, map(shutil.which, _NAMES)), None)
        own = started.chromium.executable_path
        path = system or (own if Path(own).exists() else None)
        if path is None:
            pytest.skip("no Chromium here: apt-get install chromium, or playwright install chromium")
        running = started.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield running
        running.close()


class Opened:
    """A report in the browser."""

    def __init__(self, page: Any, path: Path) -> None:
        self.page = page
        self.path = path
        self.trouble: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda message: self.trouble.append(message.text))
        page.on("pageerror", lambda error: self.trouble.append(str(error)))
        page.on("dialog", self._dialog)
        page.on("request", lambda request: self.requests.append(request.url))

    def _dialog(self, dialog: Any) -> None:
        self.trouble.append("a dialog was opened")
        dialog.dismiss()

    def go(self, view: str = "") -> Opened:
        """Open a view by its address, as a link from elsewhere does."""
        self.page.goto("about:blank")
        self.page.goto(f"{self.path.as_uri()}{view}")
        self.until("document.documentElement.dataset.view")
        self.page.wait_for_selector("main > section:not([hidden]) h1")
        return self

    def until(self, condition: str) -> None:
        """Wait; the page's own policy does not let it evaluate the condition itself."""
        ends = time.monotonic() + 20
        while not self.page.evaluate(condition):
            if time.monotonic() > ends:
                pytest.fail(f"{condition} did not come true:\n{self.text()}")
            self.page.wait_for_timeout(20)

    def text(self) -> str:
        """Return the visible text of the view that is open."""
        return str(self.page.inner_text("main > section:not([hidden])"))


Open = Callable[..., Opened]


@pytest.fixture
def open_report(browser: Any, tmp_path: Path) -> Iterator[Open]:
    """Writes a report and opens it; at the end nothing may have gone wrong in the page."""
    opened: list[Opened] = []

    def opening(data: ReportData, view: str = "", **context: Any) -> Opened:
        path = tmp_path / "report.html"
        write_report(path, data)
        page = browser.new_context(**context).new_page()
        page.set_default_timeout(20_000)
        opened.append(Opened(page, path))
        return opened[-1].go(view)

    yield opening
    for each in opened:
        assert each.trouble == []
        assert [url for url in each.requests if not url.startswith(("file:", "about:"))] == []
        each.page.context.close()
