"""From comrak's HTML to the HTML of the page: code blocks, formulas, tables that scroll, links instead of images."""

from __future__ import annotations

import re
from html import escape, unescape

from insight_app.rendering.guard import clean
from insight_app.rendering.highlight import highlight
from insight_app.rendering.math import formula
from insight_app.words import _

TAG = re.compile(r"<(/?)[a-z][^>]*?(/?)>")
RAW_LINE = re.compile(r"^ {0,3}&lt;", re.MULTILINE)
CODE = re.compile(r"<pre[^>]*><code([^>]*)>(.*?)</code></pre>", re.DOTALL)
LANGUAGE = re.compile(r'class="language-([^"]*)"')
WORD = re.compile(r"\w[\w+#.-]{0,39}")
FORMULA = re.compile(r'<span data-math-style="(inline|display)"[^>]*>([^<]*)</span>')
IMAGE = re.compile(r'<img(?: data-sourcepos="[^"]*")? src="([^"]*)" alt="([^"]*)"(?: title="[^"]*")? />')
LINK = re.compile(r"<a [^>]*>.*?</a>", re.DOTALL)
HEAD = re.compile(r"<th(?=[ >])")
# What stands between two prices, as in "US$5 or 6$", is no formula: it begins with a number and has words.
PRICE = re.compile(r"[0-9][0-9.,]*\w{0,4}[ ,;:]")
WORDS = re.compile(r"\b(?:[^\W\d_]{3,}|or|to)\b")
SIGNS = frozenset("\\^_={}+*/<>")
HEADING = re.compile(r"(</?h)([1-6])(?=[ >])")

# Parsers of HTML take quadratic time where hundreds of elements are nested, and a few characters of a hostile
# table become megabytes: no text of a person needs either.
DEEPEST = 100
HARMLESS = 20_000
MOST_GROWTH = 40
# In characters, some 100,000 tokens. Longer texts are shown as they were written: to draw them would take a second or
# more, in which nothing else goes on.
MOST_MARKDOWN = 500_000


def finish(html: str, *, draft: bool) -> str:
    """Safe HTML for the page. A draft will be sent again: its code has no colours, its ```math is still code."""
    if RAW_LINE.search(html):
        html = _wrap_raw(html)
    if "<pre" in html:
        html = CODE.sub(_draft_code if draft else _final_code, html)
    if "<span data-math-style" in html:
        html = FORMULA.sub(_formula, html)
    if "<img" in html:
        html = LINK.sub(lambda link: IMAGE.sub(lambda image: image[2], link[0]), html)
        html = IMAGE.sub(lambda image: f'<a href="{image[1]}">{image[2] or image[1] or "image"}</a>', html)
    if "<h" in html:
        # The page's own outline has two levels above an answer.
        html = HEADING.sub(lambda heading: f"{heading[1]}{min(6, int(heading[2]) + 2)}", html)
    if "<table" in html:
        html = html.replace("<table", '<div class="table" role="group" aria-label="Table" tabindex="0"><table')
        html = html.replace("</table>", "</table></div>")
        html = HEAD.sub('<th scope="col"', html)
    if "<input" in html:
        html = html.replace('<input type="checkbox" disabled', '<input type="checkbox" aria-label="To do" disabled')
        html = html.replace('<input type="checkbox" checked', '<input type="checkbox" aria-label="Done" checked')
    return clean(html)


def is_bearable(html: str, source: str) -> bool:
    """Whether comrak's HTML may be given to a parser; where not, `as_plain(source)` is shown in its place."""
    if len(html) <= HARMLESS:
        return True
    return len(html) <= HARMLESS + MOST_GROWTH * len(source) and _depth(html) <= DEEPEST


def as_plain(source: str) -> str:
    """The source itself, readable, for what nothing better can be done with."""
    return clean(f'<p class="raw">{escape(source, quote=False)}</p>') + "\n"


def _depth(html: str) -> int:
    depth = deepest = 0
    for tag in TAG.finditer(html):
        if tag[1]:
            depth -= 1
        elif not tag[2]:
            depth += 1
            deepest = max(deepest, depth)
    return deepest


def _wrap_raw(html: str) -> str:
    """Raw HTML between blocks, which comrak leaves as bare text, becomes a paragraph that keeps its lines."""
    out: list[str] = []
    depth = end = 0
    for tag in TAG.finditer(html):
        if depth == 0:
            out.append(_raw(html[end : tag.start()]))
            end = tag.start()
        if not tag[2]:
            depth += -1 if tag[1] else 1
        if depth == 0:
            out.append(html[end : tag.end()])
            end = tag.end()
    out.append(_raw(html[end:]))
    return "".join(out)


def _raw(text: str) -> str:
    if not text.strip():
        return text
    return ("\n" if text.startswith("\n") else "") + f'<p class="raw">{text.strip()}</p>\n'


def _formula(found: re.Match[str]) -> str:
    display = found[1] == "display"
    if not display and PRICE.match(found[2]) and WORDS.search(found[2]) and not SIGNS & set(unescape(found[2])):
        return f"${found[2]}$"
    maths = formula(unescape(found[2]), display=display)
    return f'<span class="math" tabindex="0">{maths}</span>' if display else f'<span class="formula">{maths}</span>'


def _draft_code(found: re.Match[str]) -> str:
    return _code_block(_language(found), found[2])


def _final_code(found: re.Match[str]) -> str:
    if "data-math-style" in found[1]:
        return f'<div class="math" tabindex="0">{formula(unescape(found[2]), display=True)}</div>'
    language = _language(found)
    return _code_block(language, highlight(unescape(found[2]), language))


def _language(code: re.Match[str]) -> str:
    named = LANGUAGE.search(code[1])
    word = WORD.search(unescape(named[1])) if named else None
    return word[0] if word else "text"


def _code_block(language: str, code: str) -> str:
    name = escape(_("Copy code"))  # not in the text below, where Babel would not find it
    return (
        f'<div class="code" dir="ltr"><div class="code-head"><span class="code-lang">{language}</span>'
        f'<button type="button" class="copy" data-copy="code" aria-label="{name}">'
        f"{escape(_('Copy'))}</button></div>"
        f'<pre tabindex="0"><code class="language-{language}">{code}</code></pre></div>'
    )
