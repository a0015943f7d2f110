"""Long work under gevent, and somebody whose word has come from outside before it began: when are they heard?

A program for test_pauses; its argument is the folder of a database. It says what was there when that happened.
"""

from gevent import monkey

monkey.patch_all()

import json  # noqa: E402
import socket  # noqa: E402
import sys  # noqa: E402
from collections.abc import Callable, Iterator  # noqa: E402
from contextlib import contextmanager  # noqa: E402
from io import BytesIO  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import gevent  # noqa: E402
from flask import Flask  # noqa: E402
from own_app import running  # noqa: E402

from insight_app import pauses  # noqa: E402
from insight_app.config import Settings  # noqa: E402
from insight_app.privacy import copies_routes  # noqa: E402

MANY = 200
pauses.WORKING_SECONDS = 0.0  # each time somebody may stop, they do: what counts is where, and not how fast this is
copies_routes.AT_ONCE = 10_000  # characters
settings = Settings(
    secret_key="only for this test",
    data_dir=Path(sys.argv[1]),
    ollama_base_url="http://127.0.0.1:9",
    embedded_engine="off",
)


@contextmanager
def heard(what: str, count: Callable[[], int]) -> Iterator[Callable[[], object]]:
    """Gives what says the word; at the end it is told what `count` said when it was heard, -1: not before the end."""
    here, outside = socket.socketpair()
    said: list[int] = []

    def listen() -> None:
        here.recv(1)
        said.append(count())

    gevent.spawn(listen)
    gevent.sleep(0.001)
    yield lambda: outside.send(b"!")
    print(what, (said or [-1])[0], flush=True)


def work(app: Flask) -> None:
    services, client = app.extensions["insight"], app.test_client()

    def there() -> int:
        return int(services.personal.count_outdated(10.0**12))

    conversation = {"title": "T", "messages": [{"role": "user", "text": "Hello"}, {"role": "assistant", "text": "Hi"}]}
    data = json.dumps([conversation | {"id": str(number), "title": str(number)} for number in range(MANY)]).encode()
    pieces: list[bytes] = []
    with client.get("/settings/copies") as page:
        token = page.text.partition('name="csrf_token" value="')[2].partition('"')[0]
    with heard("brought", there) as say:
        add = copies_routes.CopiesStore.add

        def add_and_say(*about: Any) -> list[bool]:
            added = add(*about)
            say()
            return added

        copies_routes.CopiesStore.add = add_and_say  # type: ignore[method-assign]
        form = {"csrf_token": token, "file": (BytesIO(data), "all.json")}
        client.post("/settings/copies", data=form, headers={"Referer": "http://localhost/"}).close()
    with heard("taken along", lambda: len(pieces)) as say:
        say()
        with client.get("/settings/copies/conversations.json", buffered=False) as response:
            pieces += response.response
    with heard("deleted", there) as say:
        say()
        services.personal.delete_everything()


with running(settings) as started:
    work(started)
