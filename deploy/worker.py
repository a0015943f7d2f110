"""A gunicorn worker that ends without losing an answer: it takes no new ones, lets those that are written end.

SIGTERM gives them GRACEFUL_SECONDS; SIGINT, SIGQUIT and the end of gunicorn's master process give them none.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from contextlib import suppress
from functools import partial
from types import FrameType
from typing import Any

import gevent
from gevent.pool import Pool
from gevent.server import StreamServer
from gunicorn.workers.ggevent import GeventWorker

# How long what is kept may take at the end, and how long requests may that do not end by themselves.
CLOSE_SECONDS = 8.0
LAST_REQUESTS_SECONDS = 2.0
# A connection that is older and brought nothing was opened in advance, as browsers do.
FRESH_SECONDS = 1.0


class Worker(GeventWorker):  # type: ignore[misc]
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._servers: list[StreamServer] = []
        self._busy: dict[socket.socket, str] = {}  # connections with a request, and its method
        self._idle: dict[socket.socket, float] = {}  # those without, and since when
        self._is_leaving = False

    def server_class(self, listener: socket.socket, *, spawn: Pool, **_: Any) -> StreamServer:
        """As gunicorn's own, but known here: it stops listening at once, not within a second."""
        server = StreamServer(listener, handle=partial(self.handle, listener), spawn=spawn)
        if self.cfg.workers > 1:
            server.max_accept = 1
        self._servers.append(server)
        return server

    def handle(self, listener: socket.socket, client: socket.socket, address: Any) -> None:
        self._idle[client] = time.monotonic()
        try:
            super().handle(listener, client, address)
        finally:
            self._idle.pop(client, None)

    def handle_request(self, listener: Any, request: Any, client: socket.socket, address: Any) -> None:
        self._idle.pop(client, None)
        self._busy[client] = request.method
        try:
            super().handle_request(listener, request, client, address)
        finally:
            self._busy.pop(client, None)
            self._idle[client] = 0.0

    def init_signals(self) -> None:
        """Later, in run(): until there is an app, the signals that end a worker do so at once (gunicorn.conf.py)."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        gevent.spawn(self._leave, self.wsgi.extensions["insight"].settings.graceful_seconds)

    def handle_quit(self, sig: int, frame: FrameType | None) -> None:
        self.alive = False
        gevent.spawn(self._leave, None)  # a signal handler must not wait for locks itself

    def notify(self) -> None:
        if self.ppid != os.getppid():
            self.wsgi.extensions["insight"].close()
        super().notify()

    def run(self) -> None:
        super().init_signals()
        gevent.spawn(self._get_ready)
        super().run()
        while self._is_leaving:  # nobody is connected, but answers are being written
            self.notify()
            gevent.sleep(1.0)

    def _get_ready(self) -> None:
        """Behind the first question whether it answers, so that the start takes no longer."""
        from insight_app.web import ready_for_pages  # which the app has loaded

        for _ in ready_for_pages(self.wsgi):
            gevent.sleep(0.0)

    def _close_idle(self) -> None:
        """Has who has a connection already bring the next prompt elsewhere too; browsers notice, and connect anew."""
        fresh = time.monotonic() - FRESH_SECONDS
        for client, since in list(self._idle.items()):
            if since <= fresh:
                with suppress(OSError):  # cut by its browser just now
                    client.shutdown(socket.SHUT_RD)

    def _may_bring_a_prompt(self) -> bool:
        """What was on its way when the end came still counts as come before."""
        fresh = time.monotonic() - FRESH_SECONDS
        return "POST" in self._busy.values() or any(since > fresh for since in self._idle.values())

    def _leave(self, seconds: float | None) -> None:
        """`seconds` for answers; None: not even for what is on its way."""
        self._is_leaving = True
        for server in self._servers:
            server.close()  # who connects now comes to another worker, or to the next server
        until = time.monotonic() + FRESH_SECONDS
        self._close_idle()
        while seconds is not None and self._may_bring_a_prompt() and time.monotonic() < until:
            gevent.sleep(0.02)
        services = self.wsgi.extensions["insight"]
        services.drain(seconds or 0)
        services.close()
        until = time.monotonic() + LAST_REQUESTS_SECONDS
        while self._busy and time.monotonic() < until:
            gevent.sleep(0.02)
        sys.exit(0)
