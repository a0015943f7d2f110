"""An HTTP session whose requests another thread can end while they wait, even before a header has come.

urllib3 gives away a response only when its headers are there, and Ollama sends none until the model is loaded
and the prompt is read. So these connections hand their socket to the grip that is around the request.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from insight_app.engines.chunks import EagerResponse

# Not a thread-local: a context variable follows greenlets even where gevent patched after this import.
_around: ContextVar[Grip | None] = ContextVar("_around", default=None)


class Grip:
    """Holds the socket that the requests made inside `around()` wait on. Thread-safe."""

    def __init__(self) -> None:
        self.broken = False
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None

    @contextmanager
    def around(self) -> Iterator[None]:
        token = _around.set(self)
        try:
            yield
        finally:
            _around.reset(token)

    def break_off(self) -> None:
        """Ends the wait at once, and each later one as soon as it begins."""
        with self._lock:
            self.broken = True
            self._shut()

    def hold(self, connected: socket.socket) -> None:
        with self._lock:
            self._socket = connected
            if self.broken:
                self._shut()

    def let_go(self) -> None:
        """From here on the socket may serve somebody else: it is no longer this grip's to end."""
        with self._lock:
            self._socket = None

    def wait_at_most(self, seconds: float) -> None:
        """Limits each further wait of the request under way."""
        with self._lock, suppress(OSError):
            if self._socket is not None:
                self._socket.settimeout(seconds)

    def _shut(self) -> None:
        if self._socket is not None:
            with suppress(OSError):  # the other side may have been quicker
                # Not SSLSocket's own, which pulls the TLS layer from under the thread that reads.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


class _Connection(HTTPConnection):
    response_class = EagerResponse
    _grip: Grip | None = None

    def connect(self) -> None:
        super().connect()
        self._be_held()

    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is not None:
            self._be_held()
        super().request(*args, **kwargs)

    def _be_held(self) -> None:
        self._grip = _around.get()
        if self._grip is not None:
            self._grip.hold(self.sock)

    def leave_grip(self) -> None:
        if self._grip is not None:
            self._grip.let_go()
            self._grip = None


class _SecureConnection(_Connection, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection

    def _put_conn(self, conn: Any) -> None:
        # Before anybody else can take it: a stop that comes late must not end the next request.
        if isinstance(conn, _Connection):
            conn.leave_grip()
        super()._put_conn(conn)


class _SecurePool(_Pool, HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}


def interruptible_session(pool_size: int = 2048) -> requests.Session:
    """Keeps up to `pool_size` idle connections and opens more where needed; never retries, uses no proxy."""
    session = requests.Session()
    session.trust_env = False
    adapter = _Adapter(pool_connections=4, pool_maxsize=pool_size, pool_block=False)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session
