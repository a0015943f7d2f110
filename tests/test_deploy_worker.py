"""A worker that ends, with what is connected to it just then."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import closing
from types import SimpleNamespace

import gevent
import pytest
from flask import Flask
from gunicorn.config import Config
from visitor import Visitor

from deploy.worker import Worker

RESET_AT_CLOSE = struct.pack("ii", 1, 0)


@pytest.fixture
def worker() -> Iterator[Worker]:
    found = Worker(1, 1, [], None, 1, Config(), None)
    with closing(found.tmp):
        yield found


def test_a_connection_that_its_browser_just_cut_does_not_keep_the_worker_from_ending(worker: Worker) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        browsers = [socket.create_connection(listener.getsockname()) for _ in range(2)]
        clients = [listener.accept()[0] for _ in browsers]
        worker._idle = dict.fromkeys(clients, 0.0)
        browsers[0].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
        browsers[0].close()
        worker._close_idle()
        assert clients[1].recv(1) == b""  # the others are closed all the same
        for each in (browsers[1], *clients):
            each.close()


def test_a_prompt_that_is_on_its_way_counts_as_come_before(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    still_busy: list[bool] = []
    services = SimpleNamespace(drain=lambda seconds: still_busy.append(bool(worker._busy)), close=lambda: None)
    worker.wsgi = SimpleNamespace(extensions={"insight": services})
    monkeypatch.setattr("sys.exit", lambda status: None)
    with closing(socket.socket()) as client:
        worker._busy[client] = "POST"
        leaving = gevent.spawn(worker._leave, 30)
        gevent.sleep(0)
        worker._busy.clear()
        leaving.join(timeout=5)
    assert still_busy == [False]


def test_the_first_pages_find_their_templates_compiled(
    worker: Worker, app: Flask, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker.wsgi = app
    gevent.spawn(worker._get_ready).join(timeout=30)
    monkeypatch.setattr(app.jinja_env, "compile", lambda source, name, *_: pytest.fail(f"{name} is compiled late"))
    visitor.asks_and_waits("Hello")
    assert visitor.client.get("/").status_code == visitor.client.get(visitor.url).status_code == 200
