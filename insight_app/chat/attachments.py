"""What is sent along with a prompt: text, the text of a PDF, or a picture; and how a model reads it.

A text stands before what the person wrote, in a fence that is longer than any that stands in it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field

from insight_app.errors import TooManyFiles

MOST_FILES = 10  # with one message
LONGEST_NAME = 120  # characters
IMAGE_TOKENS = 768  # what Ollama itself counts for one, whatever its size
_TICKS = re.compile("`+")
# What turns the direction of everything that follows; a name could so look like another one.
_TURNING = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class Attachment:
    """`kind` is "text", "pdf" or "image"; `size` what was sent, in bytes.

    `text` is what a model reads of it, "" for an image, and where nobody asked for it. `message_id` is None as long as
    it was not sent.
    """

    id: str
    name: str
    kind: str
    media_type: str
    size: int
    text: str = field(default="", repr=False)
    message_id: int | None = None

    @property
    def is_image(self) -> bool:
        return self.kind == "image"


def name_of(given: str) -> str:
    """A file's name as it is shown and sent: one line, no folder, at most LONGEST_NAME characters, never empty."""
    name = re.split(r"[/\\]", given)[-1]
    name = _TURNING.sub("", name)
    name = "".join(" " if unicodedata.category(each) in _NO_LETTERS else each for each in name)
    name = " ".join(name.split()).strip(". ")
    if len(name) > LONGEST_NAME:
        begin, dot, ending = name.rpartition(".")
        ending = dot + ending if begin and len(ending) <= 12 else ""
        name = name[: LONGEST_NAME - len(ending) - 1].rstrip() + "…" + ending
    return name or "file"


_NO_LETTERS = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def expect_few(count: int) -> None:
    """Raises TooManyFiles."""
    if count > MOST_FILES:
        raise TooManyFiles(limit=MOST_FILES)


def names(attached: Sequence[Attachment]) -> str:
    """What stands for the words of a prompt that has none."""
    return ", ".join(each.name for each in attached)


def said(text: str, attached: Sequence[Attachment]) -> str:
    """What a model reads of a prompt: its files, each in a fence of its own, and then what was written."""
    parts = [_fenced(each) for each in attached if not each.is_image]
    return "\n\n".join([*parts, text] if text else parts) if parts else text


def _fenced(attached: Attachment) -> str:
    # A blank line in the name, or a fence, would end what the name belongs to.
    name = attached.name.replace("`", "'")
    longest = max((len(run) for run in _TICKS.findall(attached.text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"File “{name}”:\n{fence}\n{attached.text}\n{fence}"
