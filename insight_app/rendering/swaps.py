"""A change of a page that is open, in htmx's words."""

from __future__ import annotations


def swap(target: str, how: str, html: str) -> str:
    """`html` goes to the element `target` (a CSS selector) as the htmx swap style `how` says."""
    return f'<hx-partial hx-target="{target}" hx-swap="{how} settle:0">{html}</hx-partial>'
