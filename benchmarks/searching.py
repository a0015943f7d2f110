"""What 10,000 conversations with 30,000 messages cost: making the index, searching, the lists, and an export of all.

    python benchmarks/searching.py            with SQLite
    python benchmarks/searching.py --postgres with a Postgres of its own, as the tests start it

Of seven rounds the one that took least counts; seconds are those of a clock, as Postgres is a process of its own.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from processes import ROOT
from sqlalchemy import insert

sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "tests"))

from insight_app import create_app
from insight_app.chat.search_store import SearchStore
from insight_app.chat.searching import parse
from insight_app.config import Settings
from insight_app.storage.database import Database, migrate, sqlite_url
from insight_app.storage.tables import conversations, messages

CONVERSATIONS, ARCHIVED, ROUNDS = 10_000, 2_000, 7
SEARCHES = {
    "a word of every message": "the0",
    "a rare word": "the9999",
    "two words": "the5 the60",
    "a phrase": '"xylophage eats wood"',
    "the beginning of a word": "the99",
    "Chinese": "显卡",
    "nothing": "nowhere",
}
PAGES = ("/", "/archived", "/search?q=the0", "/search?q=xylophage", "/bin")


def fill(database: Database) -> None:
    chance = random.Random(7)
    vocabulary = [f"the{number}" for number in range(20_000)]
    weights = [1 / (1 + number) for number in range(20_000)]

    def said(words: int) -> str:
        return " ".join(chance.choices(vocabulary, weights, k=words))

    now, id = time.time(), 0
    with database.writing(at_leisure=True) as connection:
        for number in range(CONVERSATIONS):
            home = f"c{number}"
            row = {"id": home, "title": said(5), "created_at": now - number, "updated_at": now - number}
            connection.execute(insert(conversations).values(row | {"is_archived": number < ARCHIVED}))
            rows = []
            for place in range(4 if number % 2 else 2):
                id += 1
                told = said(150 if place % 2 else 20) + (" The xylophage eats wood, 显卡." if id % 1000 == 0 else "")
                role = "assistant" if place % 2 else "user"
                after = {
                    "parent_id": id - 1 if place else None,
                    "created_at": now - number,
                    "finished_at": now - number,
                }
                rows.append({"id": id, "conversation_id": home, "role": role, "state": "done", "text": told, **after})
            connection.execute(insert(messages), rows)
        database.product.count_from(connection, "messages", id)


def least(work: Callable[[], object]) -> float:
    def once() -> float:
        began = time.perf_counter()
        work()
        return time.perf_counter() - began

    return min(once() for _ in range(ROUNDS)) * 1000


def addresses(postgres: bool, folder: Path) -> Iterator[str]:
    if not postgres:
        yield sqlite_url(folder / "insight.db")
        return
    from own_postgres import OwnPostgres

    with OwnPostgres() as server:
        yield server.url(server.create())


def measure(address: str, folder: Path) -> None:
    with closing(Database(address)) as database:
        with database.writing("schema", at_leisure=True) as connection:
            database.product.prepare(connection)
            migrate(connection, "0006")
        fill(database)
        began = time.perf_counter()
        database.bring_up_to_date()
        print(f"making the index: {time.perf_counter() - began:.1f} s; {database.size() / 2**20:.0f} MB in all")
        search = SearchStore(database)
        for name, typed in SEARCHES.items():
            found = search.messages(parse(typed))
            took = least(lambda typed=typed: search.messages(parse(typed)))  # type: ignore[misc]
            print(f"{name}: {took:.1f} ms for {len(found.hits)}{' and more' if found.has_more else ''}")
        print(f"titles: {least(lambda: search.titles(parse('the77'))):.1f} ms")
    app = create_app(Settings.from_env({"DATA_DIR": str(folder / "data"), "DATABASE_URL": address}))
    app = create_app(
        Settings(
            secret_key="only for this benchmark",
            data_dir=folder / "data",
            database_url=address,
            ollama_base_url="http://127.0.0.1:9",
            embedded_engine="off",
            log_level="error",
            ratelimit_enabled=False,
        )
    )
    client = app.test_client()
    for page in PAGES:
        size = len(client.get(page).data)
        print(f"{page}: {least(lambda page=page: client.get(page)):.0f} ms, {size / 1000:.0f} KB")  # type: ignore[misc]
    for kind in ("json", "zip"):
        before, began, size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter(), 0
        for piece in client.get(f"/settings/copies/conversations.{kind}", buffered=False).response:
            size += len(piece)
        more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        print(f"all as {kind}: {time.perf_counter() - began:.1f} s, {size / 2**20:.0f} MB, {more:.0f} MB more memory")
    app.extensions["insight"].close()
    app.extensions["insight"].database.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--postgres", action="store_true")
    given = parser.parse_args()
    print(f"load of this machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as folder:
        for address in addresses(given.postgres, Path(folder)):
            measure(address, Path(folder))


if __name__ == "__main__":
    main()
