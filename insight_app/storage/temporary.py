"""Databases that are never on a disk: in the memory of this process, or in a folder in memory that several share."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection

from insight_app.storage.database import Database, sqlite_url
from insight_app.storage.product import Product
from insight_app.storage.sqlite import SQLiteInMemory
from insight_app.storage.tables import attachments, conversations, messages, metadata

MOUNTS = Path("/proc/self/mounts")
IN_MEMORY = {"tmpfs", "ramfs"}
FILE = "temporary.db"
# Where the ids of messages begin is drawn anew with each database, so that a page which was open when the last one
# ended meets nothing of this one. Kept messages have smaller ids; a larger one would not be a whole number to scripts.
SMALLEST_ID, LARGEST_ID = 2**40, 2**52


class InMemory(Database):
    """In the memory of this process: one connection, so that who reads takes turns with who writes."""

    def __init__(self, report: Callable[[str], None] = lambda problem: None) -> None:
        super().__init__("sqlite://", report)
        _lay_out(self)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        with self._turn(), super().reading() as connection:
            yield connection

    def _product(self) -> Product:
        return SQLiteInMemory(self.url)


class InSharedMemory(Database):
    """A file in a folder in memory; the last process that closes it removes it, and the first one that opens it too.

    Raises OSError where the folder is not ours alone.
    """

    def __init__(self, folder: Path, report: Callable[[str], None] = lambda problem: None) -> None:
        _make_own(folder)
        self._folder = folder
        self._alive = os.open(folder / "alive", os.O_CREAT | os.O_RDWR, 0o600)
        with self._alone():
            is_first = _hold(self._alive, alone=True)
            if is_first:
                self._remove()
                os.close(os.open(folder / FILE, os.O_CREAT | os.O_EXCL, 0o600))  # SQLite's other files do as this one
            super().__init__(sqlite_url(folder / FILE), report)
            if is_first:
                _lay_out(self)
            _hold(self._alive, alone=False)

    def close(self) -> None:
        with self._alone():
            super().close()
            if _hold(self._alive, alone=True):
                self._remove()
            os.close(self._alive)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """No other process begins or ends meanwhile."""
        import fcntl  # there is none on Windows, nor a folder in memory

        turn = os.open(self._folder / "turn", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(turn, fcntl.LOCK_EX)
            yield
        finally:
            os.close(turn)

    def _remove(self) -> None:
        for file in self._folder.glob(f"{FILE}*"):
            file.unlink()


def folder_in_memory(folder: Path = Path("/dev/shm"), mounts: Path = MOUNTS) -> Path | None:
    """A folder whose files are in memory only; None where this machine is not known to have one."""
    try:
        lines = [line.split() for line in mounts.read_text(encoding="utf-8").splitlines()]
    except OSError:
        return None
    kinds = [kind for _, place, kind, *_ in lines if place == str(folder)]
    return folder if kinds and kinds[-1] in IN_MEMORY else None


def _make_own(folder: Path) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise PermissionError("the folder is somebody else's too")


def _hold(file: int, *, alone: bool) -> bool:
    """Marks this process as alive; `alone`: only where no other one is, else False."""
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB if alone else fcntl.LOCK_SH)
    except BlockingIOError:
        return False
    return True


def _lay_out(database: Database) -> None:
    """The tables of conversations, empty; messages are counted from a number on that no kept one has."""
    first = SMALLEST_ID + secrets.randbelow(LARGEST_ID)
    with database.writing() as connection:
        metadata.create_all(connection, tables=[conversations, messages, attachments])
        database.product.count_from(connection, "messages", first)
