"""gunicorn's settings, each with its reason. launch.py adds the address (--bind): APP_HOST and APP_PORT.

What stands in the command line or in GUNICORN_CMD_ARGS wins over this file.
"""

import gc
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from gunicorn.systemd import sd_notify

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))
# After SIGHUP this file is read again, and new workers have what their master had loaded: it must be the code of now.
for loaded in [name for name in sys.modules if name.partition(".")[0] in ("deploy", "insight_app")]:
    del sys.modules[loaded]

from deploy.worker import CLOSE_SECONDS, LAST_REQUESTS_SECONDS, Worker  # noqa: E402
from insight_app.config import expect_redis, load  # noqa: E402
from insight_app.errors import ConfigError  # noqa: E402
from insight_app.telemetry import logs  # noqa: E402

try:
    processes, graceful_seconds = load().web_concurrency, load().graceful_seconds
except ConfigError:  # the app says what is wrong
    processes, graceful_seconds = 1, 0

# gevent: an open stream costs a greenlet, not a thread. What is ours about it is how it ends.
worker_class = Worker
# One serves a thousand open pages on one core. More are for more cores, and need Redis: WEB_CONCURRENCY, REDIS_URL.
workers = processes
# Open connections of one worker, streams and idle browsers together; more wait in the system's queue (backlog, 2048).
# Each stream is a file too: where `ulimit -n` is 1024, that ends it first.
worker_connections = 4000
# Browsers and proxies use a connection again within this time. Longer than the 15 s between heartbeats of a stream
# need not be; a proxy in front must not keep idle ones for longer, or it sends into a connection that was just closed.
keepalive = 30
# A worker that says nothing to the master for so long hangs, and is killed: its answers go on elsewhere. It says
# something each second, whatever streams do; so this is not about long answers.
timeout = 60
# From SIGTERM to SIGKILL: what answers get (GRACEFUL_SECONDS), and then what keeping and the last requests take.
# Whoever stops gunicorn must wait longer than that: TimeoutStopSec of systemd, stop_grace_period of compose.
graceful_timeout = graceful_seconds + int(CLOSE_SECONDS + LAST_REQUESTS_SECONDS)
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
# gunicorn tells systemd that it is ready before it knows whether the app can start. A worker says it, once it has.
NOTIFY = "INSIGHT_NOTIFY_SOCKET"
if "NOTIFY_SOCKET" in os.environ:
    os.environ[NOTIFY] = os.environ.pop("NOTIFY_SOCKET")

control_socket_disable = True  # a second server of the same person would fight over its place


def nworkers_changed(server: Any, new: int, old: int | None) -> None:
    """Also hears of `-w`, GUNICORN_CMD_ARGS and SIGTTIN, which set the number past WEB_CONCURRENCY."""
    try:
        expect_redis(load(), new, f"A server of {new} workers")
    except ConfigError as error:
        if new == 1:
            return  # something else is wrong, and the app says what
        if old is None:
            logs.cannot_start(error)
            sys.exit(3)  # the status at which nobody tries again
        server.log.warning("One worker stays one: %s", error)
        server.num_workers = old
        return
    if new > 1 and FOLDER not in os.environ.get(FIGURES, ""):  # one that was alone before is counted after a SIGHUP
        os.environ[FIGURES] = figures_folder()


def when_ready(server: Any) -> None:
    """SIGHUP is heeded where new workers could begin: where not, the old ones would end, and the server with them."""
    reload = server.reload

    def if_good() -> None:
        """Asked of a process of its own, which has the code and the settings of now."""
        ask = "import sys, insight_app.services; from insight_app.config import main; sys.exit(main())"
        told = subprocess.run([sys.executable, "-c", ask], cwd=PROJECT, capture_output=True, text=True, check=False)
        if told.returncode == 0:
            reload()
        else:
            server.log.error("Not reloaded, all goes on as before: %s", told.stderr.strip().splitlines()[-1])

    server.reload = if_good


def pre_fork(server: Any, worker: Any) -> None:
    """Once all have begun, one that cannot (the database is away) does not end the server: it is tried again."""
    if worker.age > server.cfg.workers:
        server.WORKER_BOOT_ERROR = server.APP_LOAD_ERROR = -1  # no process ends with that


def figures_folder() -> str:
    """A new one, in memory where there is such a place; those of masters that were killed are taken away."""
    place = Path("/dev/shm" if os.access("/dev/shm", os.W_OK) else tempfile.gettempdir())
    for left in place.glob("insight-figures-*"):
        if Path("/proc/self").exists() and not Path("/proc", left.name.split("-")[2]).exists():
            shutil.rmtree(left, ignore_errors=True)
    return tempfile.mkdtemp(prefix=FOLDER, dir=place)


def post_fork(server: Any, worker: Any) -> None:
    """A worker that has not begun ends at once: gunicorn would lose the signal, and wait for it all of its time."""
    gc.disable()  # until all is loaded: there is next to nothing to find, and looking takes a sixth of the start
    ends = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
    for each in ends:
        signal.signal(each, lambda number, frame: sys.exit(0))
    while not server.SIG_QUEUE.empty():  # what came before this line went to the master's copy
        if server.SIG_QUEUE.get() in ends:
            sys.exit(0)


def post_worker_init(worker: Any) -> None:
    """Keeps the collector of garbage small, and tells systemd that there is somebody to answer."""
    # What is there now stays. Looking through it, and through everything that belongs to open streams, after every
    # few thousand new objects took a seventh of the time at 500 streams, a fifth of a second each time.
    gc.collect()
    gc.freeze()
    gc.set_threshold(5_000, 20, 20)
    gc.enable()
    if NOTIFY in os.environ:
        os.environ["NOTIFY_SOCKET"] = os.environ[NOTIFY]
        sd_notify("READY=1\nSTATUS=Answering", worker.log, unset_environment=True)


def child_exit(server: Any, worker: Any) -> None:
    """What was going on in a worker is over, however it ended; what it counted stays."""
    for live in Path(os.environ.get(FIGURES, os.devnull)).glob(f"gauge_live*_{worker.pid}.db"):
        live.unlink(missing_ok=True)


def on_exit(server: Any) -> None:
    if FOLDER in os.environ.get(FIGURES, ""):
        shutil.rmtree(os.environ[FIGURES], ignore_errors=True)
