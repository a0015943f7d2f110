"""The languages of the pages: which there are, which one somebody reads, and what is said in it.

What is said in a language stands in translations/LANGUAGE.po, and is read the first time that somebody reads it:
there is nothing to compile. English is what stands in the code.
"""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO
from pathlib import Path

from babel import Locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations
from flask import Flask, request
from flask_babel import Babel, Domain, get_locale
from werkzeug.datastructures import LanguageAccept
from werkzeug.http import parse_accept_header

from insight_app import amounts, sentences
from insight_app.accounts.guards import for_program
from insight_app.words import in_page, in_page_n, in_page_p, locale, said_number

COOKIE = "language"
# What templates say amounts and times with.
SAID = (amounts.in_seconds, amounts.in_bytes, amounts.on_disk, amounts.day, amounts.moment)
TRANSLATIONS = Path(__file__).with_name("translations")


@lru_cache
def codes() -> tuple[str, ...]:
    """Of every language that there is; English first."""
    return ("en", *sorted(path.stem for path in TRANSLATIONS.glob("*.po")))


def languages() -> dict[str, str]:
    """Every language by its code, with its own name, for which Babel has to know it: a megabyte for each."""
    return {code: _own_name(code) for code in codes()}


def language() -> str:
    """The code of the language of the page that is drawn: "en" outside a request."""
    return str(locale())


def direction() -> str:
    """Where lines of that language begin: "ltr" or "rtl"."""
    return locale().text_direction


def register(app: Flask) -> None:
    babel = Babel(app, locale_selector=_choose, configure_jinja=False)
    babel.domain_instance = _Catalogs()
    app.jinja_env.globals.update(_=in_page, ngettext=in_page_n, pgettext=in_page_p, number=said_number)
    app.jinja_env.globals.update(language=language, direction=direction, marked=sentences.marked)
    app.jinja_env.globals.update({word.__name__: word for word in SAID})
    app.jinja_env.filters.update(apart=sentences.apart, bdi=sentences.bdi, listed=sentences.listed)


def _choose() -> str:
    """What somebody chose, else what their browser asks for. Programs, and logs, are spoken to in English."""
    if not request or for_program():
        return "en"
    chosen = request.cookies.get(COOKIE, "")
    return chosen if chosen in codes() else _wished(request.headers.get("Accept-Language", ""))


@lru_cache(maxsize=1000)
def _wished(accepted: str) -> str:
    """What a browser asks for, as nearly as we speak it; it says the same with each request."""
    return parse_accept_header(accepted, LanguageAccept).best_match(codes()) or "en"


def _own_name(code: str) -> str:
    name = Locale.parse(code).get_display_name(code) or code
    return name[:1].upper() + name[1:]


class _Catalogs(Domain):  # type: ignore[misc]  # it has no types
    def get_translations(self) -> Translations:
        return _catalog(str(get_locale() or "en"))


@lru_cache
def _catalog(code: str) -> Translations:
    path = TRANSLATIONS / f"{code}.po"
    if not path.exists():
        return Translations()
    compiled = BytesIO()
    with path.open("rb") as file:
        write_mo(compiled, read_po(file, locale=code))
    compiled.seek(0)
    return Translations(compiled)
