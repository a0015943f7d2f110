"""Disguises fall, letters that differ stay different, and each place is found again in the text as it was written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from moderation_texts import LETTERS, TEXTS, origins

from insight_app.moderation.folding import FOLDED, PLAIN, Folding, View

ANYTHING = st.lists(LETTERS | st.characters(), max_size=30).map("".join)
FOLDINGS = pytest.mark.parametrize("folding", [FOLDED, PLAIN], ids=["folded", "plain"])


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        ("Straße", "strasse"),
        ("CAFÉ", "cafe"),
        ("cafe\u0301", "cafe"),
        ("ｆｕｌｌ－ｗｉｄｔｈ", "full-width"),
        ("𝕓𝖆𝒅", "bad"),
        ("b\u200ba\u200cd", "bad"),
        ("b\u00ada\u2060d\ufeff", "bad"),
        ("\u202ebad\u202c", "bad"),
        ("\u200fbad\u200e", "bad"),
        ("b\ufe0fad\U000e0041", "bad"),
        ("bаd", "bad"),  # a Cyrillic а
        ("βαd", "bad"),  # Greek letters
        ("ｱｲ", "アイ"),
        ("a \u00a0\u3000\n\tb", "a b"),
        ("a \u200b b", "a b"),
        ("b⃝ad", "bad"),
        ("b\x00a\x08d", "bad"),
        ("ﬁn", "fin"),
        ("İ", "i"),
        ("ΣΑΣ", "σaσ"),
        ("x´y", "x´y"),
    ],
)
def test_a_disguised_word_is_seen_as_what_it_looks_like(written: str, seen: str) -> None:
    assert FOLDED(written) == seen


@pytest.mark.parametrize(
    ("one", "other"), [("か", "が"), ("कि", "कु"), ("क", "क्"), ("ক", "ক়"), ("ดี", "ดู"), ("하", "한")]
)
def test_letters_that_differ_stay_different(one: str, other: str) -> None:
    assert FOLDED(one) != FOLDED(other)


@pytest.mark.parametrize(
    "word", ["молоко", "рассвет", "ΚΑΛΗΜΕΡΑ", "καλημέρα", "한국어", "ありがとう", "नमस्ते", "שלום", "مرحبا"]
)
def test_a_word_in_any_script_and_case_is_seen_as_itself(word: str) -> None:
    import unicodedata

    assert FOLDED(word)
    for form in ("NFC", "NFD"):
        assert FOLDED(unicodedata.normalize(form, word.upper())) == FOLDED(word.lower()) == FOLDED(word)


def test_for_a_pattern_only_the_unseen_and_the_wide_change() -> None:
    assert PLAIN("Ｃafé\u200b\u0301  ½ № а\n\x00") == "Café\u0301  ½ № а\n\x00"
    assert PLAIN("\ud800") == "\ufffd"


@FOLDINGS
@given(text=ANYTHING, lengths=st.lists(st.integers(1, 5), min_size=1))
def test_a_text_is_seen_alike_however_it_arrives_and_each_place_is_found_again(
    folding: Folding, text: str, lengths: list[int]
) -> None:
    view, place, turn = View(folding), 0, 0
    while place < len(text):
        view.add(text[place : place + lengths[turn % len(lengths)]])
        place, turn = place + lengths[turn % len(lengths)], turn + 1
    seen, places = origins(folding, text)
    assert view.text == seen
    assert view.read == len(text)
    assert [view.began(at) for at in range(len(seen) + 1)] == [*places, len(text)]


@FOLDINGS
@given(text=TEXTS, forgotten=st.integers(0, 40))
def test_what_is_forgotten_moves_nothing_that_is_left(folding: Folding, text: str, forgotten: int) -> None:
    view, whole = View(folding), View(folding)
    whole.add(text)
    for letter in text:
        view.add(letter)
        view.forget(min(forgotten, view.end))
    assert view.text == whole.text[view.start :]
    places = range(view.start + 1, view.end + 1)
    assert [view.began(at) for at in places] == [whole.began(at) for at in places]
    assert [view.ended(at) for at in places if at - 1 >= view.start] == [whole.ended(at) for at in places]


@FOLDINGS
def test_rare_characters_do_not_fill_the_memory(folding: Folding) -> None:
    folding("".join(map(chr, range(0x20000, 0x20400))))
    assert not any(code >= 0x10000 for code in folding.table)
