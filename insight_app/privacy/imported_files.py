"""The files of conversations that are brought: looked into as if somebody attached them now, or left out."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from insight_app.chat import prompts, reading
from insight_app.chat.attachments import MOST_FILES, name_of
from insight_app.errors import FileRefused, FileWaits
from insight_app.privacy.imported import Imported, ImportedFile

# Of one upload: a small one can name a hundred thousand pictures, each a process.
MOST_SECONDS = 300.0
PAUSE_SECONDS = 0.5  # until a file is tried again that others stood before
KINDS = {"text": "text/plain", "pdf": "application/pdf"}
# What the upload has under a name inside of it; b"" for nothing, or for more than so many bytes.
Inside = Callable[[str, int], bytes]


def pause() -> None:
    time.sleep(PAUSE_SECONDS)


def looked_into(found: Imported, inside: Inside, until: float, person: str, most: int, longest: int) -> Imported:
    """The person's conversation with what can be kept of its files; others count as left out.

    A file may have `most` bytes, and its text be as long as `longest` characters. After `until` (of time.monotonic())
    none is opened. `inside` is as Upload.file(). Waits for processes, which only gevent's first thread can.
    """
    left_out = found.left_out
    for message in found.messages:
        kept: list[ImportedFile] = []
        for each in message.files:
            looked = _looked_into(each, inside, until, person, most, longest) if len(kept) < MOST_FILES else None
            if looked is None or message.role != "user":
                left_out += 1
            else:
                kept.append(looked)
        if message.role == "user" and not (message.text or kept):
            message.text = ", ".join(name_of(each.name) for each in message.files)
        message.files = kept
    return replace(found, left_out=left_out)


def _looked_into(
    file: ImportedFile, inside: Inside, until: float, person: str, most: int, longest: int
) -> ImportedFile | None:
    name = name_of(file.name)
    if file.kind in KINDS:  # it is text already, as it was read where it was attached
        text = prompts.clean(file.text)
        if not text.strip() or len(text) > longest or not most:
            return None
        return replace(file, name=name, text=text, body=b"", media_type=KINDS[file.kind])
    if time.monotonic() > until:
        return None
    data = file.body or (inside(file.inside, most) if file.inside else b"")
    if not data or len(data) > most:
        return None
    read = _read(name, data, longest, person, until)
    if read is None:
        return None
    size = file.size or len(data)
    return replace(
        file, name=name, kind=read.kind, text=read.text, body=read.body or b"", size=size, media_type=read.media_type
    )


def _read(name: str, data: bytes, longest: int, person: str, until: float) -> reading.Read | None:
    while True:
        try:
            return reading.read(name, data, longest, person)
        except FileWaits:  # others have theirs read just now
            if time.monotonic() > until:
                return None
            pause()
        except FileRefused:
            return None
