"""A worker that ends."""

from __future__ import annotations

import socket
import struct

from gunicorn.config import Config

from deploy.worker import Worker

RESET_AT_CLOSE = struct.pack("ii", 1, 0)


def test_a_connection_that_its_browser_just_cut_does_not_keep_the_worker_from_ending() -> None:
    worker = Worker(1, 1, [], None, 1, Config(), None)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        browsers = [socket.create_connection(listener.getsockname()) for _ in range(2)]
        clients = [listener.accept()[0] for _ in browsers]
        worker._idle = dict.fromkeys(clients, 0.0)
        browsers[0].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
        browsers[0].close()
        worker._close_idle()
        assert clients[1].recv(1) == b""  # the others are closed all the same
        for each in (browsers[1], *clients, worker.tmp):
            each.close()
