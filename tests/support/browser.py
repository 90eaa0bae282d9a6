"""A headless Chromium that notes whatever a page should not do."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, Dialog, Page, Response, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE = 30_000  # ms for a condition: the machine may be loaded


def find_chromium() -> str | None:
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@contextmanager
def running_browser() -> Iterator[Browser]:
    """Run a Chromium for the time of a ``with`` block. Its objects belong to this thread."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_chromium(), args=list(FLAGS), timeout=60_000
        )
        try:
            yield browser
        finally:
            browser.close()


class Tab:
    """A page of the dashboard at *address*; *complaints* is what went wrong in it."""

    def __init__(self, browser: Browser, address: str, **how: Any) -> None:
        width = how.pop("width", 1280)
        self.context = browser.new_context(viewport={"width": width, "height": 900}, **how)
        self.context.set_default_timeout(PATIENCE)
        self.address = address
        self.complaints: list[str] = []
        self.expected: set[int] = set()  # codes of HTTP that are no reason to complain
        self.page: Page = self.context.new_page()
        self.page.on("console", lambda message: self._console(message.type, message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(f"script: {error}"))
        self.page.on("dialog", self._dialog)
        self.page.on("request", lambda request: self._origin(request.url))
        self.page.on("response", self._response)

    def open(self, path: str) -> Page:
        """Go to a path of the dashboard; return when all of it is there."""
        self.page.goto(self.address + path, wait_until="load")
        return self.page

    def is_too_wide(self) -> bool:
        """Tell whether the page as a whole can be scrolled sideways."""
        root = "document.documentElement"
        return bool(self.page.evaluate(f"{root}.scrollWidth > {root}.clientWidth"))

    def tables_too_wide(self) -> int:
        """Return how many tables a reader would have to scroll sideways."""
        tables = (
            "[...document.querySelectorAll('.scroll')].filter((s) => s.querySelector('table'))"
        )
        wide = f"{tables}.filter((s) => s.scrollWidth > s.clientWidth + 1).length"
        return int(self.page.evaluate(wide))

    def accessibility(self) -> list[str]:
        """Return what breaks a rule of axe, in a line each."""
        found = Axe().run(self.page).response["violations"]
        return [
            f"{rule['id']}: {node['target']} {node.get('failureSummary', '')}"
            for rule in found
            for node in rule["nodes"]
        ]

    def close(self) -> None:
        self.context.close()

    def _console(self, kind: str, text: str) -> None:
        answered = any(f"status of {code}" in text for code in self.expected)
        if kind in ("error", "warning") and not answered:
            self.complaints.append(f"console: {text}")

    def _dialog(self, dialog: Dialog) -> None:
        self.complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _origin(self, url: str) -> None:
        if urlsplit(url).scheme != "data" and not url.startswith(f"{self.address}/"):
            self.complaints.append(f"request to {url}")

    def _response(self, response: Response) -> None:
        if response.status >= 400 and response.status not in self.expected:
            self.complaints.append(f"{response.status} for {response.url}")
