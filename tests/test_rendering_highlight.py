"""Colours never change code, and never cost an answer."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pygments.lexers.python import PythonLexer

from insight_app.rendering.highlight import LONGEST, highlight

LANGUAGES = (
    "python",
    "js",
    "ts",
    "bash",
    "json",
    "html",
    "css",
    "c++",
    "rust",
    "go",
    "sql",
    "yaml",
    "diff",
    "console",
    "php",
)


def text_of(html: str) -> str:
    return unescape(re.sub(r"<[^>]*>", "", html))


def test_code_is_coloured_by_the_name_of_its_language() -> None:
    assert highlight("def f(): pass", "python") == highlight("def f(): pass", "PYTHON")
    assert '<span class="nf">f</span>' in highlight("def f(): pass", "py")


@given(st.text(max_size=80), st.sampled_from(LANGUAGES))
def test_the_text_of_the_colours_is_the_code(code: str, language: str) -> None:
    assert text_of(highlight(code, language)) == code


@pytest.mark.parametrize("language", ["", "text", "no such language", "../../etc", "<b>", "\0"])
def test_without_a_lexer_code_is_plain(language: str) -> None:
    assert highlight("a < b & c\n", language) == "a &lt; b &amp; c\n"


def test_code_beyond_reason_is_plain() -> None:
    assert highlight("x" * (LONGEST + 1), "python") == "x" * (LONGEST + 1)


def fails(*_: Any) -> Any:
    raise RuntimeError("a bug in a lexer")


def test_a_lexer_that_fails_leaves_code_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PythonLexer, "get_tokens_unprocessed", fails)
    assert highlight("def f", "python") == "def f"


def test_a_lexer_that_loses_text_leaves_code_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    from insight_app.rendering import highlight as module

    losing = type("Losing", (PythonLexer,), {"get_tokens_unprocessed": lambda self, text: iter(())})
    monkeypatch.setattr(module, "_lexer", lambda name: losing)
    assert highlight("def f", "python") == "def f"


@pytest.mark.parametrize(("language", "code"), [("make", "-" * 15_000), ("java", "a " * 8_000), ("yaml", "x" * 30_000)])
def test_code_that_a_lexer_would_chew_on_for_seconds_stays_plain(language: str, code: str) -> None:
    assert "<span" not in highlight(code, language)


def test_a_lexer_that_takes_too_long_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("insight_app.rendering.highlight.LONGEST_SECONDS", -1)
    assert highlight("x = 1\n", "python") == "x = 1\n"
