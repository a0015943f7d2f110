"""A server program of the tests' own, in a folder of its own; it can be stopped and started again."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import ClassVar, TypeVar

Me = TypeVar("Me", bound="OwnServer")


class OwnServer:
    """As a context it is started, and gone at the end. `folder` is where its socket is."""

    folder: Path
    start_seconds: ClassVar[float] = 10
    ends_at: ClassVar[signal.Signals] = signal.SIGKILL
    _process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """May be called again after `stop()`."""
        self._process = self._begun()
        until = time.monotonic() + self.start_seconds
        while not self._answers():
            assert self._process.poll() is None, self._said()
            assert time.monotonic() < until, f"{type(self).__name__} does not answer"

    def stop(self) -> None:
        """At once, and every connection with it."""
        if self._process is not None:
            self._process.send_signal(self.ends_at)
            self._process.wait()
            self._process = None

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.folder)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def __enter__(self: Me) -> Me:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _begun(self) -> subprocess.Popen[bytes]:
        raise NotImplementedError

    def _answers(self) -> bool:
        raise NotImplementedError

    def _said(self) -> str:
        """Why it ended by itself, as far as it told."""
        return f"{type(self).__name__} ended"
