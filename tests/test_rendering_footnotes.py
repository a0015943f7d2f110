"""Footnotes lead to their notes and back, wherever they are defined, and two answers on a page keep apart."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from rendering_texts import markdown

from insight_app.rendering.footnotes import MOST_NOTES, MOST_REFERENCES
from insight_app.rendering.markdown import has_definitions, render

LINK = re.compile(r'<a (?:class="back" )?href="#([^"]*)"')
ID = re.compile(r' id="([^"]*)"')


@given(markdown)
@example("a[^1] b[^1]\n\n[^1]: c[^2]\n[^2]: d[^1]\n\n[^3]: e")
@example("- a[^1]\n[^1]: b\n- c[^1]")
def test_every_link_of_a_note_leads_somewhere_and_each_id_is_there_once(text: str) -> None:
    html = render(text, scope="a1")
    ids = ID.findall(html)
    assert len(set(ids)) == len(ids)
    assert set(LINK.findall(html)) <= set(ids)
    assert all(id.startswith("a1-") for id in ids)


def test_a_note_is_named_and_leads_back() -> None:
    html = render("One[^a] and two[^b], one again[^a].\n\n[^b]: Second.\n\n[^a]: *First*.", scope="a7")
    assert '<sup class="note-ref"><a href="#a7-note-1" id="a7-ref-1" aria-label="Note 1">1</a></sup> and two' in html
    assert '<li id="a7-note-1"><p><em>First</em>. <a class="back" href="#a7-ref-1"' in html
    assert 'href="#a7-ref-1-2"' in html
    assert html.index('id="a7-note-1"') < html.index('id="a7-note-2"')
    assert "[^" not in html


def test_two_answers_of_one_text_have_ids_of_their_own() -> None:
    text = "a[^1]\n\n[^1]: b"
    assert not set(ID.findall(render(text, scope="a1"))) & set(ID.findall(render(text, scope="a2")))


def test_a_note_may_have_paragraphs_and_an_address() -> None:
    html = render("a[^1]\n\n[^1]: https://x.y\n    and more\n\n    Second *part*.\n\nAfter.")
    _, _, notes = html.partition('class="notes"')
    assert 'href="https://x.y"' in notes
    assert "<p>Second <em>part</em>." in notes
    assert "<pre" not in html
    assert html.index("After.") < html.index('class="notes"')


def test_a_note_that_nothing_names_is_not_lost() -> None:
    assert "Nobody names it" in render("a\n\n[^1]: Nobody names it")


def test_a_second_note_of_a_name_stays_text() -> None:
    html = render("a[^1]\n\n[^1]: One\n\n[^1]: Two words")
    assert "Two words" in html.partition('class="notes"')[0]


@pytest.mark.parametrize("text", ["a[^1]", "`a[^1]`\n", "```\n[^1]: b\n```", "    [^1]: b", "[^ 1]: b c", "a [^1]: b"])
def test_what_is_no_note_stays_as_it_is(text: str) -> None:
    assert 'class="note' not in render(text)


def test_code_formulas_and_links_name_no_notes() -> None:
    html = render("`[^1]` [see [^1]](https://x.y)\n\n```\n[^1]\n```\n\n[^1]: b")
    assert "note-ref" not in html


def test_markup_in_a_note_runs_nothing() -> None:
    html = render('a[^<b>"x]\n\n[^<b>"x]: <script>alert(1)</script> [x](javascript:alert(1)) ![y](#a)')
    assert "<script" not in html
    assert 'href="javascript' not in html
    assert 'id="text-note-1"' in html


def test_a_text_with_notes_is_drawn_anew_at_its_end() -> None:
    assert has_definitions("a[^1]\n\n[^1]: two words")
    assert not has_definitions("a[^1]")
    assert not has_definitions("```\n[^1]: two words\n```")


def test_notes_and_links_to_them_beyond_reason_stay_text() -> None:
    html = render("a[^1]\n\n" + "".join(f"[^{n}]: note {n}\n" for n in range(MOST_NOTES + 200)))
    assert html.count("<li id=") == MOST_NOTES
    assert f"[^{MOST_NOTES + 1}]: note" in html
    html = render("[^1] " * (2 * MOST_REFERENCES) + "\n\n[^1]: b")
    assert html.count("note-ref") == MOST_REFERENCES
