"""Names of files, the fence in which a text stands for a model, and what files count in tokens."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insight_app.chat.attachments import LONGEST_NAME, Attachment, name_of, said
from insight_app.chat.memory import choose, estimate_of, tokens_of_file
from insight_app.chat.messages import Message, State
from insight_app.rendering.markdown import render


def text_file(text: str, name: str = "a.txt") -> Attachment:
    return Attachment("id", name, "text", "text/plain", len(text), text)


PICTURE = Attachment("id", "x.png", "image", "image/png", 9)


def prompt(text: str, *attached: Attachment, id: int = 1) -> Message:
    return Message(id, "c", None, "user", State.DONE, text, attached=attached)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("notes.md", "notes.md"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\plan.txt", "plan.txt"),
        ("<script>alert(1)<／script>.txt", "<script>alert(1)<／script>.txt"),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ("one\r\ntwo\0.txt", "one two .txt"),
        ("", "file"),
        ("..", "file"),
        ("تقرير.txt", "تقرير.txt"),
        ("a" * 200 + ".tar", "a" * 115 + "….tar"),
    ],
)
def test_a_name_is_one_short_line_without_tricks(given: str, name: str) -> None:
    assert name_of(given) == name


@given(st.text(max_size=300))
def test_whatever_a_file_is_called_its_name_can_be_shown(given: str) -> None:
    name = name_of(given)
    assert 0 < len(name) <= LONGEST_NAME
    assert name.splitlines() == [name]


@given(st.text("`~ \n\tab", max_size=60), st.text("`\n ab", max_size=10))
def test_no_file_closes_its_own_fence(text: str, name: str) -> None:
    """Seen by a reader of Markdown, for whom the question must stand outside."""
    html = render(said("QUESTION", [text_file(text, name_of(name))]))
    assert re.search(r"<p>QUESTION</p>\s*$", html), html


def test_files_stand_before_what_was_written_and_pictures_do_not() -> None:
    both = said("What?", [text_file("one", "1.txt"), PICTURE, text_file("two ``` three", "2.txt")])
    assert both == "File “1.txt”:\n```\none\n```\n\nFile “2.txt”:\n````\ntwo ``` three\n````\n\nWhat?"


def test_files_count_in_what_fits_into_the_context() -> None:
    plain = estimate_of(prompt("Look"))
    assert estimate_of(prompt("Look", text_file("a" * 3000))) > plain + 1000
    assert estimate_of(prompt("Look", PICTURE, PICTURE)) == plain + 2 * 768
    assert tokens_of_file(PICTURE) == 768
    assert tokens_of_file(text_file("a" * 375)) == 100


def test_pictures_are_asked_for_of_what_is_read_only() -> None:
    old, new = prompt("Old", PICTURE, id=1), prompt("New", PICTURE, id=3)
    answers = [Message(number, "c", None, "assistant", State.DONE, "Yes") for number in (2, 4)]
    asked = []

    def pictures(message: Message) -> tuple[bytes, ...]:
        asked.append(message.id)
        return (b"picture",)

    reading = choose([old, answers[0], new], answers[1], 1000, pictures=pictures)
    assert asked == [3]
    assert [turn.images for turn in reading.turns if turn.role == "user"] == [(b"picture",)]
