"""What a long conversation costs the browser: its page opened, scrolled up to its beginning, and an answer at its end.

    python benchmarks/long_conversation.py

A real database is filled with 300 messages of 500 words; a real Chromium (Debian's package) opens them through the
real server. Streaming is measured in an empty conversation, in the page as it opens, and with everything in it.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

from page import CHROMIUM, FLAGS, LOOK_SECONDS, WARM_SECONDS, MainThread
from playwright.sync_api import Browser, CDPSession, Page, sync_playwright
from processes import ROOT, paced_source, product, share_bytes
from progress import TYPICAL

sys.path.insert(0, str(ROOT))

from insight_app.chat.messages import Figures, Outcome, State
from insight_app.chat.store import ConversationStore
from insight_app.storage.database import Database, sqlite_url

LAST_STATE = """() => document.querySelector("#messages > :last-child")?.dataset.state"""
MESSAGES = """() => document.querySelectorAll("#messages > article").length"""
TIMES = """() => {
  const page = performance.getEntriesByType("navigation")[0];
  const paint = performance.getEntriesByName("first-contentful-paint")[0];
  const server = page.responseStart - page.requestStart;
  return [server, page.domContentLoadedEventEnd, paint?.startTime ?? 0, page.decodedBodySize];
}"""
FIRST_COLUMNS = (
    "| opened | server (ms) | usable (ms) | first paint (ms) | KB of HTML | JS heap (MB) | its process (MB) |"
)


def write_conversation(folder: Path, messages: int, words: int) -> str:
    """Prompts and answers of at least so many words in the database of that folder; gives the page's path."""
    database = Database(sqlite_url(folder / "insight.db"))
    database.bring_up_to_date()
    store = ConversationStore(database)
    first, unneeded = store.ask("Something to delete", model="")
    assert unneeded is not None
    store.finish(unneeded.id, Outcome(State.DONE, ""))
    store.delete_pair(first)
    conversation_id, parent_id = first.conversation_id, None
    for number in range(messages // 2):
        asked = " ".join(["word"] * words)
        _, answer = store.ask(asked, model="", conversation_id=conversation_id, parent_id=parent_id)
        assert answer is not None
        part = TYPICAL.replace("{n}", str(number))
        text = part * (words // len(part.split()) + 1)
        store.finish(
            answer.id, Outcome(State.DONE, text, model="paced:latest", figures=Figures(answer_tokens=2 * words))
        )
        parent_id = answer.id
    database.close()
    return f"/c/{conversation_id}"


class Opened:
    """A page of the conversation in a browser of its own process."""

    def __init__(self, browser: Browser, url: str) -> None:
        self._known = renderers(browser)
        self._browser = browser
        self.page = browser.new_page(viewport={"width": 1280, "height": 800})
        self.page.set_default_timeout(15_000)
        self.page.goto(url, wait_until="load")
        self.session: CDPSession = self.page.context.new_cdp_session(self.page)
        self.session.send("Performance.enable")

    def heap_bytes(self) -> int:
        """What JavaScript holds once everything that is not needed is gone."""
        self.session.send("HeapProfiler.collectGarbage")
        metrics = {one["name"]: one["value"] for one in self.session.send("Performance.getMetrics")["metrics"]}
        return int(metrics["JSHeapUsedSize"])

    def process_bytes(self) -> int:
        """All memory of the page's process: the document, its layout, the scripts."""
        return max(share_bytes(pid) for pid in renderers(self._browser) - self._known)

    def sizes(self) -> str:
        return f"{self.heap_bytes() / 1e6:.1f} | {self.process_bytes() / 1e6:.0f}"


def renderers(browser: Browser) -> set[int]:
    found = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
    return {one["id"] for one in found if one["type"] == "renderer"}


def open_times(browser: Browser, url: str, times: int) -> None:
    """Prints a row for the first time, when the server draws the messages, and one for the median of the others."""
    rows, sizes = [], []
    for _ in range(times + 1):
        opened = Opened(browser, url)
        rows.append(opened.page.evaluate(TIMES))
        sizes.append(opened.sizes())
        opened.page.close()
    later = [statistics.median(column) for column in zip(*rows[1:], strict=True)]
    for name, row, size in (("the first time", rows[0], sizes[0]), (f"again (median of {times})", later, sizes[-1])):
        server, usable, paint, html = row
        print(f"| {name} | {server:.0f} | {usable:.0f} | {paint:.0f} | {html / 1e3:.0f} | {size} |", flush=True)


def scroll_up(page: Page, messages: int) -> float:
    """Seconds until the whole conversation is there, for somebody who always scrolls to the top."""
    began = time.monotonic()
    while page.evaluate(MESSAGES) < messages:
        page.evaluate("scrollTo(0, 0)")
        time.sleep(LOOK_SECONDS)
    return time.monotonic() - began


def stream(opened: Opened, tokens: int, rate: float) -> tuple[float, float, float]:
    """The main thread's ms per token, of the processor and as they pass; seconds behind at the answer's end."""
    page = opened.page
    page.get_by_role("textbox", name="Message").fill("Tell me a lot.")
    asked = time.monotonic()
    page.keyboard.press("Enter")
    time.sleep(WARM_SECONDS)
    thread, missed = MainThread(page), (time.monotonic() - asked) * rate
    time.sleep(max(0, tokens / rate * 0.98 - WARM_SECONDS))
    while page.evaluate(LAST_STATE) != "done":
        time.sleep(LOOK_SECONDS)
    behind = time.monotonic() - asked - tokens / rate
    cpu, passed = (seconds / (tokens - missed) * 1e3 for seconds in thread.used())
    return cpu, passed, behind


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--messages", type=int, default=300)
    parser.add_argument("--words", type=int, default=500, help="of each message")
    parser.add_argument("--times", type=int, default=5, help="how often the page is opened, and each answer streamed")
    parser.add_argument("--tokens", type=int, default=1000, help="of the answers that are streamed")
    parser.add_argument("--rate", type=float, default=100, help="tokens per second")
    chosen = parser.parse_args()
    source_options = ("--tokens", str(chosen.tokens), "--rate", str(chosen.rate))
    with tempfile.TemporaryDirectory(prefix="insight-benchmark-") as name, sync_playwright() as playwright:
        folder = Path(name)
        long = write_conversation(folder, chosen.messages, chosen.words)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        with paced_source(*source_options) as source, product(source.url, DATA_DIR=name) as server:
            print(FIRST_COLUMNS + "\n|" + "---|" * 7)
            open_times(browser, server.url + long, chosen.times)
            opened = Opened(browser, server.url + long)
            seconds = scroll_up(opened.page, chosen.messages)
            print(f"\nAll {chosen.messages} messages after {seconds:.2f} s of scrolling up: {opened.sizes()} MB.\n")
            opened.page.close()
            print("| an answer at the end of | on the processor, ms per token | time that passed | behind (s) |")
            print("|---|---|---|---|")
            found: dict[str, list[tuple[float, float, float]]] = {}
            for number in range(chosen.times):
                # The three take turns, so that what else the machine does meets them alike.
                empty = write_conversation(folder, 0, 0)
                for what, path, shown in (
                    ("an empty conversation", empty, 0),
                    (f"{chosen.messages} messages, as the page opens", long, 0),
                    (f"{chosen.messages} messages, all loaded", long, chosen.messages),
                ):
                    opened = Opened(browser, server.url + path)
                    scroll_up(opened.page, shown + (2 * (2 * number + 1) if shown else 0))
                    found.setdefault(what, []).append(stream(opened, chosen.tokens, chosen.rate))
                    opened.page.close()
            for what, figures in found.items():
                cpu, passed, behind = (statistics.median(column) for column in zip(*figures, strict=True))
                print(f"| {what} | {cpu:.2f} | {passed:.2f} | {behind:.2f} |", flush=True)
        browser.close()


if __name__ == "__main__":
    main()
