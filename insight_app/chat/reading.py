"""What is in a file that somebody attaches: decided by its bytes, and never by its name.

Text is decoded here. Pictures and PDFs are read by a process of their own (reading_apart.py): what is in them was made
by anybody, and may be made to fill the memory, or to keep who reads it busy for ever.
"""

from __future__ import annotations

import codecs
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field

from insight_app.chat import prompts
from insight_app.chat.reading_apart import SECONDS
from insight_app.chat.reading_turns import ReadingTurns
from insight_app.config import PROJECT
from insight_app.errors import FileEmpty, FileRefused, FileTooLong, FileUnreadable, every_error

# Before the mark of UTF-16, with which it begins.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_PICTURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a")
# No text has these, whatever it is written in; a form feed and the colours of a terminal are in some.
_NEVER_IN_TEXT = bytes(set(range(32)) - set(b"\t\n\r\f\x1b\b"))
_turns = ReadingTurns()


@dataclass(frozen=True, slots=True)
class Read:
    """What came of a file: `text` of a text or a PDF, `body` of an image, made anew."""

    kind: str
    media_type: str
    text: str = field(default="", repr=False)
    body: bytes | None = field(default=None, repr=False)


def read(name: str, data: bytes, longest: int, person: str = "") -> Read:
    """What is in the file of that name, which is the person's. Raises FileRefused; `longest` is how many characters its
    text may have.
    """
    if not data:
        raise FileEmpty(name=name)
    if is_picture(data):
        about, body = _apart("image", name, data, longest, person)
        return Read("image", about["type"], body=body)
    if b"%PDF-" in data[:1024]:
        _, body = _apart("pdf", name, data, longest, person)
        return Read("pdf", "application/pdf", prompts.clean(body.decode("utf-8", "replace")))
    text = decoded(data)
    if text is None:
        raise FileUnreadable(name=name)
    text = prompts.clean(text)
    if not text.strip():
        raise FileEmpty(name=name)
    if len(text) > longest:
        raise FileTooLong(name=name, limit=longest)
    return Read("text", "text/plain", text)


def is_picture(data: bytes) -> bool:
    """Whether it begins like one."""
    return data.startswith(_PICTURES) or (data[:4] == b"RIFF" and data[8:12] == b"WEBP")


def decoded(data: bytes) -> str | None:
    """The text that these bytes are; None where they are none: UTF-8, UTF-16 and -32 with their mark, else Latin-1."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            try:
                return data.decode(encoding)
            except UnicodeDecodeError:
                return None
    if len(data.translate(None, _NEVER_IN_TEXT)) < len(data):
        return None
    # Windows' own Latin-1 has quotation marks and dashes where the other one has nothing.
    for encoding in ("utf-8", "cp1252", "latin-1"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return None


def _apart(kind: str, name: str, data: bytes, longest: int, person: str) -> tuple[dict[str, str], bytes]:
    """What the other process says of the file: some facts, and the text or the picture."""
    command = [sys.executable, "-B", "-m", "insight_app.chat.reading_apart", kind, str(longest)]
    kept = {name: value for name in ("SYSTEMROOT", "PATH") if (value := os.environ.get(name))}  # none of our secrets
    with _turns.turn(person, name):
        try:
            done = subprocess.run(
                command, cwd=PROJECT, env=kept, input=data, capture_output=True, timeout=SECONDS + 5, check=False
            )
            head, _, body = done.stdout.partition(b"\n")
            about = json.loads(head)
        except (subprocess.TimeoutExpired, ValueError):  # it was ended, by us or by its limits
            about, body = {"problem": "file_too_much"}, b""
    if problem := about.get("problem"):
        kind_of_error = every_error(FileRefused).get(problem, FileUnreadable)
        raise kind_of_error(name=name, limit=longest)
    return about, body
