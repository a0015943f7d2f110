"""A Redis of the tests' own, on a unix socket, that keeps nothing; it can be stopped and started again."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import RedisError


class OwnRedis:
    """Started by `start()`, which may be called again after `stop()`: then it is empty."""

    def __init__(self) -> None:
        program = shutil.which("redis-server")
        if program is None:
            pytest.skip("Redis is not installed (Debian's package redis-server)")
        self._program = program
        # A socket's path must be short, and pytest's folders are not.
        self.folder = Path(tempfile.mkdtemp(prefix="redis-"))
        self.socket = self.folder / "socket"
        self.url = f"unix://{self.socket}"
        self.client = Redis.from_url(self.url)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        options = {"port": "0", "unixsocket": str(self.socket), "save": "", "appendonly": "no", "dir": str(self.folder)}
        command = [self._program, *(word for name, value in options.items() for word in (f"--{name}", value))]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        until = time.monotonic() + 10
        while not self._answers():
            assert self._process.poll() is None, f"redis-server ended with {self._process.returncode}"
            assert time.monotonic() < until, "redis-server does not answer"

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def pause(self) -> None:
        """It takes connections and says nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        self.stop()
        self.client.close()
        shutil.rmtree(self.folder)

    def _answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except RedisError:
            return False
