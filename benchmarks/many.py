"""What 10,000 conversations with 30,000 messages cost, and how long others wait meanwhile.

    python benchmarks/many.py             with SQLite
    python benchmarks/many.py --postgres  with a Postgres of its own, as it is installed

First without a server: searches and pages, of seven rounds the one that took least; seconds are those of a clock, as
Postgres is a process of its own. Then with the server as it is deployed: all taken along, all deleted, all brought
back, and what is too old deleted, while somebody else opens a page again and again. Memory is the server's.
"""

from __future__ import annotations

import argparse
import io
import os
import random
import re
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from urllib.parse import urlencode

from clients import Visit
from processes import ROOT, Served, paced_source, product
from sqlalchemy import insert, update

sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "tests"))

from insight_app import create_app
from insight_app.chat.search_store import SearchStore
from insight_app.chat.searching import parse
from insight_app.config import Settings
from insight_app.privacy.store import PersonalStore
from insight_app.storage.database import Database, migrate, sqlite_url
from insight_app.storage.tables import conversations, messages

ROUNDS = 7
SEARCHES = {
    "a word of every message": "the0",
    "a rare word": "the9999",
    "two words": "the5 the60",
    "a phrase": '"xylophage eats wood"',
    "the beginning of a word": "the99",
    "Chinese": "显卡",
    "Chinese, in nothing": "显示",
    "Arabic": "الذكاء الاصطناعي",
    "nothing": "nowhere",
}
PAGES = ("/", "/archived", "/search?q=the0", "/search?q=xylophage", "/search?q=显卡", "/bin", "/settings/privacy")
BIN = 300  # as many as somebody could delete in the ten minutes that they stay there
BOUNDARY = "a-boundary"


def fill(database: Database, many: int) -> None:
    chance = random.Random(7)
    vocabulary = [f"the{number}" for number in range(20_000)]
    weights = [1 / (1 + number) for number in range(20_000)]

    def said(words: int) -> str:
        return " ".join(chance.choices(vocabulary, weights, k=words))

    now, id = time.time(), 0
    with database.writing(at_leisure=True) as connection:
        for number in range(many):
            home, at = f"c{number}", now - number * 600
            row = {"id": home, "title": said(5), "created_at": at, "updated_at": at, "is_archived": number < many // 5}
            connection.execute(insert(conversations).values(row))
            rows = []
            for place in range(4 if number % 2 else 2):
                id += 1
                told = said(150 if place % 2 else 20)
                told += " The xylophage eats wood, 显卡. الذكاء الاصطناعي" if id % 1000 == 0 else ""
                role = "assistant" if place % 2 else "user"
                after = {"parent_id": id - 1 if place else None, "created_at": at, "finished_at": at}
                rows.append({"id": id, "conversation_id": home, "role": role, "state": "done", "text": told, **after})
            connection.execute(insert(messages), rows)
        database.product.count_from(connection, "messages", id)


def least(work: Callable[[], object]) -> float:
    def once() -> float:
        began = time.perf_counter()
        work()
        return time.perf_counter() - began

    return min(once() for _ in range(ROUNDS)) * 1000


@contextmanager
def address(postgres: bool, folder: Path) -> Iterator[str]:
    if not postgres:
        yield sqlite_url(folder / "insight.db")
        return
    from own_postgres import OwnPostgres

    with OwnPostgres({}) as server:
        yield server.url(server.create())


def filled(url: str, many: int) -> None:
    with closing(Database(url)) as database:
        with database.writing("schema", at_leisure=True) as connection:
            database.product.prepare(connection)
            migrate(connection, "0006")
        fill(database, many)
        began = time.perf_counter()
        database.bring_up_to_date()
        print(f"making the index: {time.perf_counter() - began:.1f} s; {database.size() / 2**20:.0f} MB in all")


def searches(url: str) -> None:
    with closing(Database(url)) as database:
        search = SearchStore(database)
        for name, typed in SEARCHES.items():
            found = search.messages(parse(typed))
            took = least(lambda typed=typed: search.messages(parse(typed)))  # type: ignore[misc]
            print(f"{name}: {took:.1f} ms for {len(found.hits)}{' and more' if found.has_more else ''}")
        print(f"titles: {least(lambda: search.titles(parse('the77'))):.1f} ms")


def pages(url: str, folder: Path) -> None:
    app = create_app(
        Settings(
            secret_key="only for this benchmark",
            data_dir=folder / "data",
            database_url=url,
            ollama_base_url="http://127.0.0.1:9",
            embedded_engine="off",
            log_level="error",
            ratelimit_enabled=False,
        )
    )
    services = app.extensions["insight"]
    services.personal.choose(keep_days=30)
    with services.database.writing() as connection:
        binned = conversations.c.id.in_([f"c{number}" for number in range(5000, 5000 + BIN)])
        connection.execute(update(conversations).where(binned).values(deleted_at=time.time()))
    client = app.test_client()
    for page in PAGES:
        size = len(client.get(page).data)
        print(f"{page}: {least(lambda page=page: client.get(page)):.0f} ms, {size / 1000:.0f} KB")  # type: ignore[misc]
    took, listed = list[float](), services.conversations.newest_conversations()
    while listed.has_older:
        last = listed.conversations[-1]
        place = last.is_pinned, last.updated_at, last.id
        began = time.perf_counter()
        client.get(f"/conversations?pinned={int(place[0])}&before={place[1]}&id={place[2]}").close()
        took.append((time.perf_counter() - began) * 1000)
        listed = services.conversations.newest_conversations(place)
    print(f"the list in {len(took)} parts: {sorted(took)[len(took) // 2]:.1f} ms each, the longest {max(took):.0f}")
    with services.database.writing() as connection:
        connection.execute(update(conversations).values(deleted_at=None))
    services.personal.choose(keep_days=None)
    services.close()
    services.database.close()


class Neighbour:
    """Somebody else, who opens a page again as soon as it is there, and how long each took."""

    def __init__(self, port: int) -> None:
        self.took: list[float] = []
        self._port, self._over = port, threading.Event()
        self._thread = threading.Thread(target=self._opens)
        self._thread.start()

    def _opens(self) -> None:
        while not (self.took and self._over.wait(0.02)):
            began = time.perf_counter()
            with closing(HTTPConnection("127.0.0.1", self._port, timeout=600)) as connection:
                connection.request("GET", "/")
                connection.getresponse().read()
            self.took.append((time.perf_counter() - began) * 1000)

    def leaves(self) -> str:
        self._over.set()
        self._thread.join()
        took = sorted(self.took)
        return f"another page: half within {took[len(took) // 2]:.0f} ms, the longest {took[-1]:.0f} ms"


class Person:
    """Who does all this with a server, and sees what it costs."""

    def __init__(self, served: Served) -> None:
        self._served, self._visit = served, Visit(served.url)

    @contextmanager
    def does(self, name: str) -> Iterator[list[str]]:
        status = Path(f"/proc/{self._served.pid}/status")

        def memory(name: str) -> float:
            return int(re.findall(rf"{name}:\s+(\d+) kB", status.read_text())[0]) / 1024

        Path(f"/proc/{self._served.pid}/clear_refs").write_text("5")
        before, began, notes = memory("VmRSS"), time.perf_counter(), list[str]()
        neighbour = Neighbour(self._served.port)
        try:
            yield notes
        finally:
            took, page = time.perf_counter() - began, neighbour.leaves()
            most = memory("VmHWM")
            said = f"{took:.1f} s", *notes, f"{before:.0f} MB, then {most:.0f} at most", page
            print(f"{name}: " + "; ".join(said), flush=True)

    def takes(self, path: str) -> bytes:
        """What is under that address."""
        with self.does(f"all as {path.rpartition('/')[2]}") as notes:
            began = time.perf_counter()
            response = self._ask("GET", path)
            pieces = [response.read(1)]
            notes.append(f"the first byte after {(time.perf_counter() - began) * 1000:.0f} ms")
            pieces.append(response.read())
            data = b"".join(pieces)
            notes.append(f"{len(data) / 2**20:.1f} MB")
        return data

    def brings(self, name: str, data: bytes) -> None:
        parts = [f'Content-Disposition: form-data; name="csrf_token"\r\n\r\n{self._visit.token}']
        parts.append('Content-Disposition: form-data; name="file"; filename="all.json"\r\n\r\n')
        head = "".join(f"\r\n--{BOUNDARY}\r\n{part}" for part in parts)[2:].encode()
        body = head + data + f"\r\n--{BOUNDARY}--\r\n".encode()
        with self.does(name) as notes:
            page = (
                self._ask("POST", "/settings/copies", body, f"multipart/form-data; boundary={BOUNDARY}").read().decode()
            )
            notes += re.findall(r"[\d,]+ conversations? (?:is|are|was|were) [^.<]*", page)[:2]

    def deletes_everything(self) -> None:
        with self.does("all deleted"):
            form = urlencode({"csrf_token": self._visit.token}).encode()
            response = self._ask("POST", "/settings/privacy/delete", form, "application/x-www-form-urlencoded")
            response.read()
            assert response.status == 303, response.status
        self._visit = Visit(self._served.url)  # the session went too

    def _ask(self, method: str, path: str, body: bytes = b"", kind: str = "") -> HTTPResponse:
        connection = HTTPConnection("127.0.0.1", self._served.port, timeout=1200)
        headers = {
            "Cookie": self._visit.cookie,
            "Referer": f"{self._served.url}/",
            **({"Content-Type": kind} if kind else {}),
        }
        connection.request(method, path, body or None, headers)
        return connection.getresponse()


def packed(data: bytes) -> bytes:
    """As a ZIP file: the whole is larger than a file may be that is brought here."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("conversations.json", data)
    return whole.getvalue()


def served(url: str, many: int) -> None:
    with paced_source() as engine, product(engine.url, DATABASE_URL=url) as server:
        person = Person(server)
        with person.does("nothing"):
            time.sleep(3)
        person.takes("/settings/copies/conversations.zip")
        everything = packed(person.takes("/settings/copies/conversations.json"))
        person.deletes_everything()
        person.brings("all brought back", everything)
        person.brings("all brought again", everything)
        one = '{{"id": "t{}", "messages": [{{"role": "user", "text": "Hello {}"}}]}}'
        tiny = ",".join(one.format(number, number) for number in range(5 * many))
        person.brings(f"{5 * many:,} tiny ones", f"[{tiny}]".encode())
        person.deletes_everything()
        person.brings("all brought back", everything)
        with person.does("what is older than 30 days is deleted"), closing(Database(url)) as database:
            print(PersonalStore(database).delete_outdated(time.time() - 30 * 86400), "conversations")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--postgres", action="store_true")
    parser.add_argument("--only", default="searches,pages,served", help="these parts")
    parser.add_argument("--many", type=int, default=10_000, help="so many conversations")
    given = parser.parse_args()
    print(f"load of this machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as name, address(given.postgres, Path(name)) as url:
        filled(url, given.many)
        if "searches" in given.only:
            searches(url)
        if "pages" in given.only:
            pages(url, Path(name))
        if "served" in given.only:
            served(url, given.many)


if __name__ == "__main__":
    main()
