"""What of a database would be on the disk after a power cut: only what SQLite had the system write through.

SQLite writes through a table of functions, its VFS; here it is given one that notes every write and every sync, and
does the same; our own syncs are noted too. Of each file the disk then has all writes before its last sync, and of the
later ones any. What this does not show: that the system and the disk do what a sync asks of them.
"""

from __future__ import annotations

import _sqlite3
import ctypes
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

File, Vfs = ctypes.c_void_p, ctypes.c_void_p
# The name as an address: SQLite keeps it, and finds more behind it.
OPEN = ctypes.CFUNCTYPE(ctypes.c_int, Vfs, ctypes.c_void_p, File, ctypes.c_int, ctypes.POINTER(ctypes.c_int))
WRITE = ctypes.CFUNCTYPE(ctypes.c_int, File, ctypes.c_void_p, ctypes.c_int, ctypes.c_int64)
TRUNCATE = ctypes.CFUNCTYPE(ctypes.c_int, File, ctypes.c_int64)
SYNC = ctypes.CFUNCTYPE(ctypes.c_int, File, ctypes.c_int)


class _Methods(ctypes.Structure):
    """sqlite3_io_methods, as far as it is changed; what follows is copied as it is."""

    _fields_ = [
        ("version", ctypes.c_int),
        ("close", ctypes.c_void_p),
        ("read", ctypes.c_void_p),
        ("write", WRITE),
        ("truncate", TRUNCATE),
        ("sync", SYNC),
        ("others", ctypes.c_void_p * 13),
    ]


class _File(ctypes.Structure):
    _fields_ = [("methods", ctypes.POINTER(_Methods))]


class _System(ctypes.Structure):
    """sqlite3_vfs, as far as it is changed."""

    _fields_ = [
        ("version", ctypes.c_int),
        ("size", ctypes.c_int),
        ("longest", ctypes.c_int),
        ("next", ctypes.c_void_p),
        ("name", ctypes.c_char_p),
        ("data", ctypes.c_void_p),
        ("open", OPEN),
    ]


class Event(NamedTuple):
    """A write of data at a place, a cut at it (None), or, where there is no place either, a sync."""

    file: str
    at: int | None = None
    data: bytes | None = None


class Recording:
    """Everything that SQLite did to files since."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._names: dict[int, str] = {}
        self._kept: list[Any] = []  # open files go on with our functions

    def disk(self, database: Path, to: Path, moment: int, chance: random.Random | None = None) -> Path:
        """The database as it is after a cut at that moment; with `chance`, some of what was not synced came through."""
        for name in (str(database), f"{database}-wal"):
            mine = [each for each in self.events[:moment] if each.file == name]
            synced = max((place for place, each in enumerate(mine) if each.at is None), default=-1)
            content = bytearray()
            for place, (_, at, data) in enumerate(mine):
                if at is None or (place > synced and not (chance and chance.random() < 0.5)):
                    continue
                if data is None:
                    del content[at:]
                else:
                    content.extend(bytes(max(0, at - len(content))))
                    content[at : at + len(data)] = data
            Path(f"{to}{name.removeprefix(str(database))}").write_bytes(content)
        return to

    def opened(self, file: int, name: bytes) -> None:
        self._names[file] = name.decode()
        theirs = ctypes.cast(file, ctypes.POINTER(_File)).contents
        before = theirs.methods.contents
        ours = _Methods.from_buffer_copy(before)

        def note(at: int | None = None, data: bytes | None = None) -> None:
            self.events.append(Event(self._names[file], at, data))

        def write(this: int, data: int, size: int, at: int) -> int:
            note(at, ctypes.string_at(data, size))
            return int(before.write(this, data, size, at))

        def truncate(this: int, at: int) -> int:
            note(at)
            return int(before.truncate(this, at))

        def sync(this: int, flags: int) -> int:
            done = int(before.sync(this, flags))
            note()
            return done

        ours.write, ours.truncate, ours.sync = WRITE(write), TRUNCATE(truncate), SYNC(sync)
        self._kept += [ours, before]
        theirs.methods = ctypes.pointer(ours)


_recordings: list[Recording] = []  # for ever: a file may be closed late


@contextmanager
def recording() -> Iterator[Recording]:
    """Records the files that are opened within the block."""
    library = ctypes.CDLL(_sqlite3.__file__)
    library.sqlite3_vfs_find.restype = ctypes.POINTER(_System)
    system = library.sqlite3_vfs_find(None).contents
    # A copy: what a field gives is the field itself, also after it was set.
    before, found = OPEN(ctypes.cast(system.open, ctypes.c_void_p).value or 0), Recording()

    def open_file(vfs: int, name: int | None, file: int, flags: int, out: Any) -> int:
        status = int(before(vfs, name, file, flags, out))
        if status == 0:
            found.opened(file, ctypes.string_at(name) if name else b"")
        return status

    ours = OPEN(open_file)
    found._kept += [ours, before]
    _recordings.append(found)
    system.open = ours
    through = os.fdatasync

    def fdatasync(file: int) -> None:
        through(file)
        found.events.append(Event(os.readlink(f"/proc/self/fd/{file}")))

    os.fdatasync = fdatasync
    try:
        yield found
    finally:
        system.open, os.fdatasync = before, through
