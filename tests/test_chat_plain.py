"""What a hit shows of an answer is what somebody reads, with what was found marked as before."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insight_app.chat.plain import unmarked
from insight_app.chat.searching import LOOKED_THROUGH, excerpt, parse

SAID = {
    "The **bold** and _slanted_ ***both*** ~~gone~~ word": "The bold and slanted both gone [word]",
    "# Heading\n\n* one\n* [x] two `code` word": "Heading • one • two code [word]",
    "> quoted\n> > word": "quoted [word]",
    "See [the *docs*](https://example.com/a_(b)) word": "See the docs [word]",
    "See [the *docs*](http://a.b/c \"T\") ![a picture](x.png) word": "See the docs a picture [word]",
    "[docs](https://example.com/word)": "docs (https://example.com/[word])",
    "<https://example.com/word>": "https://example.com/[word]",
    "```python\nx ** 2 ** 3 # word\n```\nAfter": "x ** 2 ** 3 # [word] After",
    "```word\nx\n```": "```[word] x",
    "~~~\n**not bold** word\n": "**not bold** [word]",
    "| a | b |\n|---|:-:|\n| **word** | c |": "a b [word] c",
    "`__init__` word foo_bar_baz 2*3*4": "__init__ [word] foo_bar_baz 2*3*4",
    "\\*kept\\* word[^1]": "*kept* [word]",
    "**word** *word*": "[word] [word]",
    "wo**rd** word": "wo**rd** [word]",
    "---\nword": "[word]",
}  # fmt: skip


@pytest.mark.parametrize(("text", "shown"), SAID.items())
def test_an_answer_is_shown_without_its_marks(text: str, shown: str) -> None:
    pieces = excerpt(text, parse("word"), is_markdown=True).pieces
    said = "".join(f"[{piece}]" if is_hit else piece for piece, is_hit in pieces)
    assert " ".join(said.split()) == shown


def test_what_was_found_in_marks_or_across_them_is_still_marked() -> None:
    pieces = excerpt("a **bold** word", parse('"bold word"'), is_markdown=True).pieces
    assert pieces == [("a ", False), ("bold word", True)]
    assert ("**", True) in excerpt("a ** b", parse("**"), is_markdown=True).pieces


def test_what_begins_before_and_ends_after_the_excerpt_leaves_no_marks() -> None:
    text = (
        f"{'far ' * 100}**begins {'here ' * 30} word and [a link {'very ' * 40} long](https://example.com) {'x ' * 300}"
    )
    said = "".join(piece for piece, _ in excerpt(text, parse("word"), is_markdown=True).pieces)
    assert "[" not in said
    fenced = "```\n" + "code ** 2\n" * 200 + "word ** 3 ** 4\n```"
    assert "** 3 **" in "".join(piece for piece, _ in excerpt(fenced, parse("word"), is_markdown=True).pieces)


marked = st.text(st.sampled_from("ab *_`~[](){}<>|#-\\\n!é1"), max_size=80)


@given(marked, st.data())
def test_no_letter_that_was_found_is_lost_whatever_stands_around(text: str, data: st.DataObject) -> None:
    places = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    hits = [(a, b) for a, b in zip(places[::2], places[1::2], strict=False) if a < b]
    begin, end = data.draw(st.integers(0, min([len(text), *(a for a, _ in hits)]))), len(text)
    shown, until, moved = unmarked(text, begin, end, hits)
    assert shown[:begin] == text[:begin]
    assert until == len(shown)
    for (a, b), (start, stop) in zip(hits, moved, strict=True):
        letters = [each for each in text[a:b] if each.isalnum()]
        assert [each for each in shown[start:stop] if each.isalnum()] == letters
        assert letters or not text[a:b].strip() or start <= stop


@pytest.mark.parametrize(
    ("text", "typed", "shown"),
    [
        ("a" + "\u0301" * LOOKED_THROUGH, '"a b"', ""),
        ("a" + "\u0301" * (LOOKED_THROUGH - 10) + " c a, b", '"a b"', "[a, b]"),
        ("~" * (LOOKED_THROUGH - 10) + "`\nword", "word", "[word]"),
        ("a b" + " _" * LOOKED_THROUGH + " c", '"a b c"', ""),
    ],
    ids=["accents", "accents before it", "a row of tildes", "what is no word"],
)
def test_no_text_takes_long_to_look_through(text: str, typed: str, shown: str) -> None:
    began = time.process_time()
    found = "".join(
        f"[{piece}]" if is_hit else piece for piece, is_hit in excerpt(text, parse(typed), is_markdown=True).pieces
    )
    assert time.process_time() - began < 5, "it grows with the text, and not with its square, which takes an hour"
    assert shown in found
    assert shown or "[" not in found
