"""The families of models that judge texts: what each is asked, what it answers, and what it knows, in plain words."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Literal, Protocol

Role = Literal["system", "user", "assistant"]


class Fate(str, Enum):
    """What happens to what a category is found in, from the strictest on."""

    REFUSE = "refuse"
    FLAG = "flag"  # let through, and counted
    IGNORE = "ignore"


@dataclass(frozen=True, slots=True)
class Category:
    """Something that a family looks for. `code` is the family's word for it; a refusal says the `public_reason`."""

    code: str
    words: str
    public_reason: str
    fate: Fate = Fate.REFUSE  # unless somebody sets another


@dataclass(frozen=True, slots=True)
class Exchange:
    """What is judged: a prompt, or what an answer to it has so far."""

    prompt: str
    answer: str | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """One request: (role, text) turns, or a `raw` text. `asks` is the category that it is about, "" for all of them."""

    turns: Sequence[tuple[Role, str]] = ()
    raw: str = ""
    asks: str = ""


class Family(Protocol):
    name: str
    example: str  # of a model of it, as one would pull it
    each_asked: bool  # whether each category is a request of its own
    categories: Sequence[Category]

    def knows(self, model: str) -> bool:
        """Whether a model of this name, without tag and owner and in lower case, is one of them."""
        ...

    def questions(self, exchange: Exchange, codes: Sequence[str]) -> Sequence[Question]:
        """What to ask for these categories, in their order."""
        ...

    def found(self, question: Question, reply: str) -> Collection[str]:
        """The codes of what was found. Raises ValueError where the reply is no verdict."""
        ...


def plain(text: str) -> str:
    """`text` without the marks by which a family's format tells its parts: nobody may write a verdict of their own.

    Ollama turns such marks into the model's control tokens wherever they stand.
    """
    return re.sub(r"<(?=[|/\w])", "[", text)


def yes_or_no(reply: str) -> bool:
    """Raises ValueError where it is neither."""
    word = re.match(r"\s*(yes|no)\b", reply, re.IGNORECASE)
    if word is None:
        raise ValueError("neither yes nor no")
    return word[1].lower() == "yes"
