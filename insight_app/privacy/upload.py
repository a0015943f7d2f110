"""A file that somebody brings, as the texts of its conversations: JSON, or a ZIP file that has it, whole or cut off."""

from __future__ import annotations

import json
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from io import BytesIO
from itertools import chain
from typing import Any

from insight_app.words import N_

# A ZIP file may hold so many times its own limit, counted while it is unpacked, whatever it says of itself.
MOST_INFLATED = 4
# In bytes: the list of what is in a ZIP file, some 40,000 names. Longer ones would take the memory of all.
LONGEST_LIST = 4 * 2**20
AT_ONCE = 2**20
LIST_END, LARGE_LIST = b"PK\x05\x06", b"PK\x06\x07"
WANTED = re.compile(r"(?:.*/)?conversations(?:-[0-9]+)?\.json|[^/]+\.json")
CONVERSATIONS = re.compile(r"(?:.*/)?conversations(?:-[0-9]+)?\.json")
MARK = re.compile(r'["{}\[\]]')
NAME = '"conversations"'
COLON = re.compile(r"\s*:\s*\[")
HEAD = 2_000
DECODER = json.JSONDecoder()
BETWEEN = re.compile(r"[\s,]*")
PLAIN = re.compile(r"[^,\[\]{}]*")
NO_ITEM = re.compile(r"\[\s*\]")
NEWER = re.compile(r'"format"\s*:\s*"insightsphere-export"\s*,\s*"version"\s*:\s*([0-9]{1,9})')

NO_TEXT = N_("This file is not text in UTF-8.")
NO_JSON = N_("This file is neither JSON nor a ZIP file.")
BROKEN_ZIP = N_("This ZIP file is damaged or cut off. Nothing was taken.")
LOCKED_ZIP = N_(
    "This ZIP file is locked or packed in a way that cannot be read. Unpack it, and choose conversations.json."
)
TOO_MANY = N_("This ZIP file has too many files in it. Unpack it, and choose conversations.json.")
TOO_LARGE = N_("What is packed in this ZIP file is too large.")
NOTHING_IN_ZIP = N_("There is no conversations.json in this ZIP file.")
NEWER_FORMAT = N_("This file was made by a newer version of InsightSphere. Update this one first.")
EMPTY = N_("This file is empty.")
NO_CONVERSATIONS = N_("There are no conversations in this file.")


class Unreadable(Exception):
    """Nothing of the file can be taken. The text says why, to be translated, and has nothing of the file."""


class Upload:
    """The conversations of a file, read a few at a time. `is_cut`: it ends in the middle of the one after the last."""

    def __init__(self, texts: list[str]) -> None:
        """Raises Unreadable."""
        self.is_cut = False
        self._items = chain.from_iterable([self._read(text, _begin(text)) for text in texts])

    def some(self) -> list[dict[str, Any] | None]:
        """The next ones, some MB of text; [] at the end. None stands for one that is broken, or far too deep."""
        found: list[dict[str, Any] | None] = []
        length = 0
        for value, size in self._items:
            found.append(value)
            length += size
            if length >= AT_ONCE:
                break
        return found

    def _read(self, text: str, at: int) -> Iterator[tuple[dict[str, Any] | None, int]]:
        """Each, with the length of its text. One that is broken costs the others nothing."""
        is_list = text[at] == "["
        at += is_list
        while True:
            begun = at = BETWEEN.match(text, at).end()  # type: ignore[union-attr]  # it matches anything
            if at >= len(text) or text[at] == "]":
                self.is_cut |= is_list and at >= len(text)
                return
            try:
                value, at = DECODER.raw_decode(text, at)
            except (ValueError, RecursionError):
                value, at = None, _end_of_item(text, at)
                if at < 0 and is_list:
                    self.is_cut = True
                    return
            yield (value if isinstance(value, dict) or value is None else {}), max(at, begun) - begun
            if not is_list:
                return


def opened(data: bytes, most: int) -> Upload:
    """`most` is how many bytes an upload may have. Raises Unreadable."""
    files = _unpacked(data, most * MOST_INFLATED) if data.startswith(b"PK") else (data,)
    return Upload([_text(file) for file in files])


def _text(data: bytes) -> str:
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        if error.end >= len(data) and error.start >= len(data) - 4:  # cut off in the middle of a letter
            return data[: error.start].decode(encoding)
        raise Unreadable(NO_TEXT) from None


def _unpacked(data: bytes, most: int) -> Iterator[bytes]:
    end = data.rfind(LIST_END, max(0, len(data) - 70_000))
    if end < 0 or len(data) < end + 22:
        raise Unreadable(BROKEN_ZIP)
    if data[max(0, end - 20) :].startswith(LARGE_LIST):
        raise Unreadable(LOCKED_ZIP)
    (length,) = struct.unpack_from("<I", data, end + 12)
    if length > LONGEST_LIST:  # zipfile believes this number, and not how many names there are said to be
        raise Unreadable(TOO_MANY)
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            names = [each for each in archive.infolist() if CONVERSATIONS.fullmatch(each.filename)]
            names = names or [each for each in archive.infolist() if WANTED.fullmatch(each.filename)]
            if not names:
                raise Unreadable(NOTHING_IN_ZIP)
            for name in names:
                unpacked = bytearray()
                with archive.open(name) as file:
                    while chunk := file.read(AT_ONCE):
                        unpacked += chunk
                        most -= len(chunk)
                        if most < 0:
                            raise Unreadable(TOO_LARGE)
                yield bytes(unpacked)
    except (NotImplementedError, RuntimeError):
        raise Unreadable(LOCKED_ZIP) from None
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, struct.error, UnicodeError):
        raise Unreadable(BROKEN_ZIP) from None


def _begin(text: str) -> int:
    """Where the list of conversations begins or, where there is none, the only one."""
    start = len(text) - len(text.lstrip())
    if start == len(text):
        raise Unreadable(EMPTY)
    if text[start] not in "[{":
        raise Unreadable(NO_JSON)
    begin = start
    if text[start] == "{":
        newer = NEWER.search(text, start, start + HEAD)
        if newer and int(newer[1]) > 1:
            raise Unreadable(NEWER_FORMAT)
        listed = _list_of_conversations(text, start)
        begin = start if listed < 0 else listed
    if NO_ITEM.match(text, begin):
        raise Unreadable(NO_CONVERSATIONS)
    return begin


def _list_of_conversations(text: str, start: int) -> int:
    """Where the list begins; -1 where the object has none."""
    for at, end, depth in _marks(text, start):
        is_named = depth == 1 and end - at == len(NAME) and text.startswith(NAME, at)
        if is_named and (colon := COLON.match(text, end)):
            return colon.end() - 1
    return -1


def _end_of_item(text: str, at: int) -> int:
    """After the item of a list that begins there and cannot be read; -1 where the text ends before."""
    if text[at] not in "{[":
        end = PLAIN.match(text, at + 1).end()  # type: ignore[union-attr]  # it matches anything
        return end if end < len(text) else -1
    return next((end for mark, end, depth in _marks(text, at) if depth == 0 and text[mark] in "}]"), -1)


def _marks(text: str, at: int) -> Iterator[tuple[int, int, int]]:
    """Each string, whole, and each bracket: where it begins and ends, and how deep it stands.

    An opening bracket and the one that closes it stand equally deep.
    """
    depth = 0
    while mark := MARK.search(text, at):
        at = mark.start()
        if mark[0] == '"':
            end = _end_of_string(text, at + 1)
            if end < 0:
                return
            yield at, end, depth
            at = end
            continue
        if mark[0] in "{[":
            yield at, at + 1, depth
            depth += 1
        else:
            depth -= 1
            yield at, at + 1, depth
        at += 1


def _end_of_string(text: str, at: int) -> int:
    """After its closing quote; -1 where it is open."""
    while (at := text.find('"', at)) >= 0:
        before = at - 1
        while text[before] == "\\":
            before -= 1
        at += 1
        if (at - 1 - before) % 2:
            return at
    return -1
