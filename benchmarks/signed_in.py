"""What a request costs where people sign in, against the same server where nobody does.

    python benchmarks/signed_in.py

Both servers (gunicorn with gevent, one worker) have one core, the client and a source of short answers the other. One
of them is asked after the other, so that whatever else runs on the machine meets both. It ends by itself and uses
loopback only.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import requests
from processes import ROOT, Served, cpu_seconds, paced_source, product

SERVER_CORE, OTHER_CORE = 0, 1
EMAIL, PASSWORD = "alice@example.org", "correct horse battery staple"
WARM = 20
FIELD = re.compile(r'name="csrf_token" value="([^"]*)"')
KEY = re.compile(r'<code tabindex="0">(isk_[^<]+)</code>')


class Person:
    """Somebody with the first page open, and a program of theirs."""

    def __init__(self, server: Served, *, signs_in: bool) -> None:
        self.server = server
        self._browser, self._program = requests.Session(), requests.Session()
        for each in (self._browser, self._program):
            each.trust_env = False
        self._sent = 0
        if signs_in:
            self._token = self._open("/sign-in")
            self._send("/sign-in", email=EMAIL, password=PASSWORD)
            self._token = self._open("/settings/account")
            made = self._send("/settings/account/keys", label="benchmark", chat="y", models="y")
            self._program.headers["Authorization"] = f"Bearer {KEY.findall(made.text)[0]}"
        self._token = self._open("/")

    def opens(self) -> None:
        self._browser.get(f"{self.server.url}/").raise_for_status()

    def sends(self) -> None:
        self._sent += 1
        self._send("/messages", message="Tell me something.", model="", key=f"benchmark-{self._sent}")

    def lists(self) -> None:
        self._program.get(f"{self.server.url}/v1/models").raise_for_status()

    def asks(self) -> None:
        asked = {"messages": [{"role": "user", "content": "Go"}]}
        self._program.post(f"{self.server.url}/v1/chat/completions", json=asked).raise_for_status()

    def _open(self, path: str) -> str:
        return FIELD.findall(self._browser.get(self.server.url + path).text)[0]

    def _send(self, path: str, **fields: str) -> requests.Response:
        form = {"csrf_token": self._token, **fields}
        response = self._browser.post(self.server.url + path, data=form, allow_redirects=False)
        response.raise_for_status()
        return response


REQUESTS: dict[str, Callable[[Person], None]] = {
    "GET /": Person.opens,
    "POST /messages": Person.sends,
    "GET /v1/models": Person.lists,
    "POST /v1/chat/completions": Person.asks,
}


@contextmanager
def two_people(engine: str) -> Iterator[tuple[Person, Person]]:
    """Where nobody signs in, and where people do."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="insight-benchmark-"))
        own = {"AUTH_MODE": "accounts", "DATA_DIR": folder, "SECRET_KEY": "only for this benchmark"}
        make = [sys.executable, "-m", "flask", "--app", "wsgi", "create-account", EMAIL, "--password-stdin"]
        subprocess.run(
            make, cwd=ROOT, env={**os.environ, **own}, input=PASSWORD, text=True, check=True, stdout=subprocess.DEVNULL
        )
        local = stack.enter_context(product(engine, core=SERVER_CORE))
        shared = stack.enter_context(product(engine, core=SERVER_CORE, **own))
        yield Person(local, signs_in=False), Person(shared, signs_in=True)


def measure(people: tuple[Person, Person], request: Callable[[Person], None], times: int) -> list[str]:
    """Milliseconds: the median of each, and how much of the processor each took."""
    took: dict[Person, list[float]] = {person: [] for person in people}
    used = dict.fromkeys(people, 0.0)
    for number in range(WARM + times):
        for person in people:
            if number == WARM:
                used[person] = cpu_seconds(person.server.pid)
            began = time.perf_counter()
            request(person)
            if number >= WARM:
                took[person].append(time.perf_counter() - began)
    cells = [f"{statistics.median(took[person]) * 1e3:.2f}" for person in people]
    return cells + [f"{(cpu_seconds(person.server.pid) - used[person]) / times * 1e3:.2f}" for person in people]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--times", type=int, default=300, help="how often each is asked")
    chosen = parser.parse_args()
    os.sched_setaffinity(0, {OTHER_CORE})
    print("| request | nobody signs in: median (ms) | people do | processor (ms) | people do |\n|---|---|---|---|---|")
    with paced_source("--tokens", "3", "--rate", "1000", core=OTHER_CORE) as source, two_people(source.url) as people:
        for name, request in REQUESTS.items():
            print(f"| {name} | {' | '.join(measure(people, request, chosen.times))} |", flush=True)


if __name__ == "__main__":
    main()
