"""A ZIP file that somebody brings: its conversations, and the files that they name, however much it says of itself."""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from io import BytesIO

from insight_app.words import N_

# A ZIP file may hold so many times its own limit, counted while it is unpacked, whatever it says of itself.
MOST_INFLATED = 4
# In bytes: the list of what is in a ZIP file, some 40,000 names. Longer ones would take the memory of all.
LONGEST_LIST = 4 * 2**20
AT_ONCE = 2**20
LIST_END, LARGE_LIST = b"PK\x05\x06", b"PK\x06\x07"
WANTED = re.compile(r"(?:.*/)?conversations(?:-[0-9]+)?\.json|[^/]+\.json")
CONVERSATIONS = re.compile(r"(?:.*/)?conversations(?:-[0-9]+)?\.json")
# How ChatGPT names a file in its ZIP file: as its messages do, and then as it was called, or by chance.
# All letters of a row belong to it: tried with fewer, a long name would take seconds.
NAMED = re.compile(r"(?:.*/)?(file[-_][A-Za-z0-9]+)(?![A-Za-z0-9])[^/]*")

BROKEN_ZIP = N_("This ZIP file is damaged or cut off. Nothing was taken.")
LOCKED_ZIP = N_(
    "This ZIP file is locked or packed in a way that cannot be read. Unpack it, and choose conversations.json."
)
TOO_MANY = N_("This ZIP file has too many files in it. Unpack it, and choose conversations.json.")
TOO_LARGE = N_("What is packed in this ZIP file is too large.")
NOTHING_IN_ZIP = N_("There is no conversations.json in this ZIP file.")
BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, struct.error, UnicodeError)


class Unreadable(Exception):
    """Nothing of the file can be taken. The text says why, to be translated, and has nothing of the file."""


class Packed:
    """`most` is how many bytes an upload may have. Raises Unreadable."""

    def __init__(self, data: bytes, most: int) -> None:
        self._left = most * MOST_INFLATED
        end = data.rfind(LIST_END, max(0, len(data) - 70_000))
        if end < 0 or len(data) < end + 22:
            raise Unreadable(BROKEN_ZIP)
        if data[max(0, end - 20) :].startswith(LARGE_LIST):
            raise Unreadable(LOCKED_ZIP)
        (length,) = struct.unpack_from("<I", data, end + 12)
        if length > LONGEST_LIST:  # zipfile believes this number, and not how many names there are said to be
            raise Unreadable(TOO_MANY)
        try:
            self._archive = zipfile.ZipFile(BytesIO(data))
        except (NotImplementedError, RuntimeError):
            raise Unreadable(LOCKED_ZIP) from None
        except BROKEN:
            raise Unreadable(BROKEN_ZIP) from None
        self._files = {named[1]: each for each in self._archive.infolist() if (named := NAMED.fullmatch(each.filename))}

    def needs(self) -> int:
        """How many bytes its conversations have, at most: no more is unpacked of a file than it says."""
        return min(self._left, sum(each.file_size for each in self._names()))

    def conversations(self) -> Iterator[bytes]:
        """Each file that has some. Raises Unreadable."""
        names = self._names()
        if not names:
            raise Unreadable(NOTHING_IN_ZIP)
        for name in names:
            try:
                found = self._unpacked(name, self._left)
            except (NotImplementedError, RuntimeError):
                raise Unreadable(LOCKED_ZIP) from None
            except BROKEN:
                raise Unreadable(BROKEN_ZIP) from None
            if found is None:
                raise Unreadable(TOO_LARGE)
            yield found

    def file(self, name: str, most: int) -> bytes:
        """What a message calls so; b"" for what is not there, cannot be unpacked, or is larger than `most`."""
        if name not in self._files or self._left <= 0:
            return b""
        try:
            return self._unpacked(self._files[name], min(most, self._left)) or b""
        except (NotImplementedError, RuntimeError, *BROKEN):
            return b""

    def _names(self) -> list[zipfile.ZipInfo]:
        every = self._archive.infolist()
        names = [each for each in every if CONVERSATIONS.fullmatch(each.filename)]
        return names or [each for each in every if WANTED.fullmatch(each.filename)]

    def _unpacked(self, name: zipfile.ZipInfo, most: int) -> bytes | None:
        """None for more than `most`."""
        unpacked = bytearray()
        with self._archive.open(name) as file:
            while chunk := file.read(AT_ONCE):
                unpacked += chunk
                self._left -= len(chunk)
                if len(unpacked) > most:
                    return None
        return bytes(unpacked)
