"""An answer before its judge: nothing refused is ever shown, and what is shown does not depend on its chunks."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insight_app.engines.base import Stop
from insight_app.errors import JudgeLate
from insight_app.moderation.judge import Judge, says_something
from insight_app.moderation.judge_families import Question
from insight_app.moderation.judge_settings import JUDGE, JudgeSettings
from insight_app.moderation.judging import Judging
from insight_app.moderation.moderating import Moderating
from insight_app.moderation.rulebook import as_json
from insight_app.moderation.rules import Action, Kind, Rule
from insight_app.moderation.sentences import LONGEST, Sentences
from insight_app.moderation.store import Entry

SETTINGS = JudgeSettings("llama-guard3:1b")
PIECES = ["bad", "good words here", ". ", ".", "! ", "\n", "```\n", "3.14", "。", "語", " ", "x" * 90, "“So.” "]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)


class Reads:
    """A judge that finds "bad" anywhere in what it reads, and flags "odd"."""

    def __init__(self) -> None:
        self.read: list[str] = []

    def __call__(self, model: str, question: Question, seconds: float, stop: Stop | None) -> str | None:
        self.read.append(question.turns[-1][1])
        if "bad" in self.read[-1]:
            return "unsafe\nS1"
        return "unsafe\nS6" if "odd" in self.read[-1] else "safe"


def stage(ask: object, thinking: str = "", text: str = "", stop: Stop | None = None) -> Judging:
    judge = Judge(SETTINGS, ask)  # type: ignore[arg-type]
    return Judging(lambda: judge, "A prompt", thinking, text, stop)


def shown_of(stage: Judging, chunks: Sequence[tuple[str, bool]]) -> list[str]:
    """What is shown of the reasoning and of the text."""
    shown = ["", ""]
    for chunk, thought in chunks:
        for piece, kind in stage.feed(chunk, thought=thought):
            shown[not kind] += piece
    for piece, kind in stage.rest():
        shown[not kind] += piece
    return shown


def cut(text: str, cuts: Sequence[int]) -> list[str]:
    places = sorted({0, len(text), *(place % (len(text) + 1) for place in cuts)})
    return [text[start:end] for start, end in pairwise(places)]


@given(TEXTS, st.lists(st.integers(0, 5000), max_size=30))
def test_what_is_shown_is_what_the_judge_lets_through_of_the_whole_text(text: str, cuts: list[int]) -> None:
    sentences = Sentences()
    whole = [*sentences.feed(text), sentences.rest()]
    allowed = ""
    for sentence in whole:
        if "bad" in (allowed + sentence)[-2900:] and says_something(sentence):
            break
        allowed += sentence
    one = stage(Reads())
    assert shown_of(one, [(chunk, False) for chunk in cut(text, cuts)]) == ["", allowed]
    assert (one.refusal is not None) == (allowed != text)
    assert "bad" not in allowed


@given(TEXTS, TEXTS, st.lists(st.integers(0, 5000), max_size=30))
def test_reasoning_is_judged_too_and_by_itself(thinking: str, text: str, cuts: list[int]) -> None:
    chunks = [(chunk, True) for chunk in cut(thinking, cuts)] + [(chunk, False) for chunk in cut(text, cuts)]
    in_one_piece = shown_of(stage(Reads()), [(thinking, True), (text, False)])
    assert shown_of(stage(Reads()), chunks) == in_one_piece
    assert not any("bad" in shown for shown in in_one_piece)
    if "bad" in thinking:
        assert in_one_piece[1] == ""


@given(TEXTS, st.lists(st.integers(0, 5000), max_size=30))
def test_sentences_are_the_same_however_the_text_came(text: str, cuts: list[int]) -> None:
    one, other = Sentences(), Sentences()
    in_pieces = [sentence for chunk in cut(text, cuts) for sentence in one.feed(chunk)]
    assert in_pieces == other.feed(text)
    assert (rest := one.rest()) == other.rest()
    assert "".join(in_pieces) + rest == text
    assert all(len(sentence) <= LONGEST for sentence in [*in_pieces, rest])


@pytest.mark.parametrize(("text", "count"), [("." * 100 * LONGEST, 100), ("\n" * 40_000, 40_000)])
def test_much_that_comes_at_once_costs_no_more_than_other_text(text: str, count: int) -> None:
    """As what a model has a tool called with: 20,000 dots took 45 seconds."""
    began = time.process_time()
    assert len(Sentences().feed(text)) == count
    assert time.process_time() - began < 5


def test_sentences_end_where_a_reader_would_say_so_and_code_ends_by_lines() -> None:
    text = (
        "It is 3.14 or so, Mr. Smith said. “Is it really so?” Yes!\n```\na = 1. + f(2)! # so it is. Or not\nb\n```\n"
        "So it was then. 今日はとてもいい天気ですから散歩に行きましょう。はい"
    )
    sentences = Sentences()
    assert sentences.feed(text) == [
        "It is 3.14 or so, Mr.",
        " Smith said. “Is it really so?”",
        " Yes!\n",
        "```\n",
        "a = 1. + f(2)! # so it is. Or not\n",
        "b\n",
        "```\n",
        "So it was then. 今日はとてもいい天気ですから散歩に行きましょう。",
    ]
    assert sentences.rest() == "はい"


def test_an_answer_that_is_gone_on_with_knows_whether_it_is_in_code() -> None:
    assert Sentences("Look:\n```\na").feed("bc. This is no sentence. x") == []
    assert Sentences("Look:\n```\na\n```\n").feed("This is a real sentence. x") == ["This is a real sentence."]


def test_a_sentence_is_shown_as_soon_as_it_was_judged_and_none_before() -> None:
    reads = Reads()
    one = stage(reads, text="Before.")
    assert one.feed(" This is the first", thought=False) == []
    assert one.feed(" sentence.", thought=False) == []  # it may still be “sentence.html”
    assert one.feed(" And", thought=False) == [(" This is the first sentence.", False)]
    assert reads.read == ["Before. This is the first sentence."]
    assert one.rest() == [(" And", False)]


def test_a_judge_that_is_behind_reads_several_sentences_at_once() -> None:
    reads = Reads()
    text = "This is one more sentence. " * 10
    assert shown_of(stage(reads), [(text, False)]) == ["", text]
    assert len(reads.read) == 1


def test_where_it_refuses_several_sentences_those_before_the_bad_one_are_shown() -> None:
    one = stage(Reads())
    shown = shown_of(one, [("This is quite all right. This one is a bad sentence. And one more comes. ", False)])
    assert shown == ["", "This is quite all right."]
    assert one.refusal == "It seems to be about violent crimes."
    assert one.hits == {"judge-S1": 1}
    assert one.actions["refuse"] == 1
    assert one.feed("Nothing any more.\n", thought=False) == []


def test_what_is_flagged_is_shown_and_counted_once_an_answer() -> None:
    one = stage(Reads())
    text = "This is an odd sentence.\nAnd this is the next one.\n"
    assert shown_of(one, [(line, False) for line in text.splitlines(keepends=True)]) == ["", text]
    assert one.hits == {"judge-S6": 1}


def test_lines_without_a_letter_need_no_judge() -> None:
    reads = Reads()
    assert shown_of(stage(reads), [("\n", False), ("---\n", False), ("***", False)]) == ["", "\n---\n***"]
    assert not reads.read


def test_nothing_is_shown_of_what_could_not_be_judged() -> None:
    def late(*_: object) -> str:
        raise TimeoutError

    one = stage(late)
    with pytest.raises(JudgeLate):
        one.feed("This is the first sentence.\n", thought=False)


def test_a_judge_that_is_stopped_shows_nothing_more() -> None:
    one = stage(lambda *_: None)
    assert shown_of(one, [("This is the first sentence.\n", False), ("More.\n", False)]) == ["", ""]
    assert one.refusal is None


def test_a_judge_that_is_switched_off_or_on_meanwhile_is_so_at_once() -> None:
    judge = Judge(SETTINGS, Reads())
    now: list[Judge | None] = [judge]
    one = Judging(lambda: now[0], "A prompt")
    assert one.feed("This is held", thought=False) == []
    now[0] = None
    assert one.feed(", and bad", thought=False) == [("This is held, and bad", False)]
    now[0] = judge
    assert one.feed(", and a bad thing.\n", thought=False) == []
    assert one.refusal is not None


class Kept:
    """A store with one set of entries, that counts nothing."""

    def __init__(self, *entries: Entry) -> None:
        self._entries = list(entries)

    def version(self) -> int:
        return 1

    def entries(self) -> tuple[int, list[Entry]]:
        return 1, self._entries

    def count(self, times: object) -> None:
        pass


@given(TEXTS, st.lists(st.integers(0, 5000), max_size=30))
def test_rules_and_judge_together_show_the_same_in_any_chunks(text: str, cuts: list[int]) -> None:
    rules = [
        Rule("rule-m", "Masked", Kind.PHRASE, "good"),
        Rule("rule-r", "Refused", Kind.PHRASE, "words here.\n", action=Action.REFUSE),
    ]
    entries = [Entry(rule.id, place, as_json(rule)) for place, rule in enumerate(rules)]
    moderating = Moderating(Kept(*entries, Entry(JUDGE, 9, SETTINGS.as_json())), Reads())  # type: ignore[arg-type]

    def shown(chunks: Sequence[str]) -> tuple[str, str | None]:
        with closing(moderating.answer(prompt="A prompt")) as screen:
            pieces = [piece for chunk in chunks for piece in screen.feed(chunk, thought=False)] + screen.end()
            return "".join(piece for piece, _ in pieces), screen.refusal

    in_pieces = shown(cut(text, cuts))
    assert in_pieces == shown([text])
    assert "bad" not in in_pieces[0]
    assert "good" not in in_pieces[0]


def test_each_sentence_is_judged_with_those_before_it() -> None:
    reads = Reads()
    one = stage(reads, text="This was there. ")
    for sentence in ("The first good words. ", "The second good words. ", "The end."):
        one.feed(sentence, thought=False)
    one.rest()
    assert reads.read[-1] == "This was there. The first good words. The second good words. The end."
