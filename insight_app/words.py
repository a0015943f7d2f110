"""What is said to people, in the language of the page that is drawn, and numbers as one says them.

Outside a request (the command line, logs) it is English. A text that stands in the code before there is a page is
marked with `N_`, and translated by `_` where it is drawn.
"""

from __future__ import annotations

import re
from datetime import date

import flask_babel
from babel import Locale
from babel.dates import format_date, format_skeleton
from babel.numbers import format_decimal
from markupsafe import Markup, escape


def _(text: str, /, **names: object) -> str:
    """`text` in the language of the page, with names in the place of its `%(name)s`."""
    said = str(flask_babel.gettext(text)) if text else ""
    return said % names if names else said


def ngettext(one: str, several: str, number: int, /, **names: object) -> str:
    """The form for that number, which stands in it as `%(num)s`."""
    form = flask_babel.get_translations().ungettext(one, several, number)
    return str(form % {"num": said_number(number), **names})


def N_(text: str) -> str:  # noqa: N802  # so gettext's tools call it
    """Marks a text that will be translated later."""
    return text


lazy = flask_babel.lazy_gettext  # for labels of forms, which are made before there is a page


def in_page(text: str, /, **names: object) -> Markup:
    """`_` in templates: safe whatever is given, with Markup for what is markup."""
    return escape(_(text)) % {name: escape(each) for name, each in names.items()} if names else escape(_(text))


def in_page_n(one: str, several: str, number: int, /, **names: object) -> Markup:
    """`ngettext` in templates."""
    marks = {name: f"%({name})s" for name in names}
    return escape(ngettext(one, several, number, **marks)) % {name: escape(each) for name, each in names.items()}


def said_number(number: float, digits: int | None = None) -> str:
    """ "1,234.5" as the language of the page writes it, with so many digits behind the point; None: as there are."""
    return format_decimal(number, number_pattern(digits), locale=locale())


def number_pattern(digits: int | None) -> str:
    """How the language of the page writes a number with so many digits behind the point; None: as there are."""
    pattern = str(locale().decimal_formats[None].pattern)
    return pattern if digits is None else re.sub(r"\.#+", f".{'0' * digits}" if digits else "", pattern)


def locale() -> Locale:
    """The language of the page, as Babel knows it."""
    return flask_babel.get_locale() or _ENGLISH


_ENGLISH = Locale("en")


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


def in_words(seconds: float) -> str:
    """ "2 hours and 5 minutes"; the two largest units, rounded up to minutes so that the end is never too early."""
    left = -int(-seconds // 60) * 60
    parts = []
    for name, length in LENGTHS:
        count, left = divmod(left, length)
        if count:
            parts.append(counted(count, name))
    return " and ".join(parts[:2]) or "less than a minute"
