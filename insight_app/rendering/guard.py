"""The last guard: whatever the renderers did, only these elements, attributes and addresses reach a page."""

from __future__ import annotations

import nh3

# fmt: off
TEXT = {
    "p", "h3", "h4", "h5", "h6", "ul", "ol", "li", "blockquote", "hr", "br", "strong", "em", "del", "b", "i", "u", "s",
    "a", "code", "pre", "div", "span", "button", "input", "table", "thead", "tbody", "tr", "th", "td",
}
MATHS = {
    "math", "mrow", "mi", "mn", "mo", "mtext", "mspace", "ms", "mfrac", "msqrt", "mroot", "mstyle", "merror", "mpadded",
    "mphantom", "msub", "msup", "msubsup", "munder", "mover", "munderover", "mmultiscripts", "mprescripts", "mtable",
    "mtr", "mtd", "menclose",
}
MATHS_ATTRIBUTES = {
    "class", "display", "displaystyle", "scriptlevel", "lspace", "rspace", "stretchy", "fence", "separator", "form",
    "accent", "accentunder", "largeop", "movablelimits", "symmetric", "minsize", "maxsize", "linethickness", "width",
    "height", "depth", "voffset", "mathvariant", "notation",
}
# fmt: on
ATTRIBUTES = {
    **dict.fromkeys(MATHS, MATHS_ATTRIBUTES),
    **{tag: {"dir"} for tag in ("p", "h3", "h4", "h5", "h6", "li", "blockquote", "th", "td")},
    "p": {"class", "dir"},
    "ol": {"start"},
    "a": {"href", "title", "target"},
    "code": {"class"},
    "span": {"class", "tabindex"},
    "pre": {"tabindex"},
    "div": {"class", "dir", "tabindex", "role", "aria-label"},
    "math": MATHS_ATTRIBUTES | {"alttext"},
    "button": {"type", "class", "data-copy", "aria-label"},
    "input": {"checked", "disabled", "aria-label"},
    "th": {"align", "dir", "scope"},
    "td": {"align", "dir"},
}

CLEANER = nh3.Cleaner(
    tags=TEXT | MATHS,
    clean_content_tags={"script", "style"},
    attributes=ATTRIBUTES,
    tag_attribute_values={"input": {"type": {"checkbox"}}},
    set_tag_attribute_values={"a": {"target": "_blank"}},
    link_rel="noopener noreferrer",
    url_schemes={"http", "https", "mailto"},
    # A relative address would point into this application.
    url_relative="deny",
)


def clean(html: str) -> str:
    """Well-formed HTML that can run nothing and fetch nothing. Fragments of a table or list lose their tags."""
    return CLEANER.clean(html)
