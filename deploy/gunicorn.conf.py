"""gunicorn's settings. An open stream costs a greenlet, not a thread, so one worker has thousands.

launch.py adds the address (--bind), which is a setting of the product: APP_HOST and APP_PORT.
"""

import gc
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType
from typing import Any

import gevent

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from insight_app.config import load
from insight_app.errors import ConfigError


def processes() -> int:
    """Without Redis one: what is being written is in the memory of its process."""
    try:
        settings = load()
    except ConfigError:
        return 1  # the app says what is wrong
    return settings.web_concurrency if settings.redis_url else 1


worker_class = "gevent"
workers = processes()
worker_connections = 4000
keepalive = 30
graceful_timeout = 10
timeout = 60
loglevel = "warning"
logger_class = "insight_app.telemetry.server_log.ServerLog"  # gunicorn's own lines, in the form of all others
# Who is believed what is decided in one place, the app (TRUSTED_PROXIES): gunicorn believes its own machine unasked.
forwarded_allow_ips = ""
secure_scheme_headers: dict[str, str] = {}
forwarder_headers = ""
header_map = "drop"  # X_Forwarded_For would be taken for X-Forwarded-For

# Where the processes' figures meet (telemetry/metrics.py), new at each start of the master and kept over its SIGHUP.
FIGURES = "PROMETHEUS_MULTIPROC_DIR"
FOLDER = f"insight-figures-{os.getpid()}-"
if workers > 1 and FOLDER not in os.environ.get(FIGURES, ""):
    os.environ[FIGURES] = tempfile.mkdtemp(prefix=FOLDER, dir="/dev/shm" if Path("/dev/shm").is_dir() else None)

control_socket_disable = True  # a second server of the same person would fight over its place

_in_flight: set[int] = set()


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
    end_streams_at_sigterm(worker)


def child_exit(server: Any, worker: Any) -> None:
    """What was going on in a worker is over, however it ended; what it counted stays."""
    for live in Path(os.environ.get(FIGURES, os.devnull)).glob(f"gauge_live*_{worker.pid}.db"):
        live.unlink(missing_ok=True)


def on_exit(server: Any) -> None:
    if FOLDER in os.environ.get(FIGURES, ""):
        shutil.rmtree(os.environ[FIGURES], ignore_errors=True)


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
