"""What a start costs: seconds until the first page answers, memory at rest, and what a browser fetches for the page.

    python3 launch.py --no-browser    (once, to set everything up; then end it)
    python benchmarks/start.py

Every start has a database and a port of its own; the built-in engine is left out. It uses loopback only.
"""

from __future__ import annotations

import argparse
import gzip
import os
import re
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from processes import ROOT, children, free_port, resident_bytes, running, share_bytes, wait_until_it_answers

REST_SECONDS = 3
LINKS = re.compile(r'<(?:link|script|img)\b[^>]*?\b(?:href|src)="([^"]+)"')


@contextmanager
def launched() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """launch.py as somebody starts it, with everything set up; gives its process and its address."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="insight-benchmark-") as folder:
        settings = {"APP_PORT": str(port), "DATA_DIR": folder, "EMBEDDED_ENGINE": "off"}
        settings["LOG_LEVEL"] = "warning"
        settings["SECRET_KEY"] = secrets.token_urlsafe(16)
        with running(["python3", "launch.py", "--no-browser"], core=None, **settings) as process:
            yield process, f"http://127.0.0.1:{port}"


def start_seconds() -> float:
    began = time.monotonic()
    with launched() as (process, url):
        wait_until_it_answers(url, process)
        return time.monotonic() - began


def idle_megabytes() -> tuple[float, float, float]:
    """Of the server (gunicorn and its worker; then with what they share counted twice), and of launch.py."""
    with launched() as (process, url):
        wait_until_it_answers(url, process)
        time.sleep(REST_SECONDS)
        server = [pid for child in children(process.pid) for pid in (child, *children(child))]
        return (
            sum(map(share_bytes, server)) / 1e6,
            sum(map(resident_bytes, server)) / 1e6,
            share_bytes(process.pid) / 1e6,
        )


def first_page() -> list[tuple[str, int]]:
    """Every address that a browser fetches for the first page, with its bytes over the wire, headers not counted."""
    with launched() as (process, url):
        wait_until_it_answers(url, process)
        size, page = fetch(url + "/")
        found = [("/", size)]
        for link in dict.fromkeys(LINKS.findall(page.decode())):
            found.append((link, fetch(url + link)[0]))
        return found


def fetch(url: str) -> tuple[int, bytes]:
    """The size of the body as it was sent, and the body."""
    asked = urllib.request.Request(url, headers={"Accept-Encoding": "gzip"})
    with urllib.request.urlopen(asked) as response:
        sent = response.read()
        return len(sent), gzip.decompress(sent) if response.headers["Content-Encoding"] == "gzip" else sent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--starts", type=int, default=5)
    chosen = parser.parse_args()
    if not Path(ROOT, ".venv").exists():
        sys.exit("Run “python3 launch.py --no-browser” once, so that everything is set up.")
    os.environ.pop("OLLAMA_BASE_URL", None)
    seconds = sorted(start_seconds() for _ in range(chosen.starts))
    print(
        f"start: {statistics.median(seconds):.2f} s (median of {len(seconds)}; {seconds[0]:.2f} to {seconds[-1]:.2f})"
    )
    server, twice, launcher = idle_megabytes()
    print(f"idle: {server:.0f} MB, gunicorn and its worker ({twice:.0f} MB with what they share counted twice)")
    print(f"idle: {launcher:.0f} MB, launch.py, which watches them")
    files = first_page()
    for name, size in files:
        print(f"first page: {size:6,} bytes {name}")
    print(f"first page: {sum(size for _, size in files):6,} bytes in {len(files)} requests")


if __name__ == "__main__":
    main()
