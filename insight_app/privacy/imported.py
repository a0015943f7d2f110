"""What an import brings: a conversation with its messages, whoever made the file, as it may be kept here."""

from __future__ import annotations

import hashlib
import heapq
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

LONGEST_TITLE = 200
LONGEST_NAME = 255


@dataclass(slots=True)
class ImportedFile:
    """What went with a prompt, as the upload has it: `text`, or `body`, or the name `inside` of it.

    Nobody has looked into it yet, and `kind` is "" where nobody knows it.
    """

    name: str
    kind: str = ""
    text: str = ""
    body: bytes = b""
    inside: str = ""
    size: int = 0
    media_type: str = ""
    created_at: float | None = None


@dataclass(slots=True)
class ImportedMessage:
    """`key` and `parent` are names in the file. `extra` are columns that only our own files know."""

    key: str
    parent: str | None
    role: str
    text: str
    thinking: str = ""
    model: str = ""
    state: str = "done"
    created_at: float = 0.0
    finished_at: float | None = None
    rating: int | None = None
    extra: dict[str, Any] = field(default_factory=dict)
    files: list[ImportedFile] = field(default_factory=list)

    @property
    def size(self) -> int:
        """In characters, and bytes of files."""
        return len(self.text) + len(self.thinking) + sum(len(each.text) + len(each.body) for each in self.files)


@dataclass(frozen=True, slots=True)
class Imported:
    """`origin` is what it was called there, "" where it had no name; `messages` come after those they follow.

    `left_at` is the message that its page there showed last, None where that is not known.
    """

    source: str
    origin: str
    title: str
    created_at: float
    updated_at: float
    messages: Sequence[ImportedMessage]
    is_pinned: bool = False
    is_archived: bool = False
    instructions: str = ""
    options: str = ""
    titled_by: str = "person"
    left_out: int = 0  # files and pictures that are not among those of its messages
    left_at: str | None = None

    def id_for(self, owner: str) -> str:
        """The same for the same conversation, whenever one person brings it; another where anything was added."""
        known = [owner, self.source, self.origin, self.title]
        known += [f"{each.role} {each.text}" for each in self.messages]
        known += [f"file {file.name}" for each in self.messages for file in each.files]
        digest = hashlib.sha256("\0".join(known).encode("utf-8", "surrogatepass")).hexdigest()
        return f"i{digest[:23]}"

    def in_turn(self) -> list[ImportedMessage]:
        """Its messages in the order to keep them in: a page shows what leads to the last one, so where it was left."""
        below: set[str] = set()
        last: ImportedMessage | None = None
        for each in self.messages:
            if each.key == self.left_at or each.parent in below:
                below.add(each.key)
                last = each
        if last is None:
            return list(self.messages)
        return [*(each for each in self.messages if each is not last), last]


def text_of(value: object) -> str:
    """A text, or "" for what is none."""
    return value if isinstance(value, str) else ""


def name_of(value: object) -> str:
    """A name that fits into its column."""
    return text_of(value)[:LONGEST_NAME]


def title_of(value: object) -> str:
    return " ".join(text_of(value).split())[:LONGEST_TITLE]


def time_of(value: object, otherwise: float) -> float:
    """Seconds since 1970, not in the future: what came last stands first in the list."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return otherwise
    try:
        seconds = float(value)
    except OverflowError:
        return otherwise
    if not math.isfinite(seconds) or seconds < 0:
        return otherwise
    return min(seconds, time.time())


def dicts_of(value: object) -> list[dict[str, Any]]:
    """The objects among the items of a list."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def nearest(parents: Mapping[str, str | None], kept: Mapping[str, Any]) -> dict[str, str | None]:
    """For each kept message the nearest kept one before it, over those that were left out; None in a circle."""
    found: dict[str, str | None] = {}
    for key in kept:
        way: list[str] = []
        seen: set[str] = set()
        at = parents.get(key)
        while at is not None and at not in kept and at not in found and at not in seen:
            seen.add(at)
            way.append(at)
            at = parents.get(at)
        end = at if at in kept else found.get(at) if at is not None and at in found else None
        found.update(dict.fromkeys(way, end))  # the same way is gone but once
        found[key] = end
    return {key: found[key] for key in kept}


def taken_as(key: object, parents: Mapping[str, str | None], messages: Iterable[ImportedMessage]) -> str | None:
    """The message that has what a message of the file said, or else the nearest one before it."""
    keys = {each.key for each in messages}
    seen: set[str] = set()
    at = text_of(key) or None
    while at is not None and at not in keys and at not in seen:
        seen.add(at)
        at = parents.get(at)
    return at if at in keys else None


def in_order(messages: Iterable[ImportedMessage], *, by_time: bool) -> list[ImportedMessage]:
    """Each after the one it follows, else the older first (`by_time`) or as they are given; a circle is opened."""
    every = {each.key: each for each in messages}
    places = {key: (each.created_at if by_time else 0.0, place) for place, (key, each) in enumerate(every.items())}
    after: dict[str | None, list[str]] = {}
    for each in every.values():
        parent = each.parent if each.parent in every and each.parent != each.key else None
        after.setdefault(parent, []).append(each.key)
    done: dict[str, ImportedMessage] = {}
    waiting: list[tuple[tuple[float, int], str, str | None]] = [(places[key], key, None) for key in after.get(None, ())]
    heapq.heapify(waiting)
    rest = iter(sorted(every, key=places.__getitem__))
    while len(done) < len(every):
        if not waiting:  # only circles are left
            key = next(key for key in rest if key not in done)
            waiting = [(places[key], key, None)]
        _, key, before = heapq.heappop(waiting)
        if key in done:
            continue
        done[key] = replace(every[key], parent=before)
        for child in after.get(key, ()):
            heapq.heappush(waiting, (places[child], child, key))
    return list(done.values())


def alternating(messages: Iterable[ImportedMessage], opening: str) -> list[ImportedMessage]:
    """Prompts and answers in turn, as everything here expects; given in order.

    What one role said in several messages is one; where they branch, each is a try in the place of the first. A
    conversation that begins with an answer gets a prompt before it.
    """
    given = list(messages)
    children: dict[str | None, int] = {}
    for each in given:
        children[each.parent] = children.get(each.parent, 0) + 1
    made: dict[str, ImportedMessage] = {}
    parts: dict[str, list[str]] = {}  # joined at the end: there may be a hundred thousand, each of which is longer
    thoughts: dict[str, list[str]] = {}
    is_now: dict[str, str] = {}  # where what a message said went
    for each in given:
        before = made[is_now[each.parent]] if each.parent is not None else None
        if before is not None and before.role == each.role:
            if children[each.parent] == 1:
                parts[before.key].append(each.text)
                thoughts[before.key].append(each.thinking)
                before.model = before.model or each.model
                before.finished_at = each.finished_at or before.finished_at
                before.files += each.files
                is_now[each.key] = before.key
                continue
            parent = before.parent
        else:
            parent = before.key if before else None
        if parent is None and each.role == "assistant":
            parent = f"{each.key} was asked"
            made[parent] = ImportedMessage(parent, None, "user", opening, created_at=each.created_at)
            parts[parent], thoughts[parent] = [opening], []
        made[each.key] = replace(each, parent=parent, files=list(each.files))
        parts[each.key], thoughts[each.key] = [each.text], [each.thinking]
        is_now[each.key] = each.key
    for key, each in made.items():
        each.text, each.thinking = ("\n\n".join(filter(None, said[key])) for said in (parts, thoughts))
    return list(made.values())
