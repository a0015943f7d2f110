"""Link reference definitions, which stand anywhere in a text and count everywhere in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from insight_app.rendering.commonmark import to_html

LABEL = r"\[((?:[^\[\]\\]|\\.){1,999})\]"
MAYBE = re.compile(LABEL + ":", re.DOTALL)
LINK_TEXT = re.compile(LABEL, re.DOTALL)
MOST_ROOM = 100_000
RESOLVED = re.compile(r'<p><a href="([^"]*)"(?: title="([^"]*)")?>probe</a>')


def collect(sources: Iterable[str]) -> dict[str, str]:
    """The definitions of segments that are no code, each as Markdown, by their normalized labels.

    The first of a label counts.
    """
    known: dict[str, str] = {}
    for source in sources:
        labels = dict.fromkeys(_normalized(found[1]) for found in MAYBE.finditer(source))
        for label, definition in _resolved([label for label in labels if label], source):
            known.setdefault(label, definition)
    return known


def needed(known: dict[str, str], source: str) -> str:
    """Those definitions that the source may refer to, to be put before it."""
    if not known or "[" not in source:
        return ""
    labels = [_normalized(found[1]) for found in LINK_TEXT.finditer(source)]
    used = [known[label] for label in labels if label in known]
    # comrak follows links only until their addresses are longer than its whole input, so that is made longer.
    room = " " * min(MOST_ROOM, sum(map(len, used)))
    return f"{room}\n{''.join(dict.fromkeys(used))}" if used else ""


def _normalized(label: str) -> str:
    return " ".join(label.split()).casefold()


def _resolved(labels: list[str], source: str) -> Iterator[tuple[str, str]]:
    """Those labels that the source defines, and as what: comrak is asked to follow a link to each."""
    if not labels:
        return
    probes = " " * min(MOST_ROOM, len(source)) + "\n"
    probes += "".join(f"[probe][{label}]\n\n" for label in labels)
    for label, paragraph in zip(labels, to_html(probes + source).split("</p>\n"), strict=False):
        if found := RESOLVED.fullmatch(paragraph):
            # Both are HTML text, whose entities Markdown reads as well; a backslash would be an escape there.
            address, title = (part.replace("\\", "\\\\") for part in (found[1], found[2] or ""))
            yield label, f'[{label}]: <{address}> "{title}"\n\n' if title else f"[{label}]: <{address}>\n\n"
