"""Pictures in a program's JSON: base64 becomes a picture made anew, or an error says which one is none."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from insight_app.amounts import in_bytes
from insight_app.chat import reading
from insight_app.chat.attachments import expect_few
from insight_app.chat.reading import Read
from insight_app.errors import FileRefused, FilesTooLarge, FileTooLarge, NotAPicture, TooLarge

_ADDRESS = re.compile(r"data:image/[\w.+-]+;base64,", re.ASCII | re.IGNORECASE)
# What may be a picture: so many characters of base64 in a row. Each becomes an A, and all others a space.
_IN_BASE64 = bytes(
    ord("A") if chr(code).isascii() and (chr(code).isalnum() or chr(code) in "+/=\\") else 32 for code in range(256)
)
_LONG = b"A" * 1000


@dataclass(frozen=True, slots=True)
class Sent:
    """A picture as it came; `where` is the field that it stood in, and `turn` the message that it goes with."""

    where: str
    data: bytes = field(repr=False)
    turn: int = 0


def from_base64(given: str, where: str) -> bytes:
    """Raises NotAPicture."""
    try:
        return base64.b64decode(given, validate=True)
    except (binascii.Error, ValueError):
        raise NotAPicture(param=where) from None


def from_address(given: str, where: str) -> bytes:
    """What a data: address holds; nothing is fetched from any other. Raises NotAPicture."""
    found = _ADDRESS.match(given)
    if not found:
        raise NotAPicture(param=where)
    return from_base64(given[found.end() :], where)


def expect_little_else(body: bytes, largest: int) -> None:
    """Raises TooLarge where more than `largest` bytes of JSON are no pictures: to read them would hold up everybody."""
    if len(body) > largest and len(body) - _length_of_pictures(body) > largest:
        raise TooLarge(limit=in_bytes(largest))


def _length_of_pictures(body: bytes) -> int:
    """Found without a pattern: that would look through a row that is too short once for each of its characters."""
    length = end = 0
    plain = body.translate(_IN_BASE64)
    while (begin := plain.find(_LONG, end)) >= 0:
        end = plain.find(b" ", begin)
        end = len(plain) if end < 0 else end
        length += end - begin
    return length


def made_anew(sent: Sequence[Sent], most_mb: int, person: str) -> list[Read]:
    """The pictures as a model gets them: small enough, and nothing in them beside what is seen. Raises FileRefused.

    One may have `most_mb`, all together twice that, as files of a message may.
    """
    if sent and not most_mb:
        raise FileRefused(name=sent[0].where)
    expect_few(len(sent))
    for each in sent:
        if len(each.data) > most_mb * 2**20:
            raise FileTooLarge(name=each.where, limit=in_bytes(most_mb * 2**20))
        if not reading.is_picture(each.data):
            raise NotAPicture(param=each.where)
    if sum(len(each.data) for each in sent) > 2 * most_mb * 2**20:
        raise FilesTooLarge(limit=in_bytes(2 * most_mb * 2**20))
    return [reading.read(each.where, each.data, 0, person) for each in sent]
