"""Nothing forbidden is ever shown and then taken back, and nothing else is kept waiting."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st
from moderation_texts import ACTIONS, RULES, TEXTS, made_up, numbered, rule, slowly

from insight_app.moderation import matcher
from insight_app.moderation.matcher import Matcher
from insight_app.moderation.patterns import PatternList, Ready, Search
from insight_app.moderation.rules import Action, Kind, Rule
from insight_app.moderation.screen import Screen, screened
from insight_app.rendering.markdown import render


@pytest.fixture(autouse=True, scope="module")
def _made_up_detectors() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(matcher, "chosen", made_up)
        yield


LENGTHS = st.lists(st.integers(1, 9), min_size=1, max_size=8)


def cut(text: str, lengths: list[int]) -> list[str]:
    pieces, place, turn = [], 0, 0
    while place < len(text):
        length = lengths[turn % len(lengths)]
        pieces.append(text[place : place + length])
        place, turn = place + length, turn + 1
    return pieces


def streamed(screen: Screen, pieces: list[str]) -> str:
    return "".join([*map(screen.feed, pieces), screen.end()])


@given(RULES, TEXTS)
def test_a_whole_text_is_what_its_rules_make_of_it_place_by_place(rules: list[Rule], text: str) -> None:
    result = screened(Matcher(rules), text)
    assert (result.text, result.refusal, result.hits) == slowly(rules, text)


@given(RULES, TEXTS, LENGTHS)
def test_what_was_shown_in_chunks_is_what_the_rules_make_of_the_whole(
    rules: list[Rule], text: str, lengths: list[int]
) -> None:
    compiled = Matcher(rules)
    screen, whole = Screen(compiled), screened(compiled, text)
    assert streamed(screen, cut(text, lengths)) == whole.text
    assert (screen.refusal, screen.hits) == (whole.refusal, whole.hits)


FAR = st.lists(
    st.sampled_from(["a" * 97, "x" * 110, "c", "y", "b", "b ", "ab", "<", ">", "é" * 40, "b\u200b"]), max_size=14
)
FAR_RULES = st.lists(
    st.sampled_from(["(?s)<.*>", "a+b", "c[^y]*", "(?:ab|x)+?y", "b.*$", r"x+\b"]).map(
        lambda text: (Kind.PATTERN, text)
    )
    | st.sampled_from(["far", "two pair far"]).map(lambda text: (Kind.PERSONAL, text))
    | st.just((Kind.PHRASE, "a" * 120 + "b\n" + "b a")),
    min_size=1,
    max_size=4,
).flatmap(lambda texts: st.tuples(*[st.tuples(st.just(text), ACTIONS) for text in texts]).map(list))


@given(FAR_RULES.map(numbered), FAR.map("".join), st.lists(st.integers(1, 120), min_size=1, max_size=8))
def test_matches_of_the_greatest_length_are_found_alike_in_chunks(
    rules: list[Rule], text: str, lengths: list[int]
) -> None:
    compiled = Matcher(rules)
    screen, whole = Screen(compiled), screened(compiled, text)
    assert streamed(screen, cut(text, lengths)) == whole.text
    assert (screen.refusal, screen.hits) == (whole.refusal, whole.hits)
    assert (whole.text, whole.refusal, whole.hits) == slowly(rules, text)


@given(RULES, TEXTS, st.integers(0, 40), LENGTHS)
def test_what_was_shown_before_stays_and_what_it_began_is_masked_where_it_goes_on(
    rules: list[Rule], text: str, place: int, lengths: list[int]
) -> None:
    compiled = Matcher(rules)
    before, new = text[:place], text[place:]
    screen = Screen(compiled, before)
    shown = streamed(screen, cut(new, lengths))
    whole = screened(compiled, text)
    reaching = [(max(start, len(before)), end, by) for start, end, by in whole.places if end > len(before)]
    if not any(by.action is Action.REFUSE for *_, by in whole.places):
        assert screen.hits == {by.id: sum(1 for at in reaching if at[2] == by) for *_, by in reaching}
        covered = {at for start, end, by in reaching if by.action is Action.MASK for at in range(start, end)}
        kept = "".join(letter for at, letter in enumerate(text) if at >= len(before) and at not in covered)
        for by in rules:
            shown = shown.replace(by.label, "")
        assert shown == kept


@given(RULES, TEXTS, st.integers(0, 40))
def test_the_same_rules_again_change_nothing(rules: list[Rule], text: str, place: int) -> None:
    compiled = Matcher(rules)
    screen, whole = Screen(compiled), screened(compiled, text)
    shown = screen.feed(text[:place])
    other = screen.under(compiled)
    assert shown + other.feed(text[place:]) + other.end() == whole.text
    assert (other.refusal, screen.hits + other.hits) == (whole.refusal, whole.hits)


MASKED = "⟦secret⟧"


@pytest.mark.parametrize(
    ("kind", "looked_for", "text", "shown"),
    [
        (Kind.WORDS, "bad", "a bad, BAD badge_bad bad_ 2bad", f"a {MASKED}, {MASKED} badge_bad {MASKED}_ 2bad"),
        (Kind.WORDS, "good, bad,worse\nbest", "bad best betterbest", f"{MASKED} {MASKED} betterbest"),
        (Kind.WORDS, "c++ $hit", "c++, c+++ a$hit", f"{MASKED}, {MASKED}+ a{MASKED}"),
        (Kind.WORDS, "bad", "b\u200ba\u200dd\u200f x", f"{MASKED} x"),
        (Kind.WORDS, "bad", "\u202ebad\u202c", f"\u202e{MASKED}"),
        (Kind.WORDS, "bad", "bа\u0301d \uff22\uff21\uff24 𝕓𝕒𝕕 βad", " ".join([MASKED] * 4)),
        (Kind.WORDS, "bád", "bad b\u0301ad", f"{MASKED} {MASKED}"),
        (Kind.WORDS, "молоко", "МОЛОКО молокозавод", f"{MASKED} молокозавод"),
        (Kind.WORDS, "毒品", "他们卖毒品吗iPhone毒品", f"他们卖{MASKED}吗iPhone{MASKED}"),
        (Kind.WORDS, "ยา", "ขายยาที่นี่", f"ขาย{MASKED}ที่นี่"),
        (Kind.WORDS, "한", "한 한국", f"{MASKED} 한국"),
        (Kind.PHRASE, "the key", "THE\u00a0 \n key, bathe keyed", f"{MASKED}, ba{MASKED}ed"),
        (Kind.PHRASE, "がき", "がきかき", f"{MASKED}かき"),
        (Kind.PHRASE, "か", "がか", f"が{MASKED}"),
        (Kind.PHRASE, "하", "한하", f"한{MASKED}"),
        (Kind.PHRASE, "fi", "ﬁx ofﬁce", f"{MASKED}x of{MASKED}ce"),
        (Kind.PHRASE, "aa", "aaaaa", f"{MASKED}a"),
        (Kind.PHRASE, "שלום", "ש\u05c1לום\u200f", MASKED),
        (Kind.PATTERN, r"\d{3}-\d{2}", "123-45 １２３-４５ 1\u200b23-45", " ".join([MASKED] * 3)),
        (Kind.PATTERN, r"^a", "aa\na", f"{MASKED}a\na"),
        (Kind.PATTERN, r"(?m)^a$", "a\nba\na", f"{MASKED}\nba\n{MASKED}"),
        (Kind.PATTERN, r"a+b", "a" * 300 + "b", "a" * 101 + MASKED),
        (Kind.PATTERN, r"a+$", "a" * 300, "a" * 100 + MASKED),
        (Kind.PATTERN, r"(?s)<.*>", "<" + "x" * 198 + "> <" + "x" * 199 + ">", f"{MASKED} <" + "x" * 199 + ">"),
    ],
)
def test_a_rule_finds_what_it_looks_for(kind: Kind, looked_for: str, text: str, shown: str) -> None:
    compiled = Matcher([rule(looked_for, kind)])
    assert screened(compiled, text).text == shown
    assert streamed(Screen(compiled), list(text)) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("_bad_ __bad__ a_bad_one", f"_{MASKED}_ __{MASKED}__ a_bad_one"),
        ("b**a**d b*a*d b~~a~~d b`a`d b$$a$$d", " ".join([MASKED] * 5)),
        ("&#98;ad &#x62;ad b&zwj;ad b&shy;ad &bad; b&#97d", f"{MASKED} {MASKED} {MASKED} {MASKED} &{MASKED}; b&#97d"),
        ("b[a](http://x.org/(1))d b[a][1]d [b]ad b![a](x)d", f"{MASKED} {MASKED} [{MASKED} {MASKED}"),
        ("[x](_bad_ b[a](_bad_ 'x')d b*a*_d_", f"[x](_{MASKED}_ {MASKED} {MASKED}_"),
        ('[x](u "b[a](<u>)d [x](u "\n- _bad_")', f'[x](u "{MASKED} [x](u "\n- _{MASKED}_")'),
        ("**blue** moon, blue&nbsp;moon", f"**{MASKED}, {MASKED}"),
        ("blue\\\nmoon, > blue\n> moon", f"{MASKED}, > {MASKED}"),
        ("4111**1111**1111 1111", MASKED),
        ("4111\\-1111\\-1111\\-1111", MASKED),
        ("4111 &#49;111 1111 1111", MASKED),
        ("x*bad c++ **c++**", f"x*{MASKED} {MASKED} **{MASKED}**"),
        ("in `snake_bad_case` and R&D, AT&T! a \\ b", "in `snake_bad_case` and R&D, AT&T! a \\ b"),
        ("a" + "b_" * 9, "a" + "b_" * 9),
    ],
)
def test_what_a_page_shows_is_found_however_it_was_written(text: str, shown: str) -> None:
    compiled = Matcher(
        [rule("bad c++"), rule("blue moon", Kind.PHRASE), rule(r"\d{4}[ -]?\d{4}[ -]?\d{4}[ -]?\d{4}", Kind.PATTERN)]
    )
    assert screened(compiled, text).text == shown
    assert streamed(Screen(compiled), list(text)) == shown
    assert "bad" not in _on_the_page(shown).replace("_bad_", "")


def _on_the_page(markdown: str) -> str:
    return unescape(re.sub(r"<[^>]+>", "", render(markdown)))


def test_around_marks_no_more_is_held_than_what_they_may_mean() -> None:
    screen = Screen(Matcher([rule("geheim"), rule("k-[a-z]+", Kind.PATTERN)]))
    shown = 0
    text = "**und** `x` a_b R&D [x](http://y.org) ~~no~~ Hallo! & so weiter\\\n> 1 &lt; 2 &longname " * 20
    for fed, character in enumerate(text, 1):
        shown += len(screen.feed(character))
        assert fed - shown <= 16, text[shown:fed]


@pytest.mark.parametrize("place", range(1, 14))
def test_a_word_that_is_cut_anywhere_is_never_shown(place: int) -> None:
    text = "it is secret, yes"
    screen = Screen(Matcher([rule("secret")]))
    first = screen.feed(text[:place])
    assert "s" not in first.replace(MASKED, "")[6:]
    assert first + screen.feed(text[place:]) + screen.end() == "it is ⟦secret⟧, yes"


def test_masks_that_overlap_are_one_under_the_label_of_the_first() -> None:
    rules = [
        rule("bcd", Kind.PHRASE, name="one"),
        rule("abc", Kind.PHRASE, name="two"),
        rule("e", Kind.PHRASE, name="e"),
    ]
    result = screened(Matcher(rules), "xabcde abcbcd")
    assert result.text == "x⟦two⟧⟦e⟧ ⟦two⟧⟦one⟧"
    assert result.hits == {"one": 2, "two": 2, "e": 1}
    assert [(start, end, by.id) for start, end, by in result.places][:3] == [(1, 4, "two"), (2, 5, "one"), (5, 6, "e")]


def test_a_refusal_ends_the_text_where_the_refused_begins() -> None:
    stop = rule("cd", Kind.PHRASE, Action.REFUSE, "stop")
    rules = [rule("abc", Kind.PHRASE, name="mask"), stop, rule("x", Kind.PHRASE, Action.FLAG, "flag")]
    screen = Screen(Matcher(rules))
    assert screen.feed("xx ") == "xx "
    assert screen.feed("abcd x") == "⟦mask⟧"
    assert screen.refusal == stop
    assert (screen.feed("xx"), screen.end()) == ("", "")
    assert screen.hits == {"flag": 2, "mask": 1, "stop": 1}


def test_of_two_that_begin_at_one_place_the_stricter_acts() -> None:
    rules = [rule("abc", name="mask"), rule("ab", Kind.PHRASE, Action.REFUSE, "stop"), rule("a", Kind.PHRASE, name="b")]
    result = screened(Matcher(rules), "1 abc")
    assert (result.text, result.refusal, result.hits) == ("1 ", rules[1], {"stop": 1})


def test_what_was_shown_before_an_answer_went_on_stays() -> None:
    screen = Screen(
        Matcher([rule("secret"), rule("stop here", action=Action.REFUSE, kind=Kind.PHRASE, name="s")]), "a sec"
    )
    assert screen.feed("ret") == ""
    assert screen.feed(" st") == "⟦secret⟧ "
    assert screen.under(Matcher([])).feed("op") == "stop"
    screen = Screen(Matcher([rule("stop here", Kind.PHRASE, Action.REFUSE)]), "now stop h")
    assert screen.feed("ere and there") == ""
    assert screen.refusal


def test_new_rules_apply_to_what_is_held_and_to_what_they_complete() -> None:
    screen = Screen(Matcher([rule("secret")]))
    assert screen.feed("the sec") == "the "
    other = screen.under(Matcher([rule("the sect", Kind.PHRASE, name="sects")]))
    assert other.feed("t s") == "⟦sects⟧ s"
    assert other.under(Matcher([rule("s\n", Kind.PHRASE, Action.REFUSE)])).feed(" s") == " "


def test_a_mask_that_was_shown_is_not_shown_again_by_new_rules() -> None:
    compiled = Matcher([rule("abc", Kind.PHRASE), rule("cde", Kind.PHRASE, name="other")])
    screen = Screen(compiled)
    assert screen.feed("abcd") == MASKED
    other = screen.under(compiled)
    assert other.feed("e!") + other.end() == "!"
    assert (screen.hits, other.hits) == ({"secret": 1}, {"other": 1})


@given(RULES, st.lists(st.sampled_from(["und ", "qu", "Möwe", "12. ", "\n", "日本", "\u200b", "x"]), max_size=30))
def test_where_nothing_is_begun_nothing_is_held_longer_than_one_chunk(rules: list[Rule], pieces: list[str]) -> None:
    compiled = Matcher([rule("geheim verboten"), rule("z{3,9}|k-[a-z]+", Kind.PATTERN), rule("ge heim", Kind.PHRASE)])
    screen = Screen(compiled)
    for piece in pieces:
        assert screen.feed(piece) == piece


def test_a_detector_decides_how_much_of_its_shape_counts() -> None:
    asked: list[str] = []

    def length(text: str) -> int:
        asked.append(text)
        return 4 if text.startswith("42") else 0

    class One(Matcher):
        def __init__(self) -> None:
            super().__init__([rule("ab", Kind.PHRASE)])
            self.patterns = PatternList([(0, Ready(Search(r"\d{4,6}", 6, length)))])

    for pieces in (["1424242 424"], list("1424242 424")):
        screen = Screen(One())
        assert streamed(screen, pieces) == "1⟦secret⟧42 424"
        assert screen.hits == {"secret": 1}
    assert set(asked) == {"142424", "424242"}


HUGE, LARGE = 1_000_000, 100_000


@pytest.mark.parametrize(
    "text",
    [
        "x" * HUGE,
        "*" * LARGE,
        "_" * LARGE,
        "a_" * (LARGE // 2),
        "&" * LARGE,
        "[a](" * (LARGE // 4),
        "a" * HUGE,
        "\u200b" * HUGE,
        "a" + "\u200b" * HUGE + "b",
        " " * HUGE,
        "ab " * (HUGE // 3),
        "é" * HUGE,
    ],
    ids=[
        "x",
        "stars",
        "lines",
        "joints",
        "ampersands",
        "links",
        "a",
        "unseen",
        "unseen in a word",
        "spaces",
        "matches",
        "accents",
    ],
)
def test_a_huge_text_is_screened_in_pieces_and_others_run_meanwhile(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    turns: list[float] = []
    monkeypatch.setattr(time, "sleep", turns.append)
    rules = [
        rule("ab"),
        rule("a" * 199 + "c", Kind.PHRASE),
        rule("a{1,200}c", Kind.PATTERN),
        rule("(x+x+)+y", Kind.PATTERN),
    ]
    result = screened(Matcher(rules), text)
    assert set(turns) == {0}
    assert len(turns) >= len(text) // 200
    if text[:3] == "ab ":
        assert result.hits == {"secret": HUGE // 3}
    elif text.endswith("b"):
        assert result.text == MASKED
    else:
        assert result.text == text


def test_rules_that_look_for_the_same_do_so_once_and_in_short_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    turns: list[float] = []
    monkeypatch.setattr(time, "sleep", turns.append)
    asked: list[str] = []

    def length(text: str) -> int:
        asked.append(text)
        return 0

    one = Ready(Search(r"\d{4,6}", 6, length))

    class Many(Matcher):
        def __init__(self) -> None:
            super().__init__([rule(f"z{number}", name=str(number)) for number in range(40)])
            self.patterns = PatternList([(number, one) for number in range(40)])

    text = "1234567890 " * 900  # a message that is not even long
    assert screened(Many(), text).text == text
    assert len(asked) <= len(text)
    assert len(turns) >= len(text) // 200


def test_no_more_is_held_than_a_match_may_need() -> None:
    screen = Screen(Matcher([rule("a+b", Kind.PATTERN), rule("a" * 50 + "b", Kind.PHRASE)]))
    shown = 0
    for fed in range(1, 2001):
        shown += len(screen.feed("a"))
        assert fed - shown <= 200
