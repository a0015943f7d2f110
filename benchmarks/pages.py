"""What pages cost the server: processor time of each, with few conversations and with ten thousand.

    python benchmarks/pages.py

The app is called without a server and without an engine; of seven rounds the one that cost least counts, as whatever
else runs can only add.
"""

from __future__ import annotations

import argparse
import gc
import sys
import tempfile
import time
from pathlib import Path

from flask import Flask
from flask.testing import FlaskClient
from long_conversation import write_conversation
from processes import ROOT
from sqlalchemy import insert

sys.path.insert(0, str(ROOT))

from insight_app import create_app
from insight_app.config import Settings
from insight_app.storage.tables import conversations

ROUNDS = 7
WORDS = 100


def app_with(folder: Path, many: int) -> tuple[Flask, str]:
    """The app with so many conversations, and the path of one with six messages."""
    path = write_conversation(folder, 6, WORDS)
    app = create_app(
        Settings(
            secret_key="only for this benchmark",
            data_dir=folder,
            ollama_base_url="http://127.0.0.1:9",
            embedded_engine="off",
            log_level="error",
        )
    )
    began = time.time() - 3600
    rows = [
        {"id": f"c{n}", "title": f"About the number {n}", "created_at": began - n, "updated_at": began - n}
        for n in range(many)
    ]
    with app.extensions["insight"].database.writing() as connection:
        connection.execute(insert(conversations), rows)
    return app, path


def milliseconds(client: FlaskClient, url: str, times: int) -> float:
    """Of the processor, for one page."""
    client.get(url).close()
    rounds = []
    for _ in range(ROUNDS):
        began = time.thread_time()
        for _ in range(times):
            client.get(url).close()
        rounds.append((time.thread_time() - began) / times * 1e3)
    return min(rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--many", default="50,10000", help="how many conversations there are")
    parser.add_argument("--times", type=int, default=30, help="each page is asked for so often in a round")
    chosen = parser.parse_args()
    found: dict[str, list[str]] = {}
    counts = [int(each) for each in chosen.many.split(",")]
    for many in counts:
        with tempfile.TemporaryDirectory(prefix="insight-benchmark-") as name:
            app, path = app_with(Path(name), many)
            gc.collect()
            gc.freeze()
            pages = {"home": "/", "a conversation": path, "archived": "/archived", "search": "/search?q=number"}
            for page, url in pages.items():
                found.setdefault(page, []).append(f"{milliseconds(app.test_client(), url, chosen.times):.2f}")
            app.extensions["insight"].close()
    print(f"| page | {' | '.join(f'{many:,} conversations (ms)' for many in counts)} |\n|---|{'---|' * len(counts)}")
    for page, cells in found.items():
        print(f"| {page} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
