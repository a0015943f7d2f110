"""What is said to people, in the language of the page that is drawn, and numbers as one says them.

Outside a request (the command line, logs) it is English. A text that stands in the code before there is a page is
marked with `N_`, and translated by `_` where it is drawn.
"""

from __future__ import annotations

import re
from datetime import date
from functools import lru_cache

import flask_babel
from babel import Locale
from babel.dates import format_date, format_skeleton
from babel.numbers import format_decimal
from babel.support import NullTranslations
from flask import g, has_app_context
from markupsafe import Markup, escape


def _(text: str, /, **names: object) -> str:
    """`text` in the language of the page, with names in the place of its `%(name)s`."""
    said = str(_spoken()[1].ugettext(text)) if text else ""
    return said % names if names else said


def ngettext(one: str, several: str, number: int, /, **names: object) -> str:
    """The form for that number, which stands in it as `%(num)s`."""
    form = _spoken()[1].ungettext(one, several, number)
    return str(form % {"num": said_number(number), **names})


def pgettext(context: str, text: str, /) -> str:
    """`text` as it is said there: for a word that stands in several places and is not the same in every language."""
    return str(_spoken()[1].upgettext(context, text))


def N_(text: str) -> str:  # noqa: N802  # so gettext's tools call it
    """Marks a text that will be translated later."""
    return text


lazy = flask_babel.lazy_gettext  # for labels of forms, which are made before there is a page


def in_page(text: str, /, **names: object) -> Markup:
    """`_` in templates: safe whatever is given, with Markup for what is markup."""
    said = _as_markup(text, _spoken()[1]) if text else Markup()
    return said % {name: escape(each) for name, each in names.items()} if names else said


@lru_cache(maxsize=20_000)
def _as_markup(text: str, spoken: NullTranslations) -> Markup:
    """The same words stand on page after page."""
    return escape(spoken.ugettext(text))


def in_page_p(context: str, text: str, /) -> Markup:
    """`pgettext` in templates."""
    return escape(pgettext(context, text))


def in_page_n(one: str, several: str, number: int, /, **names: object) -> Markup:
    """`ngettext` in templates."""
    marks = {name: f"%({name})s" for name in names}
    return escape(ngettext(one, several, number, **marks)) % {name: escape(each) for name, each in names.items()}


def said_number(number: float, digits: int | None = None) -> str:
    """ "1,234.5" as the language of the page writes it, with so many digits behind the point; None: as there are."""
    return _written(number, digits, locale())


@lru_cache(maxsize=2000)
def _written(number: float, digits: int | None, _spoken: Locale) -> str:
    return format_decimal(number, number_pattern(digits), locale=_spoken)


def number_pattern(digits: int | None) -> str:
    """How the language of the page writes a number with so many digits behind the point; None: as there are."""
    pattern = str(locale().decimal_formats[None].pattern)
    return pattern if digits is None else re.sub(r"\.#+", f".{'0' * digits}" if digits else "", pattern)


def locale() -> Locale:
    """The language of the page, as Babel knows it."""
    return _spoken()[0]


_ENGLISH = Locale("en")


def _spoken() -> tuple[Locale, NullTranslations]:
    """The language of the page, and what is said in it: asked for once, as a page has a hundred words and more."""
    if not has_app_context():
        return _ENGLISH, _NO_WORDS
    found: tuple[Locale, NullTranslations] | None = g.get("spoken")
    if found is None:
        found = g.spoken = (flask_babel.get_locale() or _ENGLISH, flask_babel.get_translations())
    return found


_NO_WORDS = NullTranslations()


def said_day(day: date) -> str:
    """ "27 Nov 2026" as the language of the page writes it."""
    return format_date(day, "medium", locale=locale())


def said_month(day: date) -> str:
    """ "October 2026" as the language of the page writes it."""
    said = format_skeleton("yMMMM", day, locale=locale())
    return said[:1].upper() + said[1:]


# Of the units of time, in seconds, the longest first.
LENGTHS = (("day", 86_400), ("hour", 3_600), ("minute", 60))


def counted(number: int, name: str) -> str:
    """ "1 day", "2 days", "3 processes"."""
    several = f"{name}es" if name.endswith("ss") else f"{name}s"
    return f"{number:,} {name if number == 1 else several}"
