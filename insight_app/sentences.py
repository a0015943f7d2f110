"""What sentences of pages hold besides plain text: a link, a name that somebody chose, code, several things at once."""

from __future__ import annotations

import re
from collections.abc import Iterable

from babel.lists import format_list
from markupsafe import Markup, escape

from insight_app.words import _, locale

_QUOTED = re.compile(r"(?<=[“„«])(\s*)([ -~]+?)(\s*)(?=[”“»])")
_MARK = re.compile(r"`(?P<code>[^`]+)`|\*\*(?P<strong>.+?)\*\*|\[(?P<link>[^]]+)\]")


def marked(text: str, /, *links: str, **names: object) -> Markup:
    """`text` in the language of the page; `code`, **what is strong** and [a link] are drawn so, each to its address."""
    ways = iter(links)

    def drawn(mark: re.Match[str]) -> str:
        if mark["link"]:
            return f'<a href="{str(escape(next(ways))).replace("%", "%%")}">{mark["link"]}</a>'
        return f"<code>{mark['code']}</code>" if mark["code"] else f"<strong>{mark['strong']}</strong>"

    whole = Markup(_MARK.sub(drawn, str(escape(_(text)))))
    return whole % {name: escape(each) for name, each in names.items()}


def bdi(text: str) -> Markup:
    """What somebody wrote, so that its direction is its own."""
    return Markup("<bdi>{}</bdi>").format(text)


def apart(text: str) -> Markup:
    """A sentence that quotes what is to be typed, a command or a setting: each in its own direction, in one piece."""
    return Markup(_QUOTED.sub(r"\1<bdi>\2</bdi>\3", str(escape(text))))


def listed(things: Iterable[object]) -> str:
    """ "a, b, and c", as the language of the page names several things; Markup where one of them is."""
    parts = list(things)
    if any(hasattr(each, "__html__") for each in parts):
        return Markup(format_list([str(escape(each)) for each in parts], locale=locale()))
    return format_list([str(each) for each in parts], locale=locale())
