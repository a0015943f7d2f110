"""Kinds of personal data are written and read in the language of the page, and kept in English."""

from __future__ import annotations

import time

import catalogs
import flask_babel
import pytest
from flask import Flask
from test_moderation_routes import PAGE, page, rules
from visitor import Visitor

from insight_app import languages
from insight_app.moderation import rule_files
from insight_app.moderation.detectors import chosen
from insight_app.moderation.personal_names import NAMES, as_kept, as_said, begun_with, here
from insight_app.services import Services

__all__ = ["page"]
GERMAN = {"e-mail": "E-Mail-Adresse", "telephone": "Telefon", "private key": "privater Schlüssel"}


@pytest.fixture
def in_german(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some names are said so, whatever the catalog has by now."""
    catalog = languages._catalog("de")
    monkeypatch.setattr(catalog, "_catalog", {**catalog._catalog, **GERMAN})


@pytest.fixture
def german(page: Visitor, in_german: None) -> Visitor:
    page.client.set_cookie(languages.COOKIE, "de")
    return page


@pytest.mark.parametrize(
    ("written", "kept", "read"),
    [
        ("E-Mail-Adresse", "e-mail", "E-Mail-Adresse"),
        ("telefon de, US\n  Privater  schlüssel", "telephone de, US\n  private key", None),
        ("e-mail, phone DE", "e-mail, phone DE", "E-Mail-Adresse, Telefon DE"),
        ("Fingerabdruck; telefon", "Fingerabdruck; telephone", "Fingerabdruck; Telefon"),
    ],
)
def test_a_rule_is_kept_in_english_and_read_as_the_page_says_it(
    german: Visitor, services: Services, written: str, kept: str, read: str | None
) -> None:
    with german.client.application.test_request_context(headers={"Accept-Language": "de"}):
        assert as_kept(written) == kept
        assert read is None or as_said(kept) == read
    assert as_kept(kept) == kept


def test_who_reads_german_writes_a_rule_in_german(german: Visitor, services: Services) -> None:
    german.open(f"{PAGE}/rules/new")
    fields = {"name": "Kontakt", "kind": "personal", "text": "Telefon DE\nE-Mail-Adresse", "scope": "both"}
    german.send(f"{PAGE}/rules", **fields, action="mask", reason="", is_on="y")
    (rule,) = [each for each in rules(services) if each.name == "Kontakt"]
    assert rule.text == "telephone DE\ne-mail"
    assert len(chosen(rule.text)) > 1
    assert "Telefon DE\nE-Mail-Adresse</textarea>" in german.open(f"{PAGE}/rules/{rule.id}/edit")
    assert "Telefon DE" in german.open(PAGE)
    german.client.delete_cookie(languages.COOKIE)
    assert "telephone DE\ne-mail</textarea>" in german.open(f"{PAGE}/rules/{rule.id}/edit")


def test_a_file_with_names_of_another_language_is_understood_there(german: Visitor) -> None:
    body = '{"name": "x", "kind": "personal", "text": "Telefon", "scope": "both", "action": "mask"}'
    text = f'{{"format": "insightsphere rules", "version": 1, "rules": [{body}]}}'
    with german.client.application.test_request_context(headers={"Accept-Language": "de"}):
        assert [each.text for each in rule_files.from_file(text)] == ["telephone"]


def test_in_every_language_each_name_means_what_it_means_in_english(app: Flask) -> None:
    for path in catalogs.TRANSLATIONS.glob("*.po"):
        with app.test_request_context(headers={"Accept-Language": path.stem}):
            assert str(flask_babel.get_locale()) == path.stem
            assert {name: as_kept(as_said(f"{name} DE")) for name in NAMES} == {n: f"{n} DE" for n in NAMES}
            assert all(begun_with(as_said(name), here())[0] == name for name in NAMES)


@pytest.mark.parametrize(
    ("language", "said", "typed", "kept"),
    [
        ("fr", {}, "TÉLÉPHONE FR\ncle privee", "telephone FR\nprivate key"),
        ("fr", {"IP": "numéro d'IP"}, "numero d’ip", "IP"),
        ("fr", {"IP": "numéro d’IP"}, "numéro d'IP", "IP"),
        ("es", {"telephone": "teléfono"}, "tele\u0301fono, TELEFONO ES", "telephone, telephone ES"),
        ("hi", {"telephone": "टेलीफ\u093cोन"}, "टेलीफोन, टेली\u095eोन", "telephone, telephone"),
        ("hi", {"telephone": "टेलीफोन"}, "टेलीफ\u093cोन", "telephone"),
        ("ar", {"secrets": "أسرار"}, "اسرار", "secrets"),
    ],
)
def test_a_name_is_found_however_it_is_typed(
    app: Flask, monkeypatch: pytest.MonkeyPatch, language: str, said: dict[str, str], typed: str, kept: str
) -> None:
    """Without accents, with either apostrophe, with the nukta and without."""
    catalog = languages._catalog(language)
    monkeypatch.setattr(catalog, "_catalog", {**catalog._catalog, **said})
    with app.test_request_context(headers={"Accept-Language": language}):
        assert as_kept(typed) == kept


def test_a_long_text_takes_no_long_time() -> None:
    started = time.process_time()
    assert as_kept("ip " * 100_000) == "ip " * 100_000
    assert as_kept("ip, " * 75_000) == "ip, " * 75_000
    assert time.process_time() - started < 5
