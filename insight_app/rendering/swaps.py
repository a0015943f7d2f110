"""A change of a page that is open, in htmx's words."""

from __future__ import annotations

from markupsafe import escape


def swap(target: str, how: str, html: str) -> str:
    """`html` goes to the element `target` (a CSS selector) as the htmx swap style `how` says."""
    return f'<hx-partial hx-target="{target}" hx-swap="{how} settle:0">{html}</hx-partial>'


def announce(said: str) -> str:
    """Read out by screen readers, which hear of a stream's beginning and end but never its fragments."""
    return swap("#announcer", "innerHTML", escape(said))
