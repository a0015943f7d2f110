"""A network that breaks: a proxy on loopback that cuts streams of answers after a few bytes."""

from __future__ import annotations

import random
import socket
import threading
from contextlib import suppress


class CuttingProxy:
    """Passes everything on to `port`; a connection that asks for a stream is cut after random bytes, now and then."""

    def __init__(self, port: int, chance: random.Random) -> None:
        self._to = port
        self._chance = chance
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.cuts = 0
        self.may_cut = True
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                browser, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._to))
                pair = _Pair(browser, server)
                threading.Thread(target=self._up, args=(pair,), daemon=True).start()
                threading.Thread(target=self._down, args=(pair,), daemon=True).start()

    def _up(self, pair: _Pair) -> None:
        with suppress(OSError):
            while data := pair.browser.recv(65536):
                # The Host header must name the server, as a proxy that is part of a deployment sees to.
                data = data.replace(f":{self.port}\r\n".encode(), f":{self._to}\r\n".encode(), 1)
                pair.left = self._chance.randrange(1, 3000) if b"/stream" in data.partition(b"\r\n")[0] else None
                pair.server.sendall(data)
        pair.close()

    def _down(self, pair: _Pair) -> None:
        with suppress(OSError):
            while data := pair.server.recv(4096):
                if self.may_cut and pair.left is not None:
                    pair.left -= len(data)
                    if pair.left < 0:
                        pair.browser.sendall(data[: pair.left])
                        self.cuts += 1
                        break
                pair.browser.sendall(data)
        pair.close()


class _Pair:
    """A browser's connection and the one to the server behind it; `left` bytes until the cut."""

    def __init__(self, browser: socket.socket, server: socket.socket) -> None:
        self.browser, self.server = browser, server
        self.left: int | None = None

    def close(self) -> None:
        for end in (self.browser, self.server):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
