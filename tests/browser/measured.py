"""What can be measured of a page that everybody is to be able to use: axe-core's rules, and a few rules of our own."""

from __future__ import annotations

from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
THEMES = ("light", "dark", "contrast")


MEASURES = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")


@cache
def axe() -> str:
    return (resources.files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")


def violations(page: Page) -> list[str]:
    """What axe-core finds, in the theme of now by all rules, and in the others by those about colours."""
    page.evaluate(axe())
    found = _found(page, {"type": "tag", "values": TAGS})
    before = page.evaluate("document.documentElement.dataset.theme ?? ''")
    for theme in THEMES:
        page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
        rules = ["color-contrast-enhanced"] if theme == "contrast" else ["color-contrast"]
        found += [f"{theme}: {each}" for each in _found(page, {"type": "rule", "values": rules})]
    page.evaluate("theme => { document.documentElement.dataset.theme = theme }", before)
    return found


def _found(page: Page, only: dict[str, Any]) -> list[str]:
    result = page.evaluate("only => axe.run({runOnly: only, resultTypes: ['violations']})", only)
    return [f"{rule['id']}: {node['html'][:200]}" for rule in result["violations"] for node in rule["nodes"]]


def too_wide(page: Page) -> list[str]:
    """What stands out of the page, which must be scrolled sideways then."""
    return _measured(page, "tooWide")


def too_small(page: Page) -> list[str]:
    """Controls of less than 24 px; links within a sentence have its size."""
    return _measured(page, "tooSmall")


def badly_focused(page: Page) -> list[str]:
    """What takes the focus and does not show it, or is hidden by what stands above it."""
    page.keyboard.press("Tab")  # from now on the focus is shown
    return _measured(page, "badlyFocused")


def fallen_apart(page: Page) -> list[str]:
    """Items of a text that are none, and what sticks out of its label."""
    return _measured(page, "fallenApart")


def cut_off(page: Page) -> list[str]:
    """What loses text when letters, words and lines stand as far apart as WCAG 1.4.12 says."""
    return _measured(page, "cutOff")


def _measured(page: Page, what: str) -> list[str]:
    page.evaluate(MEASURES)
    return list(page.evaluate(f"measured.{what}()"))
