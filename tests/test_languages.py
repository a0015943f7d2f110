"""Pages in the language of whoever reads them."""

from __future__ import annotations

from pathlib import Path

import pytest
from babel import localedata
from flask import Flask
from markupsafe import Markup

from insight_app import languages
from insight_app.words import N_, _, in_page, in_page_n, ngettext

GERMAN = """\
msgid ""
msgstr "Plural-Forms: nplurals=2; plural=(n != 1);"

msgid "Hello %(name)s"
msgstr "Hallo %(name)s"

msgid "Uploaded"
msgstr "Hochgeladen"

msgid "%(num)s <answer> of %(name)s"
msgid_plural "%(num)s answers of %(name)s"
msgstr[0] "%(num)s <Antwort> von %(name)s"
msgstr[1] "%(num)s Antworten von %(name)s"
"""


@pytest.fixture
def in_german(app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Flask:
    """An app that knows German and Arabic, of which it has no word."""
    (tmp_path / "de.po").write_text(GERMAN, encoding="utf-8")
    (tmp_path / "ar.po").write_text('msgid ""\nmsgstr ""\n', encoding="utf-8")
    monkeypatch.setattr(languages, "TRANSLATIONS", tmp_path)
    monkeypatch.setattr(languages, "codes", languages.codes.__wrapped__)
    languages._catalog.cache_clear()
    return app


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, "en"),
        ({"Accept-Language": "fr, de;q=0.5"}, "de"),
        ({"Accept-Language": "de-AT"}, "de"),
        ({"Accept-Language": "x" * 5_000 + ",;;q=,"}, "en"),
        ({"Accept-Language": "en", "Cookie": "language=de"}, "de"),
        ({"Accept-Language": "de", "Cookie": "language=../../etc"}, "de"),
        ({"Cookie": "language=ar"}, "ar"),
    ],
)
def test_a_page_is_in_the_language_that_was_chosen_or_that_the_browser_asks_for(
    in_german: Flask, headers: dict[str, str], expected: str
) -> None:
    page = in_german.test_client(use_cookies=False).get("/", headers=headers).text
    assert f'<html lang="{expected}" dir="{"rtl" if expected == "ar" else "ltr"}"' in page


def test_a_page_has_babel_know_no_language_but_its_own(in_german: Flask) -> None:
    localedata.clear_caches()
    in_german.test_client().get("/", headers={"Accept-Language": "de"})
    assert set(localedata._cache) == {"root", "de"}


@pytest.mark.parametrize("root", ["", "/ai"])
@pytest.mark.parametrize(("language", "word"), [("en", "Uploaded"), ("de", "Hochgeladen")])
def test_what_is_drawn_but_once_is_so_for_each_language_and_place(
    in_german: Flask, language: str, word: str, root: str
) -> None:
    client = in_german.test_client()
    client.get("/")  # what is drawn here is of another language and place
    page = client.get("/", headers={"Accept-Language": language}, environ_overrides={"SCRIPT_NAME": root}).text
    assert f'aria-label="{word}"' in page
    assert f'data-url="{root}/attachments"' in page


def test_programs_and_the_command_line_are_spoken_to_in_english(in_german: Flask) -> None:
    with in_german.test_request_context("/v1/models", headers={"Cookie": "language=de"}):
        assert _("Hello %(name)s", name="Ann") == "Hello Ann"
    assert _("Hello %(name)s", name="Ann") == "Hello Ann"
    with in_german.app_context():
        assert ngettext("%(num)s day", "%(num)s days", 1_000) == "1,000 days"


def test_what_is_put_into_a_sentence_is_no_markup(in_german: Flask) -> None:
    with in_german.test_request_context("/", headers={"Cookie": "language=de"}):
        assert in_page("Hello %(name)s", name="<b>") == "Hallo &lt;b&gt;"
        assert in_page("Hello %(name)s", name=Markup("<b>")) == "Hallo <b>"
        assert in_page("<b> 100 % of it") == "&lt;b&gt; 100 % of it"
        said = [
            in_page_n("%(num)s <answer> of %(name)s", "%(num)s answers of %(name)s", n, name="<b>") for n in (1, 2_000)
        ]
        assert said == ["1 &lt;Antwort&gt; von &lt;b&gt;", "2.000 Antworten von &lt;b&gt;"]
        assert _("") == ""
        assert _(N_("Nothing is known of this")) == "Nothing is known of this"
