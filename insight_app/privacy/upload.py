"""A file that somebody brings, as the texts of its conversations: JSON, or a ZIP file that has it, whole or cut off."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import chain, islice
from typing import Any

from insight_app.privacy.packed import Packed, Unreadable
from insight_app.words import N_

AT_ONCE = 2**20
# Of a list; to say where one is broken takes as long as all that stands before it. What follows counts as cut off.
MOST_BROKEN = 1000
# No thread does anything while one is read, and a value takes up to twenty times as much memory as its text.
MOST_VALUES = 1_000_000  # of one conversation, and of what stands before the list of them
MOST_CONVERSATIONS = 100_000
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
NEWER_FORMAT = N_("This file was made by a newer version of InsightSphere. Update this one first.")
EMPTY = N_("This file is empty.")
NO_CONVERSATIONS = N_("There are no conversations in this file.")


class Upload:
    """The conversations of a file, read a few at a time. `is_cut`: it ends in the middle of the one after the last."""

    def __init__(self, texts: list[str], packed: Packed | None = None) -> None:
        """Raises Unreadable."""
        self.is_cut = False
        self._packed = packed
        self._items = chain.from_iterable([self._read(text, _begin(text)) for text in texts])

    def some(self) -> list[dict[str, Any] | None]:
        """The next ones, some MB of text; [] at the end. None stands for one that is broken, too deep or too full."""
        found: list[dict[str, Any] | None] = []
        length = 0
        for value, size in self._items:
            found.append(value)
            length += size
            if length >= AT_ONCE:
                break
        return found

    def file(self, name: str, most: int) -> bytes:
        """What its ZIP file has under the name that a message calls it by; b"" for nothing, or for more than `most`."""
        return self._packed.file(name, most) if self._packed else b""

    def _read(self, text: str, at: int) -> Iterator[tuple[dict[str, Any] | None, int]]:
        """Each, with the length of its text. One that is broken costs the others nothing."""
        is_list, broken = text[at] == "[", 0
        has_many = sum(map(text.count, '",[{')) > MOST_VALUES
        at += is_list
        for _ in range(MOST_CONVERSATIONS):
            begun = at = BETWEEN.match(text, at).end()  # type: ignore[union-attr]  # it matches anything
            if at >= len(text) or text[at] == "]":
                self.is_cut |= is_list and at >= len(text)
                return
            if has_many and _holds_too_many(text, at):
                self.is_cut |= is_list
                yield None, 0
                return
            try:
                value, at = DECODER.raw_decode(text, at)
            except (ValueError, RecursionError):
                value, at = None, _end_of_item(text, at)
                broken += 1
                if is_list and (at < 0 or broken > MOST_BROKEN):
                    self.is_cut = True
                    return
            yield (value if isinstance(value, dict) or value is None else {}), max(at, begun) - begun
            if not is_list:
                return
        self.is_cut = True


def needs(data: bytes, most: int) -> int:
    """How many bytes of memory it takes to open it, about. Raises Unreadable."""
    return Packed(data, most).needs() if data.startswith(b"PK") else len(data)


def opened(data: bytes, most: int) -> Upload:
    """`most` is how many bytes an upload may have. Raises Unreadable."""
    packed = Packed(data, most) if data.startswith(b"PK") else None
    return Upload([_text(file) for file in (packed.conversations() if packed else (data,))], packed)


def _text(data: bytes) -> str:
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        if error.end >= len(data) and error.start >= len(data) - 4:  # cut off in the middle of a letter
            return data[: error.start].decode(encoding)
        raise Unreadable(NO_TEXT) from None


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
    """Where the list begins; -1 where the object has none, or too much before it."""
    for at, end, depth in islice(_marks(text, start), MOST_VALUES):
        is_named = depth == 1 and end - at == len(NAME) and text.startswith(NAME, at)
        if is_named and (colon := COLON.match(text, end)):
            return colon.end() - 1
    return -1


def _holds_too_many(text: str, at: int) -> bool:
    """Whether what begins there has more values than are read at once."""
    count, before = 0, at
    for begin, end, depth in _marks(text, at):
        count += 1 + text.count(",", before, begin)
        before = end
        if count > MOST_VALUES or (depth == 0 and text[begin] in "}]"):
            break
    else:  # it has no end
        count += text.count(",", before)
    return count > MOST_VALUES


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
