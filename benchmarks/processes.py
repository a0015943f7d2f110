"""What is measured, as it runs: the paced source and the real server, and what Linux says of a process."""

from __future__ import annotations

import os
import re
import secrets
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
START_SECONDS = 30
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Served:
    """Something that listens at `port` of this machine; `pid` does the work, or is the first of the `pids` that do."""

    port: int
    pid: int
    pids: tuple[int, ...] = ()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def running(command: list[str], *, core: int | None = None, **environ: str) -> Iterator[subprocess.Popen[str]]:
    """The command, on one core where one is named, until the block ends."""
    pinned = ["taskset", "-c", str(core)] if core is not None else []
    process = subprocess.Popen(
        [*pinned, *command], cwd=ROOT, env={**os.environ, **environ}, stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(timeout=30)
        if process.stdout:
            process.stdout.close()


@contextmanager
def paced_source(*options: str, core: int | None = None) -> Iterator[Served]:
    """benchmarks/paced_source.py with these options."""
    with running([sys.executable, "benchmarks/paced_source.py", *options], core=core) as process:
        assert process.stdout
        port = int(process.stdout.readline().rpartition(":")[2])
        yield Served(port, process.pid)


@contextmanager
def product(
    engine: str, *, core: int | None = None, conf: str = "deploy/gunicorn.conf.py", **environ: str
) -> Iterator[Served]:
    """The server as it is deployed, with a database of its own, in front of the Ollama at `engine`."""
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "-c", conf, "-b", f"127.0.0.1:{port}", "wsgi:app"]
    with tempfile.TemporaryDirectory(prefix="insight-benchmark-") as folder:
        settings = {
            "SECRET_KEY": secrets.token_urlsafe(16),
            "DATA_DIR": folder,
            "OLLAMA_BASE_URL": engine,
            "EMBEDDED_ENGINE": "off",
            "MAX_CONCURRENT_ANSWERS": "1000",
            "RATELIMIT_ENABLED": "false",
            "LOG_LEVEL": "warning",
            **environ,
        }
        with running(command, core=core, **settings) as process:
            wait_until_it_answers(f"http://127.0.0.1:{port}/readyz", process)
            pids = tuple(children(process.pid))
            yield Served(port, pids[0], pids)


def wait_until_it_answers(url: str, process: subprocess.Popen[str]) -> None:
    """Returns at the first 200; raises TimeoutError after half a minute."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        with suppress(OSError), urllib.request.urlopen(url, timeout=5) as response:
            if response.status == 200:
                return
        time.sleep(0.01)
    raise TimeoutError(f"{url} does not answer")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def cpu_seconds(pid: int) -> float:
    """What the process has used so far, in itself and in the kernel for it."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident_bytes(pid: int) -> int:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) * 1024 if found else 0


def share_bytes(pid: int) -> int:
    """As resident_bytes, but what several processes share counts once for all of them together."""
    found = re.search(r"Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text())
    return int(found[1]) * 1024 if found else 0
