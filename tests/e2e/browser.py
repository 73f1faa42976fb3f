"""A real browser for tests of the web page: the system's Chromium, headless, driven by Playwright.

Owns starting it, and what no page of ours may ever do: write an error to the console, raise, or break its content
security policy. Must not know any view.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # the library has no types
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
# A busy machine of two cores draws a page in a second or two.
PATIENCE_MS = 30_000
SERIOUS = ("serious", "critical")
Scheme = Literal["light", "dark"]

_WATCH_POLICY = """
addEventListener("securitypolicyviolation", (event) =>
  console.error(`CSP: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
"""

# What reaches beyond the window's right edge, where that makes the page scroll sideways.
_TOO_WIDE = """() => {
  const root = document.documentElement;
  if (root.scrollWidth <= root.clientWidth) return [];
  const beyond = [...document.querySelectorAll("body *")]
    .filter((element) => element.getBoundingClientRect().right > root.clientWidth + 0.5)
    .map((element) => element.outerHTML.slice(0, 160));
  return [`${root.scrollWidth} of ${root.clientWidth} px`, ...beyond.slice(0, 8)];
}"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser while the block runs. Without one the test is skipped, which is a failure in CI (tests/guards.py)."""
    executable = next((found for name in _NAMES if (found := shutil.which(name))), None)
    if executable is None:
        pytest.skip(f"none of {', '.join(_NAMES)} is installed; on Debian: apt-get install chromium")
    with sync_playwright() as playwright:
        # Containers give /dev/shm too little room for a page.
        browser = playwright.chromium.launch(executable_path=executable, args=["--disable-dev-shm-usage"])
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Visit:
    """One window of one user, and everything that went wrong in it."""

    page: Page
    wrong: list[str] = field(default_factory=list)
    expected: set[int] = field(default_factory=set)

    def expect(self, *statuses: int) -> None:
        """The test makes the server refuse on purpose: the browser's note about these statuses is no error."""
        self.expected.update(statuses)

    def clean(self) -> None:
        """Fails if anything went wrong so far."""
        assert not self.wrong, "the page did what no page may do:\n" + "\n".join(self.wrong)

    def accessible(self, what: str) -> None:
        """Fails if axe-core finds a serious or critical defect in what is shown now."""
        found = [v for v in Axe().run(self.page).response["violations"] if v["impact"] in SERIOUS]
        assert not found, f"{what}:\n" + "\n".join(_told(violation) for violation in found)

    def fits(self, what: str) -> None:
        """Fails if the page has to be scrolled sideways."""
        too_wide = self.page.evaluate(_TOO_WIDE)
        assert not too_wide, f"{what} is wider than the window:\n" + "\n".join(too_wide)

    def picture(self, name: str) -> None:
        """A screenshot, where HORARIUM_TEST_SCREENSHOTS names a folder for them."""
        if folder := os.environ.get("HORARIUM_TEST_SCREENSHOTS"):
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=Path(folder) / f"{name}.png")

    def _on_console(self, message: ConsoleMessage) -> None:
        refused = any(f"status of {status} " in message.text for status in self.expected)
        away = 0 in self.expected and "net::ERR_" in message.text
        if message.type == "error" and not refused and not away:
            self.wrong.append(f"console: {message.text} ({message.location.get('url', '')})")

    def _on_page_error(self, error: Error) -> None:
        self.wrong.append(f"uncaught: {error}")


@contextmanager
def visit(browser: Browser, url: str, *, scheme: Scheme = "light", width: int = 1280) -> Iterator[Visit]:
    """A fresh window (no cookies, no storage) that is checked when the block ends well."""
    context = browser.new_context(
        base_url=url,
        viewport={"width": width, "height": 800},
        color_scheme=scheme,
        reduced_motion="reduce",
        locale="en-GB",
        accept_downloads=True,
    )
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.add_init_script(_WATCH_POLICY)
    made = Visit(page)
    page.on("console", made._on_console)
    page.on("pageerror", made._on_page_error)
    try:
        yield made
        made.clean()
    finally:
        context.close()


def _told(violation: dict[str, Any]) -> str:
    places = "; ".join(str(node["html"])[:200] for node in violation["nodes"][:5])
    return f"{violation['impact']} {violation['id']}: {violation['help']}: {places}"
