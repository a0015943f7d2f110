"""However a text arrives and wherever its readers are cut off, each page shows the same, and nothing shown changes."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rendering_texts import Page, chunking, chunks, markdown, often

from insight_app.rendering import finish
from insight_app.rendering.markdown import has_definitions, render
from insight_app.rendering.progress import START, Change, GrowingText, Progress, advance, resume, snapshot


def place(progress: Progress) -> tuple[object, ...]:
    return progress.position, progress.item, progress.fence


def follow(text: str, size: int = 4, *, eager: bool = False) -> tuple[Page, list[Change]]:
    growing, progress, page = GrowingText(), START, Page()
    changes: list[Change] = []
    for piece in chunks(text, [size]):
        growing.append(piece)
        step = advance(growing, progress, eager=eager)
        page.take(step)
        changes += step.changes
        progress = step.progress
    step = advance(growing, progress, ended=True)
    page.take(step)
    return page, [*changes, *step.changes]


@often
@given(markdown, chunking, st.booleans())
@example("[a]:\n\n [a]:\n![i](http://z/q.png)\n\n", [3], True)
@example("> ```\n  ~~s~~\n|--\n\n~~~\n", [8], True)
@example("c\n  ```two  \r\n    four\r  \n    four\n", [1], True)
def test_a_followed_text_ends_as_it_is_rendered_at_once(text: str, lengths: list[int], eager: bool) -> None:
    growing, progress, page = GrowingText(), START, Page()
    for piece in chunks(text, lengths):
        growing.append(piece)
        step = advance(growing, progress, eager=eager)
        page.take(step)
        progress = step.progress
    page.take(advance(growing, progress, ended=True))
    assert str(page) == snapshot(growing, ended=True)[0]
    assert page.tail == ""
    if not has_definitions(text):
        assert str(page) == render(text)


@often
@given(markdown, chunking)
def test_a_page_opened_now_shows_what_was_streamed(text: str, lengths: list[int]) -> None:
    growing, progress, page = GrowingText(), START, Page()
    for piece in chunks(text, lengths):
        growing.append(piece)
        step = advance(growing, progress)
        page.take(step)
        progress = step.progress
        done, tail, fresh = snapshot(growing)
        if fresh.position == progress.position:
            assert (done, place(fresh)) == (str(page), place(progress))
            if progress.read == len(growing) and "]:" not in text:
                assert tail == page.tail


@often
@given(markdown, chunking, st.data())
def test_a_reader_that_was_cut_off_goes_on_from_its_position(
    text: str, lengths: list[int], data: st.DataObject
) -> None:
    growing, progress, page = GrowingText(), START, Page()
    emitted = {0}
    for piece in chunks(text, lengths):
        growing.append(piece)
        step = advance(growing, progress, eager=data.draw(st.booleans()))
        page.take(step)
        assert step.progress.position >= progress.position
        progress = step.progress
        emitted.add(progress.position)
        again = resume(growing, progress.position)
        assert again is not None
        assert place(again) == place(progress)
        progress = data.draw(st.sampled_from([progress, again]))
    assert all(resume(growing, position) for position in emitted)
    page.take(advance(growing, progress, ended=True))
    assert str(page) == snapshot(growing, ended=True)[0]


@often
@given(markdown, st.integers(0, 300))
def test_a_position_that_nobody_was_told_is_never_an_error(text: str, position: int) -> None:
    growing = GrowingText(text)
    found = resume(growing, position)
    if found is not None:
        advance(growing, found, ended=True)


def test_a_growing_list_is_extended_item_by_item() -> None:
    page, changes = follow("1. one\n1. two\n\n   more\n1. three\n\nend")
    assert [change.kind for change in changes] == ["append", "extend", "extend", "append"]
    assert changes[0].html == "<ol>\n<li>one</li>\n</ol>\n"
    assert changes[2].html == "<li>three</li>\n"
    assert str(page).endswith("</ol>\n<p>end</p>\n")


def test_the_open_item_carries_the_number_it_will_have() -> None:
    growing = GrowingText("7. one\n7. two\n7. thr")
    _, tail, progress = snapshot(growing)
    assert tail == '<ol class="continues" start="9">\n<li>thr</li>\n</ol>\n'
    assert progress.item is not None
    assert progress.item.number == 9


def test_open_code_grows_by_its_text_and_is_coloured_once() -> None:
    _, changes = follow("```python\ndef f():\n    return '``<'\n```\nend\n", size=1)
    assert [change.kind for change in changes if change.kind != "extend"] == ["append", "replace", "append"]
    shell, coloured = changes[0].html, next(change.html for change in changes if change.kind == "replace")
    code = "".join(change.html for change in changes if change.kind == "extend")
    assert code == "def f():\n    return '``&lt;'\n"
    assert '<span class="k">def</span>' in coloured
    head, _, end = shell.partition('<code class="language-python">')
    assert end == "</code></pre></div>\n"
    assert coloured.startswith(head)


@pytest.mark.parametrize("partial", ["`", "``", "  ", " ```", "```  ", "```\r"])
def test_what_may_be_the_closing_fence_is_held_back(partial: str) -> None:
    step = advance(GrowingText("```\ncode\n" + partial), START)
    assert [change.html.count("code\n</code>") for change in step.changes] == [1]
    assert step.progress.position == len("```\ncode\n")


@pytest.mark.parametrize("line", ["*" * 3, "#", "-", "- -", "1.", "|---|", "===", "more"])
def test_an_incomplete_line_that_may_become_anything_makes_nothing_final(line: str) -> None:
    assert advance(GrowingText("para\n" + line), START, eager=True).progress.position == 0


@pytest.mark.parametrize("line", ["# x", "- x", "1. x", "* **x", "\nx", "\n**x", "\n“x", "\n文"])
def test_a_line_whose_beginning_decides_makes_final_what_stands_before_it(line: str) -> None:
    assert advance(GrowingText("para\n" + line), START, eager=True).progress.position == len(
        "para\n" + line.removesuffix(line.lstrip("\n"))
    )


@pytest.mark.parametrize("marks", ["-", "- ", "=", "**", "|", "|--", "```", "> -", "  -"])
def test_a_line_of_marks_alone_does_not_flash(marks: str) -> None:
    shown = snapshot(GrowingText("a\n\npara\n"))
    assert snapshot(GrowingText("a\n\npara\n" + marks))[:2] == shown[:2]
    assert snapshot(GrowingText("a\n\npara\n" + marks), ended=True)[0] == render("a\n\npara\n" + marks)


def test_a_large_open_block_is_shown_rarely_but_at_once_on_demand() -> None:
    growing, progress, shown = GrowingText(), START, 0
    for _ in range(2_500):
        growing.append("word and ")
        step = advance(growing, progress)
        shown += step.tail is not None
        progress = step.progress
    assert 50 < shown < 250
    growing.append("x")
    assert advance(growing, progress).tail is None
    assert advance(growing, progress, eager=True).tail is not None


def test_nothing_new_is_nothing_to_show() -> None:
    growing = GrowingText("some text")
    first = advance(growing, START)
    assert advance(growing, first.progress, eager=True).tail is None
    done = advance(growing, first.progress, ended=True)
    assert advance(growing, done.progress, ended=True).changes == ()


@given(st.lists(st.text(max_size=40), max_size=40), st.integers(0, 200))
def test_a_growing_text_is_the_joined_pieces(pieces: list[str], position: int) -> None:
    growing = GrowingText()
    for piece in pieces:
        growing.append(piece)
    whole = "".join(pieces).replace("\ufeff", "\u2060")
    assert len(growing) == len(whole)
    assert str(growing) == whole
    assert growing.since(position) == whole[position:]


def test_lone_surrogates_are_replaced_one_for_one() -> None:
    assert GrowingText("a\ud800b\udfff").since(0) == "a\ufffdb\ufffd"


def test_a_text_too_long_to_be_drawn_is_shown_as_it_was_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finish, "MOST_MARKDOWN", 30)
    text = GrowingText("*Some* words.\n\nS")
    seen = advance(text, START).progress
    assert seen.position > 0
    text.append("o *much* & <more>, and all of it at once.")
    step = advance(text, seen)
    assert step.changes == ()
    assert step.tail is not None
    assert "So *much* &amp; &lt;more&gt;, and all" in step.tail
    assert advance(text, step.progress).tail is None  # nothing is new
    assert advance(text, seen, ended=True).changes[0].html == step.tail
    whole = snapshot(text)
    assert whole[0] == ""
    assert whole[1] == render(str(text))
    assert "*Some* words.\n\nSo *much*" in whole[1]
    assert resume(text, whole[2].position) == START
    assert resume(text, seen.position) is None
