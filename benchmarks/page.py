"""What a long answer costs the browser: main-thread time per token, and how far behind the page is at the end.

    python benchmarks/page.py

A real Chromium (Debian's package) watches answers of two lengths: time per token must not grow with the length.
"""

from __future__ import annotations

import argparse
import time

from playwright.sync_api import CDPSession, Page, sync_playwright
from processes import paced_source, product

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
STATE = """() => document.querySelector('article[data-role="assistant"]')?.dataset.state"""
TEXT = """() => document.querySelector('[data-part="answer"]')?.textContent.length ?? 0"""
LOOK_SECONDS = 0.02
WARM_SECONDS = 0.5
LONGEST_DELAY_SECONDS = 60


def measure(page: Page, tokens: int, rate: float) -> str:
    """A row: milliseconds of the main thread per token, seconds behind at the end, characters shown."""
    page.set_default_timeout(15_000)
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    page.get_by_role("textbox", name="Message").fill("Tell me a lot.")
    asked = time.monotonic()
    page.keyboard.press("Enter")
    page.wait_for_url("**/c/*")
    # Opening the page is another matter: counted from when it has settled.
    time.sleep(WARM_SECONDS)
    before, missed = task_seconds(session), (time.monotonic() - asked) * rate
    time.sleep(max(0, tokens / rate * 0.98 - WARM_SECONDS))
    until = time.monotonic() + LONGEST_DELAY_SECONDS
    while page.evaluate(STATE) != "done" and time.monotonic() < until:
        time.sleep(LOOK_SECONDS)
    behind = time.monotonic() - asked - tokens / rate
    used = task_seconds(session) - before
    length = page.evaluate(TEXT)
    return f"| {tokens:,} | {used / (tokens - missed) * 1e3:.2f} | {behind:.2f} | {length:,} |"


def task_seconds(session: CDPSession) -> float:
    """All work of the page's main thread so far: scripts, style, layout and painting."""
    metrics = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
    return float(metrics["TaskDuration"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--tokens", default="2000,6000", help="lengths of the answers")
    parser.add_argument("--rate", type=float, default=100, help="tokens per second")
    chosen = parser.parse_args()
    print("| tokens | main thread, ms per token | behind at the end (s) | characters shown |\n|---|---|---|---|")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for tokens in map(int, chosen.tokens.split(",")):
            options = ("--tokens", str(tokens), "--rate", str(chosen.rate))
            with paced_source(*options) as source, product(source.url) as server:
                page = browser.new_page(viewport={"width": 1280, "height": 800})
                page.goto(server.url)
                print(measure(page, tokens, chosen.rate), flush=True)
                page.close()
        browser.close()


if __name__ == "__main__":
    main()
