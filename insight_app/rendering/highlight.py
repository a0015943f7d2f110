"""Colours for finished code: Pygments by the name that the fence gives, and plain text where that fails."""

from __future__ import annotations

import time
from functools import lru_cache
from html import escape

from pygments.lexer import Lexer
from pygments.lexers import find_lexer_class_by_name
from pygments.token import STANDARD_TYPES, _TokenType
from pygments.util import ClassNotFound

# Colours take some milliseconds for each thousand characters, during which nobody else is served. Some lexers are
# quadratic, most of them in the length of a line: a model that repeats itself must not stop the server.
LONGEST = 20_000
LONGEST_LINE = 1_000
LONGEST_SECONDS = 0.25
# Spans around these would double the size of the page and change nothing on it.
COLOURLESS = frozenset({"", "w", "p"})


def highlight(code: str, language: str) -> str:
    """The code as HTML whose text is exactly the code; with spans of Pygments' short classes where it has a lexer."""
    lexer = _lexer(language.lower()) if language and _is_bearable(code) else None
    if lexer is not None:
        try:
            return _coloured(code, lexer())
        except Exception:  # One of 500 lexers failing must not cost the answer.
            pass
    return escape(code, quote=False)


def _is_bearable(code: str) -> bool:
    return len(code) <= LONGEST and max(map(len, code.split("\n"))) <= LONGEST_LINE


@lru_cache(maxsize=256)
def _lexer(name: str) -> type[Lexer] | None:
    try:
        return find_lexer_class_by_name(name)
    except ClassNotFound:
        return None


@lru_cache(maxsize=1024)
def _css_class(kind: _TokenType) -> str:
    while kind not in STANDARD_TYPES and kind.parent is not None:
        kind = kind.parent
    return STANDARD_TYPES.get(kind, "")


def _coloured(code: str, lexer: Lexer) -> str:
    runs: list[tuple[str, list[str]]] = []
    until = time.thread_time() + LONGEST_SECONDS
    for _, kind, value in lexer.get_tokens_unprocessed(code):
        if time.thread_time() > until:
            raise TimeoutError
        name = _css_class(kind)
        if runs and runs[-1][0] == name:
            runs[-1][1].append(value)
        else:
            runs.append((name, [value]))
    pieces = [(name, "".join(values)) for name, values in runs]
    if "".join(value for _, value in pieces) != code:
        raise ValueError("the lexer changed the text")
    return "".join(
        text if name in COLOURLESS else f'<span class="{name}">{text}</span>'
        for name, text in ((name, escape(value, quote=False)) for name, value in pieces)
    )
