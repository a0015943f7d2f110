"""A detector knows one kind of personal data: a shape that finds what might be one, and a check that knows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

# What people and their programs put between the groups of a number. No line break: a number stands on one line.
GAPS = " \u00a0\u202f"
DASHES = "\u2010\u2011\u2013-"  # the plain one last, so that it can end a class of a pattern
_PLAIN = str.maketrans({**dict.fromkeys(GAPS, " "), **dict.fromkeys(DASHES, "-")})
_RUNS = re.compile(r"[0-9A-Za-z_]+")
_TOKEN = re.compile(r"[0-9A-Za-z_]+(?:\.[0-9A-Za-z_]+)*")


def token(candidate: str) -> int:
    """How long the word or dotted number is with which `candidate` begins, at least 1.

    What failed at the beginning of 0.4111111111111111 or of 1.2.3.4.5 is not to be found further within it.
    """
    found = _TOKEN.match(candidate)
    return found.end() if found else 1


@dataclass(frozen=True)
class Detector:
    """One kind of personal data.

    At a place of a text `shape` is matched first, against `longest` characters at most; then `length` is asked with
    what it matched. Shapes are greedy and take a character more than is needed, so that `length` sees where a number
    goes on; one begun is given up as soon as possible, because a streamed text waits for it.
    """

    name: str  # words for people: "payment card"
    shape: str  # for RE2; \b only at the beginning
    length: Callable[[str], int]  # how many characters of the beginning are one; 0: none. Pure
    longest: int = 200  # characters
    skip: Callable[[str], int] = token  # where `length` is 0: how many characters further one can begin, at least 1


def plain(candidate: str) -> str:
    """The same length, with one kind of space and one of hyphen."""
    return candidate.translate(_PLAIN)


def ends(candidate: str) -> Iterator[int]:
    """Where words and numbers end in `candidate`, the last first."""
    return reversed([run.end() for run in _RUNS.finditer(candidate)])
