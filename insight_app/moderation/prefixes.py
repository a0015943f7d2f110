"""What has begun: from a pattern, another one that matches every beginning of what it matches.

While the end of a growing text is such a beginning, it must wait. RE2 has accepted a pattern before it is read here, so
this reader need not refuse bad syntax; it must only never misread good syntax, which its tests compare with RE2.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from insight_app.words import _

_TOKENS = re.compile(
    r"""
    (?P<quoted>   \\Q(?P<literal>.*?)(?:\\E|\Z) )
  | (?P<flags>    \(\?(?P<change>[imsU]*(?:-[imsU]+)?)(?P<stays>[:)]) )
  | (?P<opens>    \((?:\?P?<\w+>)? )
  | (?P<closes>   \) )
  | (?P<or>       \| )
  | (?P<repeats>  (?: [*+?] | \{(?P<low>\d+)(?P<to>,(?P<high>\d*))?\} )\?? )
  | (?P<between>  \\[AzbB] | [$^] )
  | (?P<one>      \[\^?\]? (?: \[:\^?\w+:\] | \\. | [^\]\\] )* \]
                | \\[pP] (?: \{[^}]*\} | . )
                | \\x (?: \{[^}]*\} | .. )
                | \\ (?: 0[0-7]{0,2} | [1-7][0-7]{1,2} )
                | \\. | . )
    """,
    re.VERBOSE | re.DOTALL,
)
_DEEP = 40  # parts that are nested into each other; RE2 allows 1,000 and the patterns in them need some too


@dataclass(frozen=True)
class Part:
    """A piece of a pattern: its text, a pattern for its beginnings (the empty one too), the least length it matches."""

    whole: str
    begun: str
    least: int
    is_one: bool = False  # whether it has no beginning between nothing and the whole


def read(pattern: str) -> Part:
    """A pattern that RE2 accepts, without its groups' names. ValueError where it is beyond this reader."""
    return _Reader(pattern).alternatives("")


class _Reader:
    def __init__(self, pattern: str) -> None:
        self._tokens = list(_TOKENS.finditer(pattern))
        self._next = 0

    def alternatives(self, flags: str) -> Part:
        """Up to the group's closing bracket, or the end."""
        branches: list[list[Part]] = [[]]
        while self._next < len(self._tokens):
            token = self._tokens[self._next]
            self._next += 1
            parts = branches[-1]
            if token["closes"]:
                break
            if token["or"]:
                branches.append([])
            elif token["opens"]:
                parts.append(self.alternatives(flags))
            elif token["flags"]:
                changed = _changed(flags, token["change"])
                if token["stays"] == ":":
                    parts.append(self.alternatives(changed))
                else:
                    flags = changed
            elif token["repeats"]:
                if not parts:
                    raise ValueError(_("It repeats what is not there."))
                parts.append(_repeated(parts.pop(), *_bounds(token)))
            elif token["quoted"]:
                parts.extend(_one(re.escape(letter), flags) for letter in token["literal"])
            elif token["between"]:
                parts.append(_one(token[0], flags, least=0))
            elif token[0] == r"\C":
                raise ValueError(_("\\C matches parts of characters, which is not allowed here."))
            else:
                parts.append(_one(r"\{" if token[0] == "{" else token[0], flags))
        every = [_sequence(branch) for branch in branches]
        if len(every) == 1:
            return every[0]
        whole = "(?:" + "|".join(part.whole for part in every) + ")"
        begun = "(?:" + "|".join(part.begun for part in every) + ")"
        return Part(whole, begun, min(part.least for part in every))


def _changed(flags: str, change: str) -> str:
    on, _sign, off = change.partition("-")
    return "".join(flag for flag in "ims" if flag not in off and (flag in on or flag in flags))


def _bounds(token: re.Match[str]) -> tuple[int, int | None]:
    if token["low"] is None:
        return {"*": (0, None), "+": (1, None), "?": (0, 1)}[token[0][0]]
    low = int(token["low"])
    return low, low if token["to"] is None else int(token["high"]) if token["high"] else None


def _one(text: str, flags: str, least: int = 1) -> Part:
    whole = f"(?{flags}:{text})" if flags else text
    return Part(whole, f"(?:{whole})?", least, is_one=True)


def _repeated(part: Part, low: int, high: int | None) -> Part:
    many = "" if high is None else str(high)
    whole = f"(?:{part.whole}){{{low},{many}}}"
    if high == 0:
        begun = ""
    elif part.is_one:
        begun = f"(?:{part.whole}){{0,{many}}}"
    else:
        before = "" if high is None else str(high - 1)
        begun = f"(?:(?:{part.whole}){{0,{before}}}{part.begun})"
    return Part(whole, begun, low * part.least)


def _sequence(parts: Sequence[Part]) -> Part:
    """One after the other: begun in the first, or past it and begun in the rest."""
    whole = "(?:" + "".join(part.whole for part in parts) + ")"
    least = sum(part.least for part in parts)
    if len(parts) > _DEEP:
        middle = len(parts) // 2
        first, rest = _sequence(parts[:middle]), _sequence(parts[middle:])
        return Part(whole, f"(?:{first.begun}|{first.whole}{rest.begun})", least)
    begun = ""
    for part in reversed(parts):
        if part.is_one:
            begun = f"(?:{part.whole}{begun})?"
        else:
            begun = f"(?:{part.begun}|{part.whole}{begun})" if begun else part.begun
    return Part(whole, begun, least, is_one=len(parts) == 1 and parts[0].is_one)
