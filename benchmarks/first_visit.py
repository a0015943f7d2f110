"""What a first visit costs: requests and bytes on an empty cache, and how soon the page can be used.

    python benchmarks/first_visit.py

A real Chromium (Debian's package) with an empty cache opens the first page, and the one where people sign in, each time
anew. A page is usable when its scripts have run and what one types in has been drawn.
"""

from __future__ import annotations

import argparse
import statistics
from typing import Any

from page import CHROMIUM, FLAGS
from playwright.sync_api import Browser, sync_playwright
from processes import paced_source, product

# Two frames after the scripts, with the field in the layout: from then on what is typed is seen. The page itself looks:
# to be asked by another program takes the time of one that is used.
WATCH = """addEventListener("DOMContentLoaded", async () => {
  const field = document.querySelector("#message, input[type=email], input[type=password]");
  while (!field.getClientRects().length) await new Promise(requestAnimationFrame);
  for (const _ of [1, 2]) await new Promise(requestAnimationFrame);
  window.usable = performance.now();
})"""
TIMES = """() => {
  const page = performance.getEntriesByType("navigation")[0];
  const paint = performance.getEntriesByName("first-contentful-paint")[0];
  return [page.responseStart, paint?.startTime ?? 0, page.domContentLoadedEventEnd, window.usable];
}"""
COLUMNS = "| page | requests | KB over the wire | first byte (ms) | first paint (ms) | scripts ran (ms) | usable (ms) |"

Row = list[float]


def visit(browser: Browser, url: str) -> Row:
    """Requests, bytes, then milliseconds since the visit began."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page, sizes = context.new_page(), list[float]()
    session = context.new_cdp_session(page)
    session.send("Network.enable")

    def come(event: Any) -> None:
        sizes.append(event["encodedDataLength"])

    session.on("Network.loadingFinished", come)
    page.add_init_script(WATCH)
    page.goto(url, wait_until="networkidle")
    page.wait_for_function("window.usable")
    times = page.evaluate(TIMES)
    context.close()
    return [len(sizes), sum(sizes) / 1024, *times]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--times", type=int, default=15, help="each page is opened so often; the median is printed")
    chosen = parser.parse_args()
    print(COLUMNS + "\n|" + "---|" * 7)
    with sync_playwright() as playwright, paced_source() as source:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for name, path, mode in (("home", "/", "local"), ("sign-in", "/sign-in", "accounts")):
            with product(source.url, AUTH_MODE=mode, LOG_LEVEL="error") as server:
                visit(browser, server.url + path)  # the browser's own first page
                rows = [visit(browser, server.url + path) for _ in range(chosen.times)]
                cells = (
                    f"{statistics.median(column):.{at == 1:d}f}" for at, column in enumerate(zip(*rows, strict=True))
                )
                print(f"| {name} | {' | '.join(cells)} |", flush=True)
        browser.close()


if __name__ == "__main__":
    main()
