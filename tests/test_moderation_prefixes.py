"""What has begun is never missed: every beginning of what a pattern matches is matched by its beginnings."""

from __future__ import annotations

import pytest
import re2
from hypothesis import assume, given
from hypothesis import strategies as st
from moderation_texts import PATTERNS

from insight_app.moderation.patterns import compiled
from insight_app.moderation.prefixes import read

ATOMS = st.sampled_from(
    ["a", "b", "-", "é", ".", r"\w", r"\d", r"\pL", "[ab]", "[^a]", "[]a]", "[^]b]", "[[:alpha:]-]", r"[\]a]", r"\x61",
     r"\x{62}", r"\101", r"\.", "(?i)", "(?s)", "(?i:B)", "(?-i:a)", r"\Qa.b\E", r"\Q",
     "^", "$", r"\b", r"\B", r"\A", r"\z",
     "(?m)", "{", "{,2}", "}", "]", r"\pN", r"\p{^L}", r"[\pL1]", r"\n", r"\0", "(?U)"]
)  # fmt: skip
REPEATS = st.sampled_from(["*", "+", "?", "*?", "+?", "??", "{2}", "{1,2}", "{0,2}?", "{1,}", "{0}"])


def larger(smaller: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.lists(smaller, max_size=5).map("".join),
        st.lists(smaller, min_size=2, max_size=3).map("|".join).map("(?:{})".format),
        st.tuples(st.sampled_from(["(", "(?:", "(?P<n>", "(?<m>", "(?i:", "(?s-i:"]), smaller).map(
            "{0[0]}{0[1]})".format
        ),
        st.tuples(smaller, REPEATS).map("".join),
    )


WRITTEN = st.recursive(ATOMS, larger, max_leaves=10)
TEXTS = st.text(st.sampled_from("aabbABé.-{}]1\n ,2"), max_size=9)


@given(st.sampled_from(PATTERNS) | WRITTEN, TEXTS)
def test_every_beginning_of_a_match_is_recognised(pattern: str, text: str) -> None:
    try:
        expression = compiled(pattern)
    except ValueError:
        assume(False)
    part = read(pattern)
    begun = compiled(f"(?:{part.begun})\\z")
    for place in range(len(text)):
        found = expression.match(text, place)
        rewritten = compiled(f"(?:{part.whole})").match(text, place)
        assert (found is None) == (rewritten is None)
        if found:
            assert len(found.group()) >= part.least
            for end in range(place, found.end() + 1):
                assert begun.match(text[:end], place), text[place:end]


@given(st.sampled_from(PATTERNS) | WRITTEN, TEXTS)
def test_what_can_match_nothing_is_known_to(pattern: str, text: str) -> None:
    try:
        expression = compiled(pattern)
    except ValueError:
        assume(False)
    if any(found.end() == found.start() for found in expression.finditer(text)):
        assert read(pattern).least == 0


def test_what_cannot_go_on_has_not_begun() -> None:
    beginnings = read(r"(?i)item-\d{2,3}(?:/[a-f]+)?").begun
    begun = compiled(f"(?:{beginnings})\\z")
    going = ["", "I", "item", "item-", "item-1", "item-123", "item-12/", "ITEM-12/ABC"]
    assert [begun.match(text) is not None for text in going] == [True] * len(going)
    over = ["x", "itex", "item-x", "item-1/", "item-1234", "item-12/g", "item-12 "]
    assert [begun.match(text) is not None for text in over] == [False] * len(over)


@pytest.mark.parametrize(
    "pattern", ["a" * 2000, "(?:ab)" * 300, "(" * 200 + "a" + ")" * 200, "(?:a|b" * 100 + ")" * 100]
)
def test_a_long_or_deep_pattern_has_beginnings_of_bearable_size(pattern: str) -> None:
    whole, begun = compiled(pattern), compiled(f"(?:{read(pattern).begun})\\z")
    assert begun.programsize < 40 * whole.programsize


def test_a_pattern_is_compiled_by_the_library_that_is_linear_in_the_text() -> None:
    assert type(compiled("a")) is type(re2.compile("a"))
