"""Prompts with places that are filled in when one is used: {{language}}, or {{language=English}} with a default.

A backslash before one, \\{{so}}, leaves the braces as they are. Nothing of a prompt or a value is ever executed, and a
value with braces is a text like any other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

LONGEST_NAME, LONGEST_DEFAULT = 60, 2000  # characters
MOST_VARIABLES = 30
# One run of characters, so that reading takes time in proportion to the text, whatever it holds.
_PLACE = re.compile(r"(\\?)\{\{([^{}\n]{1,2100})\}\}")


@dataclass(frozen=True, slots=True)
class Variable:
    """A place's name, and what stands there unless something else is said."""

    name: str
    default: str = ""


def variables(text: str) -> list[Variable]:
    """Each once, in the order in which they come; its default is the first that is written down.

    Only the first MOST_VARIABLES count: a prompt with more is no form that anybody would fill in.
    """
    found: dict[str, str] = {}
    for place in _PLACE.finditer(text):
        known = _variable(place)
        if known is not None and (known.name in found or len(found) < MOST_VARIABLES):
            found[known.name] = found.get(known.name) or known.default
    return [Variable(name, default) for name, default in found.items()]


def filled(text: str, values: Mapping[str, str]) -> str:
    """The prompt with what was said in its places; where nothing was said its default."""
    return "".join(_pieces(text, values))


def length_filled(text: str, values: Mapping[str, str]) -> int:
    """How long it would be: a long value in thousands of places is no text that memory has room for."""
    return sum(map(len, _pieces(text, values)))


def _pieces(text: str, values: Mapping[str, str]) -> Iterator[str]:
    known = {each.name: values.get(each.name, each.default) for each in variables(text)}
    at = 0
    for place in _PLACE.finditer(text):
        yield text[at : place.start()]
        yield _put(place, known)
        at = place.end()
    yield text[at:]


def _put(place: re.Match[str], known: Mapping[str, str]) -> str:
    if place[1]:
        return place[0][1:] if _parts(place) else place[0]
    variable = _variable(place)
    return place[0] if variable is None else known.get(variable.name, place[0])


def _variable(place: re.Match[str]) -> Variable | None:
    return None if place[1] else _parts(place)


def _parts(place: re.Match[str]) -> Variable | None:
    """None where the braces hold nothing that could be a variable: then they are text."""
    name, _, default = place[2].partition("=")
    name, default = name.strip(), default.strip()
    return Variable(name, default) if 0 < len(name) <= LONGEST_NAME and len(default) <= LONGEST_DEFAULT else None
