"""A Redis of the tests' own, on a unix socket, that keeps nothing; it can be stopped and started again."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest
from own_server import OwnServer
from redis import Redis
from redis.exceptions import RedisError


class OwnRedis(OwnServer):
    """Empty at each start."""

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

    def _begun(self) -> subprocess.Popen[bytes]:
        options = {"port": "0", "unixsocket": str(self.socket), "save": "", "appendonly": "no", "dir": str(self.folder)}
        command = [self._program, *(word for name, value in options.items() for word in (f"--{name}", value))]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL)

    def pause(self) -> None:
        """It takes connections and says nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        super().close()
        self.client.close()

    def _answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except RedisError:
            return False
