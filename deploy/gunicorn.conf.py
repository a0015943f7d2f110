"""gunicorn's settings. An open stream costs a greenlet, not a thread, so one worker has thousands.

launch.py adds the address (--bind), which is a setting of the product: APP_HOST and APP_PORT.
"""

import gc
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

import gevent

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from insight_app.config import expect_redis, load
from insight_app.errors import ConfigError


def processes() -> int:
    try:
        return load().web_concurrency
    except ConfigError:
        return 1  # the app says what is wrong


worker_class = "gevent"
workers = processes()
worker_connections = 4000
keepalive = 30
graceful_timeout = 10
timeout = 60
loglevel = "warning"
# Who is believed what is decided in one place, the app (TRUSTED_PROXIES): gunicorn believes its own machine unasked.
forwarded_allow_ips = ""
secure_scheme_headers: dict[str, str] = {}
forwarder_headers = ""
header_map = "drop"  # X_Forwarded_For would be taken for X-Forwarded-For
control_socket_disable = True  # a second server of the same person would fight over its place

_in_flight: set[int] = set()


def nworkers_changed(server: Any, new: int, old: int | None) -> None:
    """Also hears of `-w`, GUNICORN_CMD_ARGS and SIGTTIN, which set the number past WEB_CONCURRENCY."""
    try:
        expect_redis(load(), new, f"A server of {new} workers")
    except ConfigError as error:
        if new == 1:
            return  # something else is wrong, and the app says what
        if old is None:
            print(error, file=sys.stderr)
            sys.exit(3)  # the status at which nobody tries again
        server.log.warning("One worker stays one: %s", error)
        server.num_workers = old


def pre_request(worker: Any, request: Any) -> None:
    _in_flight.add(id(request))


def post_request(worker: Any, request: Any, environ: Any, response: Any) -> None:
    _in_flight.discard(id(request))


def post_worker_init(worker: Any) -> None:
    """Keeps the collector of garbage small, and has streams end at SIGTERM."""
    # What is there now stays. Looking through it, and through everything that belongs to open streams, after every
    # few thousand new objects took a seventh of the time at 500 streams, a fifth of a second each time.
    gc.collect()
    gc.freeze()
    gc.set_threshold(5_000, 20, 20)
    say_nothing_of_requests(worker)
    end_streams_at_sigterm(worker)


def say_nothing_of_requests(worker: Any) -> None:
    """In a worker gunicorn quotes the requests that it cannot read: its messages go where those of all libraries go."""
    log = worker.log.error_log
    log.handlers.clear()
    log.propagate = True


def end_streams_at_sigterm(worker: Any) -> None:
    """Streams stay open for minutes: they are told to end, and their pages connect again elsewhere."""
    services = worker.wsgi.extensions["insight"]

    def leave() -> None:
        services.close()
        # gunicorn itself would wait for idle connections too, and every open browser keeps one.
        deadline = time.monotonic() + graceful_timeout - 2
        while _in_flight and time.monotonic() < deadline:
            gevent.sleep(0.02)
        sys.exit(0)

    def end(number: int, frame: FrameType | None) -> None:
        gevent.spawn(leave)  # a signal handler must not wait for locks itself
        worker.handle_exit(number, frame)

    signal.signal(signal.SIGTERM, end)
