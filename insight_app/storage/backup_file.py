"""A backup as a file: JSON, a line each, gzipped, with an end that tells whether all of it is there.

{"format": "insightsphere-backup", "version": 1, "revision": "0006", "made_at": 1764345600.0}
{"table": "accounts", "columns": ["id", …], "last_id": null}
["5f2c…", …]                                 one for each row; what is no text is base64 of it
{"rows": {"accounts": 1, …}, "sha256": "…"}  the last line; the sum is that of all lines before it
"""

from __future__ import annotations

import base64
import errno
import gzip
import hashlib
import json
import math
import os
import re
import secrets
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from insight_app.errors import BackupRefused

FORMAT, VERSION = "insightsphere-backup", 1
GZIP = b"\x1f\x8b"  # how its files begin
LONGEST_LINE = 256 * 2**20  # bytes; a longer one is no row of ours
PART = 10_000  # rows, after which somebody is told
LARGEST, LATEST = 2**63, 2**36  # a number that a database takes; a second that a calendar has
_REVISION = re.compile("(?!0000)[0-9]{4}")
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
Row = Sequence[Any]
Told = Callable[[str, int], None]  # of which table, and how many rows of it so far


@dataclass(frozen=True, slots=True)
class Part:
    """A table's rows. `last_id` is the last id that it gave; None where it counts none."""

    table: str
    columns: tuple[str, ...]
    last_id: int | None
    rows: Iterable[Row]


def write(path: Path, revision: str, made_at: float, parts: Iterable[Part], told: Told) -> dict[str, int]:
    """Puts a whole new file there, which only its owner may read; returns how many rows of each table it holds.

    Raises BackupRefused where that is not possible, and has left what was there then.
    """
    counts: dict[str, int] = {}
    with _beside(path) as file, gzip.GzipFile(filename="", fileobj=file, mode="wb", compresslevel=6) as packed:
        digest = hashlib.sha256()

        def add(line: object) -> None:
            said = (
                json.dumps(line, ensure_ascii=False, separators=(",", ":"), default=_as_text).encode(
                    "utf-8", "surrogatepass"
                )
                + b"\n"
            )
            digest.update(said)
            packed.write(said)

        add({"format": FORMAT, "version": VERSION, "revision": revision, "made_at": made_at})
        for part in parts:
            counts[part.table] = 0
            add({"table": part.table, "columns": part.columns, "last_id": part.last_id})
            for row in part.rows:
                add(list(row))
                counts[part.table] += 1
                if not counts[part.table] % PART:
                    told(part.table, counts[part.table])
            told(part.table, counts[part.table])
        add({"rows": counts, "sha256": digest.hexdigest()})
    return counts


def _as_text(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


class Backup:
    """A file that is open. Raises BackupRefused where it is no backup of ours, or not all of one."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        file.seek(0)
        head = next(self._lines()) if file.read(2) == GZIP else None
        if not isinstance(head, dict) or head.get("format") != FORMAT:
            raise BackupRefused("This is no backup of this program.", "Give the file that “backup” wrote.")
        if head.get("version") != VERSION:
            raise newer()
        made: Any = head.get("made_at")
        if not (_REVISION.fullmatch(str(head.get("revision"))) and is_number(made, LATEST)):
            raise damaged()
        self.revision: str = head["revision"]
        self.made_at: float = made

    def check(self) -> dict[str, int]:
        """Reads all of it, and returns how many rows of each table there are."""
        return {part.table: sum(1 for _ in part.rows) for part in self.parts()}

    def parts(self) -> Iterator[Part]:
        """Each table, whose rows are to be read before the next one; at the end it is sure that nothing was missing."""
        counts: dict[str, int] = {}
        lines = self._lines()
        next(lines)
        line = next(lines)
        while isinstance(line, dict) and "table" in line:
            table, last, last_id = str(line["table"]), [line], line.get("last_id")
            columns: Any = line.get("columns")
            is_right = isinstance(columns, list) and all(isinstance(each, str) for each in columns)
            if not is_right or not (last_id is None or is_number(last_id, LARGEST, int)):
                raise damaged()
            counts[table] = 0

            def rows(table: str = table, last: list[Any] = last, columns: list[str] = columns) -> Iterator[Row]:
                for found in lines:
                    if isinstance(found, dict):
                        last[0] = found
                        return
                    if not isinstance(found, list) or len(found) != len(columns):
                        raise damaged()
                    counts[table] += 1
                    yield found

            yield Part(table, tuple(columns), last_id, rows())
            line = last[0]
        if not isinstance(line, dict) or line.get("rows") != counts:
            raise damaged()

    def _lines(self) -> Iterator[Any]:
        """Every line up to the end, which must be one that knows the sum of all others."""
        self._file.seek(0)
        digest = hashlib.sha256()
        try:
            with gzip.GzipFile(fileobj=self._file, mode="rb") as unpacked:
                while said := unpacked.readline(LONGEST_LINE):
                    line = json.loads(said.decode("utf-8", "surrogatepass"))
                    if isinstance(line, dict) and "sha256" in line:
                        if line["sha256"] != digest.hexdigest() or unpacked.read(1):
                            raise damaged()
                        yield line
                        return
                    digest.update(said)
                    yield line
        except (ValueError, OSError, EOFError, zlib.error):
            raise damaged() from None
        raise damaged()


def is_number(value: object, limit: float, *kinds: type) -> bool:
    """Whether it is one of these kinds (int or float) and nearer to 0 than that."""
    return type(value) in (kinds or (int, float)) and math.isfinite(value) and abs(value) < limit  # type: ignore[arg-type]


def damaged() -> BackupRefused:
    return BackupRefused("The file is damaged or cut off.", "Take another backup. Nothing was changed.")


def newer() -> BackupRefused:
    return BackupRefused(
        "The backup was made by a newer version of this program.",
        "Install that version, or a newer one, and try again.",
    )


@contextmanager
def _beside(path: Path) -> Iterator[BinaryIO]:
    """A new file that takes its place when all of it is on the disk; otherwise nothing of it stays."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            try:
                yield file
                file.flush()
                os.fsync(file.fileno())
                part.replace(path)
            except BaseException:
                part.unlink()
                raise
    except OSError as error:
        if error.errno in NO_ROOM:
            raise BackupRefused("There is no room for the backup.", "Make room there, or name another disk.") from None
        raise BackupRefused(f"{path} cannot be written ({error.strerror}).", "Name another place.") from None
