"""Which of several processes without Redis goes on with unfinished answers: the one that has the lock.

There is more than one only for a while: gunicorn starts the next worker before it ends the last one (SIGHUP), and
that one first writes its answers to their end. The system frees the lock when its process dies, however it does.
"""

from __future__ import annotations

import os
from pathlib import Path


class Alone:
    """Asked again and again, says whether this process has the lock of the file, which it takes once it is free.

    Where there can be no such file it says yes: nobody else could have it either.
    """

    def __init__(self, file: Path) -> None:
        self._path = file
        self._file: int | None = None
        self._has_it = False

    def __call__(self) -> bool:
        if not self._has_it:
            try:
                self._has_it = _lock(self._opened())
            except OSError:
                self._has_it = True
        return self._has_it

    def leave(self) -> None:
        """Others may have it."""
        if self._file is not None:
            os.close(self._file)
        self._file, self._has_it = None, False

    def _opened(self) -> int:
        if self._file is None:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600)
        return self._file


def _lock(file: int) -> bool:
    try:
        import fcntl
    except ImportError:  # on Windows no server ends while the next one begins
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
