"""The one place that knows comrak: Markdown in, its plain HTML out, with raw HTML shown as text."""

from __future__ import annotations

import re

import comrak

# Lone surrogates cannot be encoded; a byte order mark would mean something else at the start of a piece than
# in the middle of a text. Both are replaced one for one, so that positions stay what they are.
UNSOUND = re.compile("[\ud800-\udfff\ufeff]")
LINE_END = re.compile(r"\r\n|\r|\n")


def sound(text: str) -> str:
    """The same number of characters, without those that no renderer can take."""
    if text.isascii():
        return text
    return UNSOUND.sub(lambda found: "\u2060" if found[0] == "\ufeff" else "\ufffd", text)


def _extensions() -> comrak.ExtensionOptions:
    options = comrak.ExtensionOptions()
    options.table = options.tasklist = options.strikethrough = options.autolink = True
    options.math_dollars = options.math_latex = True
    return options


def _rendering(*, positions: bool) -> comrak.RenderOptions:
    options = comrak.RenderOptions()
    options.escape = True
    options.sourcepos = positions
    return options


EXTENSIONS = _extensions()
PARSING = comrak.ParseOptions()
PLAIN = _rendering(positions=False)
POSITIONED = _rendering(positions=True)


def to_html(markdown: str) -> str:
    """What comrak makes of it: no raw HTML, but neither schemes of links nor nesting are judged yet."""
    return comrak.render_markdown(markdown, EXTENSIONS, PARSING, PLAIN)


def to_positioned_html(markdown: str) -> str:
    """The same, and every block says on which lines it stands (data-sourcepos)."""
    return comrak.render_markdown(markdown, EXTENSIONS, PARSING, POSITIONED)
