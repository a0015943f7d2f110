"""The product running for a test, and a page of it as somebody uses it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import BrowserContext, Locator, Page, expect

expect.set_options(timeout=15_000)
ROOT = Path(__file__).parent.parent.parent
CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(url: str, process: subprocess.Popen[bytes], seconds: float = 90) -> None:
    """Until the address answers 200; the process must live. Where much else goes on, half a minute is too short."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        assert process.poll() is None, f"the server ended with {process.returncode}"
        with suppress(OSError), urllib.request.urlopen(url, timeout=1) as response:
            if response.status == 200:
                return
        time.sleep(0.02)
    raise AssertionError(f"{url} did not answer within {seconds} s")


def started(folder: Path, port: int, **environ: str) -> subprocess.Popen[bytes]:
    """The product, answering on that port. What it logs goes to `folder`/server.log."""
    command = [sys.executable, "-m", "gunicorn", "-c", "deploy/gunicorn.conf.py", "-b", f"127.0.0.1:{port}", "wsgi:app"]
    env = {
        **os.environ,
        "SECRET_KEY": "only for these tests",
        "DATA_DIR": str(folder),
        "APP_PORT": str(port),
        "SEND_RATE_LIMIT": "1000 per minute",
        "MAX_CONCURRENT_ANSWERS": "4",
        "GRACEFUL_SECONDS": "0",
        **environ,
    }
    with (folder / "server.log").open("ab") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=log, start_new_session=True)
    try:
        wait_for(f"http://127.0.0.1:{port}/healthz", process)
    except BaseException:
        process.terminate()
        process.wait(timeout=20)
        raise
    return process


@contextmanager
def running(folder: Path, **environ: str) -> Iterator[str]:
    """The product on a port of its own, for the block; gives its address."""
    port = free_port()
    process = started(folder, port, **environ)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=20)


@dataclass
class Chat:
    """A page of the product as somebody uses it; `complaints` is what the browser's console said."""

    page: Page
    server: str
    complaints: list[str]

    def open(self, path: str = "/") -> None:
        self.page.goto(self.server + path)

    def ask(self, text: str) -> Locator:
        """Types a prompt, sends it by keyboard, and gives the answer's article."""
        self.page.wait_for_load_state("domcontentloaded")  # before that, Enter breaks the line
        before = self.answers.count()
        self.message.fill(text)
        self.message.press("Enter")
        answer = self.answers.nth(before)
        answer.wait_for()
        return answer

    @property
    def message(self) -> Locator:
        return self.page.get_by_role("textbox", name="Message")

    @property
    def answers(self) -> Locator:
        return self.page.locator('article[data-role="assistant"]')

    def messages_html(self) -> str:
        """The conversation's DOM, without what htmx and browsers note on elements and what is different by nature."""
        return str(self.page.evaluate(NORMAL_FORM))


NORMAL_FORM = """() => {
  const copy = document.getElementById("messages").cloneNode(true);
  for (const one of copy.querySelectorAll("*")) {
    one.removeAttribute("data-htmx-powered");
    one.removeAttribute("style");
    if (one.name === "csrf_token") one.removeAttribute("value");
    if (one.tagName === "DETAILS") one.removeAttribute("open");
  }
  const walk = document.createTreeWalker(copy, NodeFilter.SHOW_TEXT);
  const empty = [];
  while (walk.nextNode()) if (!walk.currentNode.data.trim()) empty.push(walk.currentNode);
  empty.forEach((one) => one.remove());
  copy.normalize();
  return copy.innerHTML;
}"""


# A browser that is short of time leaves out the transition from one page to the next, and says so.
LATE_TRANSITION = "Transition was aborted"


def chat_in(context: BrowserContext, server: str) -> Chat:
    page = context.new_page()
    complaints: list[str] = []

    def note(said: str) -> None:
        if not said.startswith(LATE_TRANSITION):
            complaints.append(said)

    page.on("console", lambda said: note(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: note(str(error)))
    return Chat(page, server, complaints)
