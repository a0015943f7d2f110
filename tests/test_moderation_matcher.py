"""Whatever somebody writes into a rule, it can be used as it was meant, or it is said why it cannot."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from moderation_texts import rule

from insight_app.moderation import patterns
from insight_app.moderation.matcher import LONGEST_PATTERN, LONGEST_TEXT, Matcher, UnusableRule, check
from insight_app.moderation.rules import Action, Kind, Rule
from insight_app.moderation.screen import screened

NOTHING = "It looks for nothing yet."
EVERYWHERE = "It can match where there is no text at all"


@pytest.mark.parametrize(
    ("kind", "text", "reason"),
    [
        (Kind.WORDS, "", NOTHING),
        (Kind.WORDS, " ,\n, ", NOTHING),
        (Kind.PHRASE, " \n\t\n", NOTHING),
        (Kind.PATTERN, "  ", NOTHING),
        (Kind.WORDS, "good \u200b\u200e bad", "“\u200b\u200e” has no character that can be seen."),
        (Kind.PHRASE, "good\n\u0301", "has no character that can be seen."),
        (Kind.WORDS, "x" * 201, "is longer than 200 characters."),
        (Kind.PHRASE, "\x00\x01\x02\xff", "It contains characters that are no text."),
        (Kind.PATTERN, "a\x00b", "It contains characters that are no text."),
        (Kind.WORDS, "a\ud800", "It contains characters that are no text."),
        (Kind.WORDS, "x " * 500_000, "It has 1,000,000 characters, and no more than 300,000 are possible."),
        (Kind.PATTERN, "x" * 1_000_000, "It has 1,000,000 characters, and no more than 2,000 are possible."),
        (Kind.PATTERN, "(?=a)b", "Looking ahead or behind is not possible: “(?=”."),
        (Kind.PATTERN, "(?<!a)b", "Looking ahead or behind is not possible"),
        (Kind.PATTERN, r"(a)\1", r"Referring back to a group is not possible: “\1”."),
        (Kind.PATTERN, "(a", "A ) is missing: “(a”."),
        (Kind.PATTERN, "[z-a]", "There are no such characters: “z-a”."),
        (Kind.PATTERN, r"\é", "A backslash means nothing there: “\\é”."),
        (Kind.PATTERN, "a**", "What is repeated already cannot be repeated by “**” once more."),
        (Kind.PATTERN, "x{1001}", "“{1001}” is no number of times: at most 1,000, the smaller number first."),
        (Kind.PATTERN, r"\C", r"\C matches parts of characters"),
        (Kind.PATTERN, r"\pL{1000}", "It is too large: repeat less, or smaller things."),
        (Kind.PATTERN, r"(?:\pL{1,30}\pN{1,30}){1,30}", "It is too large: repeat less, or smaller things."),
        (Kind.PATTERN, "a{201}", "It can only match more than 200 characters"),
        *[
            (Kind.PATTERN, text, EVERYWHERE)
            for text in ("x*", "^", "$", r"\b", "a?", "a|", "()", "(?:a*|b)*", "(?i)", "a{0}")
        ],
    ],
)
def test_a_rule_that_cannot_be_used_is_refused_with_the_reason(kind: Kind, text: str, reason: str) -> None:
    unusable = rule(text, kind)
    with pytest.raises(UnusableRule) as refused:
        check(unusable)
    assert reason in refused.value.reason
    assert refused.value.rule == unusable
    assert len(refused.value.reason) < 200


@pytest.mark.parametrize("text", ["(x+x+)+y", "(a|a)*b", "(?:a?){100}a{100}", "(.*)*x", "((((a+)+)+)+)+b", "a{1,200}"])
def test_a_catastrophic_pattern_is_like_any_other(text: str) -> None:
    assert screened(Matcher([rule(text, Kind.PATTERN)]), "a" * 5_000 + "x" * 5_000).refusal is None


@given(st.sampled_from([Kind.WORDS, Kind.PHRASE, Kind.PATTERN]), st.text(max_size=30), st.text(max_size=30))
def test_any_text_makes_a_rule_that_works_or_a_reason(kind: Kind, text: str, looked_at: str) -> None:
    with suppress(UnusableRule):
        screened(Matcher([rule(text, kind)]), looked_at)


def test_thousands_of_rules_work_together() -> None:
    rules = [
        rule(text.format(number), kind, action, f"{kind.value}{number}")
        for number in range(1_000)
        for kind, text, action in (
            (Kind.WORDS, "word{0} other{0}", Action.FLAG),
            (Kind.PHRASE, "the phrase {0}!", Action.MASK),
            (Kind.PATTERN, r"\bid-{0}-[a-f]+", Action.FLAG),
        )
    ]
    result = screened(Matcher(rules), "word7 the phrase 12! id-999-abc other1000")
    assert result.text == "word7 ⟦phrase12⟧ id-999-abc other1000"
    assert result.hits == {"words7": 1, "phrase12": 1, "pattern999": 1}


def test_a_list_of_words_as_long_as_may_be_is_one_rule() -> None:
    words = [f"word{number}" for number in range(LONGEST_TEXT // 10)]
    assert screened(Matcher([rule(" ".join(words))]), "a word29999, word30000").hits == {"secret": 1}
    pattern = "|".join(words)[:LONGEST_PATTERN].rsplit("|", 1)[0]
    assert screened(Matcher([rule(pattern, Kind.PATTERN)]), "a word29999, word1").hits == {"secret": 2}


def test_rules_that_are_too_large_for_one_search_are_searched_in_several(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patterns, "LARGEST_TOGETHER", 300)
    rules = [rule(rf"x{number}[a-z]{{1,30}}", Kind.PATTERN, name=f"r{number}") for number in range(30)]
    matcher = Matcher(rules)
    assert len(matcher.patterns.together) > 5
    assert screened(matcher, "x1e x29u x0").text == "⟦r1⟧ ⟦r29⟧ x0"


def test_where_the_set_finds_nothing_every_pattern_is_asked() -> None:
    (together,) = Matcher([rule("a+b", Kind.PATTERN), rule("c", Kind.PATTERN)]).patterns.together
    assert together.those_in(b"xc") == [together.searches[1]]
    assert together.those_in(b"x") == together.searches


def test_no_rules_let_everything_through() -> None:
    assert screened(Matcher([]), "anything \ud800").text == "anything \ud800"


def test_unusable_names_the_rule() -> None:
    good, bad = rule("fine"), Rule("2", "broken", Kind.PATTERN, "(")
    with pytest.raises(UnusableRule) as refused:
        Matcher([good, bad])
    assert refused.value.rule == bad


def test_others_have_a_turn_while_many_rules_are_made_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    turns: list[float] = []
    monkeypatch.setattr(time, "sleep", turns.append)
    rules = [rule(f"turn{number}[a-z]+", Kind.PATTERN, name=str(number)) for number in range(50)]
    Matcher(rules)
    assert len(turns) == 49
