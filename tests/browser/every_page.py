"""Every page of the product, found by the app's own map of addresses, with something on each of them.

A route that is new and has ids in its address needs them in `Pages.parts`; all else is found by itself.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import own_app
from chat_page import running
from people import ALICE
from playwright.sync_api import Browser, BrowserContext, FilePayload, Page
from scripted_ollama import ScriptedOllama
from test_browser_people import makes_first_account

from insight_app.config import Settings

EVERYTHING = """# Reading a table

Some *text* with `code`, a [link](https://example.org/) and $e^{i\\pi} + 1 = 0$ in the middle of a line that goes on.

1. one
2. two
   - nested

- [x] ticked
- [ ] not

| what | how many | why it is there at all, in a column that has more to say than the others | when |
|---|--:|---|---|
| letters | 12 | they are short | today |
| parcels | 1,234 | Donaudampfschifffahrtsgesellschaft | tomorrow |

```python
def answer(question: str) -> str:
    return "a line that is much longer than any screen is wide, so that it must scroll in its own box and nowhere else"
```

$$\\int_0^\\infty e^{-x^2}\\,dx = \\frac{\\sqrt{\\pi}}{2} = \\sum_{n=0}^{\\infty} \\frac{a_n + b_n + c_n}{n!} + f(x)$$

> quoted

The end.
"""
PROMPT = "What is here? A_word_that_is_longer_than_the_bubble_it_stands_in_and_must_be_broken_somewhere."


@dataclass
class Pages:
    """A server with an admin who has something of everything, signed in `context`."""

    url: str
    context: BrowserContext  # of the admin
    outside: BrowserContext  # of who is not signed in
    parts: dict[str, str]

    def addresses(self) -> list[str]:
        """Those of all whole pages, as the app's map has them, some with more to show, and one that is not there."""
        preset, found, nothing = f"/?preset={self.parts['preset_id']}", "/search?q=table", "/search?q=zeugma"
        return [each for each in (*self._all, preset, found, nothing, "/nowhere") if self._is_page(self.context, each)]

    def addresses_outside(self) -> list[str]:
        """Those of whole pages that are for everybody."""
        return [each for each in self._all if self._is_page(self.outside, each)]

    @cached_property
    def _all(self) -> list[str]:
        return all_addresses(self.parts)

    def _is_page(self, context: BrowserContext, address: str) -> bool:
        response = context.request.get(self.url + address, max_redirects=0)
        if 300 <= response.status < 400:
            return False
        is_html = response.headers.get("content-type", "").startswith("text/html")
        return is_html and response.text().lstrip().startswith("<!doctype html>\n")


def all_addresses(parts: dict[str, str]) -> list[str]:
    """What can be got with GET, those for programs left out, and those that send for ever."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(secret_key="only for these tests", data_dir=Path(folder), auth_mode="accounts")
        with own_app.running(settings) as app:
            rules = [rule for rule in app.url_map.iter_rules() if "GET" in (rule.methods or ())]
    left_out = ("/v1/", "/api/", "/health/stream", "/assets/", "/metrics")
    names = [rule.rule for rule in rules if not rule.rule.startswith(left_out) and not rule.rule.endswith("/stream")]
    lacking = {name for each in names for name in re.findall(r"<(?:\w+:)?(\w+)>", each)} - set(parts)
    assert not lacking, f"a page has ids in its address that every_page.py does not know: {lacking}"
    return [re.sub(r"<(?:\w+:)?(\w+)>", lambda found: parts[found[1]], name) for name in names]


@contextmanager
def all_pages(browser: Browser, ollama: ScriptedOllama, folder: Path) -> Iterator[Pages]:
    with running(folder, OLLAMA_BASE_URL=ollama.url, AUTH_MODE="accounts") as url:
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        context.set_default_timeout(15_000)
        page = context.new_page()
        makes_first_account(page, url, folder, ALICE)
        outside = browser.new_context(viewport={"width": 1440, "height": 900})
        parts = _with_something_of_everything(page, url, ollama)
        page.close()
        yield Pages(url, context, outside, parts)
        outside.close()
        context.close()


def _with_something_of_everything(page: Page, url: str, ollama: ScriptedOllama) -> dict[str, str]:
    for title in ("Put away", "Thrown away"):
        _ask(page, title)
        page.locator(".conversations [aria-current] + .edit").click()
        if title == "Put away":
            page.get_by_role("button", name="Archive", exact=True).click()
        else:
            page.locator("summary", has_text="Delete").click()
            page.get_by_role("button", name="Delete it").click()
        page.goto(url)
    page.set_input_files("#attach", FilePayload(name="plan.txt", mimeType="text/plain", buffer=b"The plan."))
    attachment = page.locator("#files [data-id]").get_attribute("data-id")
    ollama.script(EVERYTHING)
    _ask(page, PROMPT)
    answer = str(page.locator('article[data-role="assistant"]').get_attribute("id")).removeprefix("a")
    prompt = str(page.locator('article[data-role="user"]').get_attribute("id")).removeprefix("a")
    parts = {"conversation_id": page.url.rpartition("/")[2], "answer_id": answer, "prompt_id": prompt}
    parts |= {"attachment_id": str(attachment), **_kept(page, url)}
    page.goto(f"{url}/settings/moderation/rules/new")
    page.get_by_label("Name", exact=True).fill("A project’s name")
    page.get_by_label("Kind", exact=True).select_option("phrase")
    page.get_by_label("Text", exact=True).fill("Blue Heron")
    page.get_by_label("Action", exact=True).select_option("refuse")
    page.get_by_role("button", name="Save").click()
    page.locator(".rules > li").first.wait_for()
    parts["id"] = re.findall(r"/rules/(rule-[^/\"]+)", page.content())[0]
    page.goto(f"{url}/settings/people")
    parts["account_id"] = re.findall(r"/settings/people/(\w+)\"", page.content())[0]
    page.get_by_label("E-mail").fill("dora@example.org")
    page.get_by_label("E-mail").press("Enter")
    parts["secret"] = page.locator("#new-link code").inner_text().rpartition("/")[2]
    return {**parts, "name": "strict"}


def _ask(page: Page, text: str) -> None:
    page.get_by_role("textbox", name="Message").fill(text)
    page.keyboard.press("Enter")
    page.locator('article[data-role="assistant"][data-state="done"]').wait_for()


def _kept(page: Page, url: str) -> dict[str, str]:
    """A preset and a saved prompt, with their ids."""
    for path, name, label, text in (
        ("new", "Talk like a pirate", "Instructions", "You are a pirate of the old days."),
        ("prompts/new", "Summarise", "Prompt", "Summarise in {{language=English}}:\n\n{{text}}"),
    ):
        page.goto(f"{url}/settings/presets/{path}")
        page.get_by_label("Name", exact=True).fill(name)
        page.get_by_label(label, exact=True).fill(text)
        page.get_by_role("button", name="Save", exact=True).click()
        page.get_by_text("Saved.").wait_for()
    links = page.get_by_role("link", name=re.compile("^Change (Talk|Summarise)"))
    found = links.evaluate_all("all => all.map((one) => one.href)")
    preset, saved = (str(each).rstrip("/").rpartition("/")[2] for each in found)
    return {"preset_id": preset, "saved_id": saved}
