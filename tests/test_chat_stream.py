"""What a reader is sent, however the text comes and wherever it is cut, makes the page that a reload shows."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insight_app.chat import stream
from insight_app.chat.messages import State
from insight_app.chat.reply import Activity, Reply
from insight_app.chat.stream import MERGE_SECONDS, MOST_MERGE_SECONDS, Reader, follow, merge_seconds
from insight_app.rendering.markdown import render

SWAP = re.compile(r'<hx-partial hx-target="([^"]*)" hx-swap="(\S+) settle:0">(.*?)</hx-partial>', re.DOTALL)
BLOCKS = ["# Title\n\n", "Some *text*.\n\n", "- one\n", "- two\n\n  more\n", "1. a\n2. b\n\n"]
BLOCKS += ["```py\nx = 1\n", "```\n\n", "Words without an end\n\n", "2. c\n"]
BLOCKS += ["| a | b |\n|---|---|\n| 1 | 2 |\n\n", "> quoted\n", "$$x^2$$\n\n", "\n", "***\n", "<b>raw</b> &amp;\n"]
TEXTS = st.lists(st.sampled_from(BLOCKS), max_size=12).map("".join)


class Page:
    """The two parts of a growing article, as htmx's swaps change them."""

    def __init__(self) -> None:
        self.done = {"thinking": "", "answer": ""}

    def take(self, html: str) -> None:
        for target, how, inner in SWAP.findall(html):
            part = "thinking" if "thinking" in target else "answer"
            have = self.done[part]
            if target.endswith(("-tail", "-status")):
                continue
            if how == "outerHTML":
                self.done[part] = have[: have.rindex('<div class="code"')] + inner + "\n"
            elif "last-child" in target:
                end = max(have.rfind("</code>"), have.rfind("</ul>"), have.rfind("</ol>"))
                self.done[part] = have[:end] + inner + have[end:]
            else:
                self.done[part] = have + inner


@given(
    thoughts=TEXTS,
    text=TEXTS,
    sizes=st.lists(st.integers(1, 40), min_size=1),
    cuts=st.lists(st.booleans(), min_size=1),
)
def test_a_reader_that_is_cut_anywhere_has_what_one_has_that_was_not(
    thoughts: str, text: str, sizes: list[int], cuts: list[bool]
) -> None:
    reply, page, reader = Reply(1, "c"), Page(), None
    at = turn = 0
    for source, thought in ((thoughts, True), (text, False)):
        at = 0
        while at < len(source):
            size = sizes[turn % len(sizes)]
            reply.append(source[at : at + size], thought=thought)
            at += size
            if reader is None or cuts[turn % len(cuts)]:
                place = reader.place if reader else ""
                reader = Reader(reply)
                assert reader.go_to(place), f"place {place} of {reply.position} is not known again"
            page.take(reader.news(lambda activity, changed: ""))
            turn += 1
    snapshot = Reader(reply).snapshot()
    assert page.done["answer"] == snapshot.answer[0]
    if text:
        assert page.done["thinking"] == render(thoughts)


def test_a_position_that_nobody_can_have_makes_the_page_start_anew() -> None:
    reply = Reply(1, "c")
    reply.append("Some text that is one block")
    events = list(follow(reply, "5", status=lambda activity, changed: "", finished=lambda: "", anew=lambda: "<all>"))
    assert b"".join(events) == b"data: <all>\n\nevent: done\ndata: \n\n"


def test_a_closing_server_ends_the_stream_without_ending_the_answer() -> None:
    reply = Reply(1, "c")
    reply.append("Some")
    events = follow(
        reply, "0", status=lambda activity, changed: "", finished=lambda: "", anew=lambda: "", closing=lambda: True
    )
    said = b"".join(events)
    assert b"Some" in said
    assert b"done" not in said


def test_a_lost_reply_ends_the_stream_without_ending_the_answer() -> None:
    reply = Reply(1, "c")
    reply.append("Some")
    reply.lose()
    said = b"".join(follow(reply, "0", status=lambda *now: "", finished=lambda: "", anew=lambda: ""))
    assert b"Some" in said
    assert b"done" not in said


def test_an_answer_that_ended_is_sent_finished() -> None:
    reply = Reply(1, "c")
    reply.append("Some")
    reply.end(reply.outcome(State.DONE))
    events = follow(reply, "0", status=lambda activity, changed: "", finished=lambda: "<finished>", anew=lambda: "")
    assert b"".join(events) == b"data: <finished>\n\nevent: done\ndata: \n\n"


def test_a_place_is_good_for_one_run_of_the_server() -> None:
    reply = Reply(1, "c", run=1)
    reply.append("Some text")
    assert reply.place(0) == "0.1"
    assert reply.position_of("0.1") == 0
    assert reply.position_of("") == 0
    for other in ("0", "0.2", "x.1", "-1.1", "9" * 20 + ".1", "\u0663.1"):
        assert reply.position_of(other) is None
        assert not Reader(reply).go_to(other)
    assert Reply(1, "c").place(7) == "7"


def test_fast_text_comes_in_larger_pieces_but_never_in_pauses_that_one_sees() -> None:
    assert merge_seconds(0) == MERGE_SECONDS
    assert MERGE_SECONDS < merge_seconds(10) < merge_seconds(30) < MOST_MERGE_SECONDS
    assert merge_seconds(10_000) == MOST_MERGE_SECONDS


def test_a_reader_that_collects_text_hears_of_the_end_at_once() -> None:
    reply = Reply(1, "c")
    reader = threading.Thread(target=reply.rest, args=(60,))
    reader.start()
    reply.end(reply.outcome(State.DONE))
    reader.join(10)
    assert not reader.is_alive()


def test_blocks_that_came_together_are_appended_together() -> None:
    reply = Reply(1, "c")
    reply.append("# One\n\nTwo\n\nThree\n\nFour")
    html = Reader(reply).news(lambda activity, begun: "")
    assert html.count("beforeend") == 1


def test_something_else_that_goes_on_is_said_aloud_and_more_of_the_same_is_not() -> None:
    reply = Reply(1, "c")
    reader, said = Reader(reply), list[bool]()

    def present(_activity: Activity, changed: bool) -> str:
        said.append(changed)
        return ""

    for activity in (
        Activity(),
        Activity(place=2),
        Activity(place=1),
        Activity(problem="engine_unreachable"),
        Activity(State.WRITING),
        Activity(State.WRITING, problem="database_full"),
    ):
        reply.enter(activity)
        reader.news(present)
    assert said == [True, True, False, True, True, True]


def test_it_is_said_now_and_then_that_text_still_comes_and_never_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(stream.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(stream, "SETTLE_SECONDS", 0.0)
    reply = Reply(1, "c")
    reply.append("Some words")
    events = follow(
        reply,
        "0",
        status=lambda activity, changed: "<writing>" if changed else "",
        finished=lambda: "",
        anew=lambda: "",
        still=lambda: "<still>",
    )
    said = []
    for second in range(0, 60, 2):
        now[0] = float(second)
        reply.append(f" word{second}")
        said += [second] * (b"<still>" in _until(events, f"word{second}"))
    assert said == [20, 40]


def _until(events: Iterator[bytes], word: str) -> bytes:
    found = b""
    while word.encode() not in found:
        found += next(events)
    return found
