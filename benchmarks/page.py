"""What a long answer costs the browser: main-thread time per token, and how far behind the page is at the end.

    python benchmarks/page.py

A real Chromium (Debian's package) watches answers of two lengths: time per token must not grow with the length. In the
same run it shows a page that has nothing but text, which a timer of its own appends: what no page can go below.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

from playwright.sync_api import Browser, CDPSession, Page, sync_playwright
from processes import paced_source, product

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
VIEWPORT = {"width": 1280, "height": 800}
STATE = """() => document.querySelector('article[data-role="assistant"]')?.dataset.state"""
BARE = """<!doctype html><body style="font: 16px/1.6 system-ui; width: 44rem; margin: auto">"""
# Paragraphs of about 300 characters, and at the end of the page, as the product's reader is.
APPEND = """([tokens, gap]) => {
  let shown = 0;
  setInterval(() => {
    if (shown % 80 < tokens) document.body.append(document.createElement("p"));
    document.body.lastChild.append("word ".repeat(tokens));
    shown += tokens;
    scrollTo(0, document.documentElement.scrollHeight);
  }, gap);
}"""
LOOK_SECONDS = 0.02
WARM_SECONDS = 0.5
LONGEST_DELAY_SECONDS = 60
BARE_SECONDS = 10

Row = tuple[float, float, float]  # ms of the main thread per token, on the processor and as they pass; seconds behind


class MainThread:
    """All work of a page's main thread: scripts, style, layout and painting."""

    def __init__(self, page: Page) -> None:
        # What passes counts also while the thread waits for a core, or for the thread that draws.
        self._clocks = [_clock(page, domain) for domain in ("threadTicks", "timeTicks")]
        self._began = self._seconds()

    def used(self) -> tuple[float, float]:
        """Seconds since it was made: those of the processor, and those that passed."""
        cpu, passed = (now - before for now, before in zip(self._seconds(), self._began, strict=True))
        return cpu, passed

    def _seconds(self) -> list[float]:
        metrics = [clock.send("Performance.getMetrics")["metrics"] for clock in self._clocks]
        return [float(next(one["value"] for one in each if one["name"] == "TaskDuration")) for each in metrics]


def _clock(page: Page, domain: str) -> CDPSession:
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": domain})
    return session


def answer(browser: Browser, tokens: int, rate: float) -> Row:
    """The product with an answer of so many tokens."""
    options = ("--tokens", str(tokens), "--rate", str(rate))
    with paced_source(*options) as source, product(source.url) as server:
        page = browser.new_page(viewport=VIEWPORT)
        page.set_default_timeout(15_000)
        page.goto(server.url)
        page.get_by_role("textbox", name="Message").fill("Tell me a lot.")
        asked = time.monotonic()
        page.keyboard.press("Enter")
        page.wait_for_url("**/c/*")
        # Opening the page is another matter: counted from when it has settled.
        time.sleep(WARM_SECONDS)
        thread, missed = MainThread(page), (time.monotonic() - asked) * rate
        time.sleep(max(0, tokens / rate * 0.98 - WARM_SECONDS))
        until = time.monotonic() + LONGEST_DELAY_SECONDS
        while page.evaluate(STATE) != "done" and time.monotonic() < until:
            time.sleep(LOOK_SECONDS)
        behind = time.monotonic() - asked - tokens / rate
        cpu, passed = (seconds / (tokens - missed) * 1e3 for seconds in thread.used())
        page.close()
        return cpu, passed, behind


def bare(browser: Browser, updates: float, rate: float) -> Row:
    """A page of mere text that comes in so many updates a second; 0 updates: one that rests."""
    page = browser.new_page(viewport=VIEWPORT)
    page.set_content(BARE)
    if updates:
        page.evaluate(APPEND, [round(rate / updates), 1e3 / updates])
    time.sleep(WARM_SECONDS)
    thread, began = MainThread(page), time.monotonic()
    time.sleep(BARE_SECONDS)
    cpu, passed = (seconds / ((time.monotonic() - began) * rate) * 1e3 for seconds in thread.used())
    page.close()
    return cpu, passed, 0


def rows(tokens: list[int], rate: float) -> dict[str, Callable[[Browser], Row]]:
    """What is measured, by name."""
    found: dict[str, Callable[[Browser], Row]] = {"mere text, at rest": lambda browser: bare(browser, 0, rate)}
    for updates in (5, 12.5):
        found[f"mere text, {updates} updates a second"] = lambda browser, updates=updates: bare(browser, updates, rate)
    for length in tokens:
        found[f"an answer of {length:,} tokens"] = lambda browser, length=length: answer(browser, length, rate)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--tokens", default="2000,6000", help="lengths of the answers")
    parser.add_argument("--rate", type=float, default=100, help="tokens per second")
    parser.add_argument("--times", type=int, default=3, help="each is measured so often; the median is printed")
    chosen = parser.parse_args()
    measured = rows([int(length) for length in chosen.tokens.split(",")], chosen.rate)
    found: dict[str, list[Row]] = {name: [] for name in measured}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        # In turns, so that other work on the machine meets all of them.
        for _ in range(chosen.times):
            for name, measure in measured.items():
                found[name].append(measure(browser))
        browser.close()
    print("| page | on the processor, ms per token | time that passed, ms per token | behind at the end (s) |")
    print("|---|---|---|---|")
    for name, runs in found.items():
        cells = (
            f"{statistics.median(each):.2f} ({', '.join(f'{one:.2f}' for one in each)})"
            for each in zip(*runs, strict=True)
        )
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
