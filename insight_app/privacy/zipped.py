"""A ZIP file made piece by piece, so that it is on its way before it is whole, and never in memory."""

from __future__ import annotations

import time
import zipfile
from collections.abc import Iterable, Iterator
from typing import IO, cast

PIECE = 64 * 2**10


class _Sink:
    """What was written and is not yet on its way; it cannot be gone back in."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.size = 0

    def write(self, piece: bytes) -> int:
        self.pieces.append(bytes(piece))
        self.size += len(piece)
        return len(piece)

    def flush(self) -> None:
        pass

    def taken(self, most: int = 0) -> bytes:
        """All of it, where it is more than so much."""
        if self.size <= most:
            return b""
        found, self.pieces, self.size = b"".join(self.pieces), [], 0
        return found


def zipped(files: Iterable[tuple[str, Iterable[str]]]) -> Iterator[bytes]:
    """The bytes of a ZIP file with these files, each its name and the pieces of its text."""
    sink = _Sink()
    with zipfile.ZipFile(cast(IO[bytes], sink), "w") as archive:
        for name, pieces in files:
            entry = zipfile.ZipInfo(name, time.gmtime()[:6])
            entry.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(entry, "w") as file:
                for piece in pieces:
                    file.write(piece.encode("utf-8", "replace"))
                    if ready := sink.taken(PIECE):
                        yield ready
    yield sink.taken()
