"""A finished answer is what comrak makes of the whole text, in the page's own clothes."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, example, given
from rendering_texts import WITH_NOTES, markdown, often

from insight_app.rendering.commonmark import sound, to_html
from insight_app.rendering.finish import finish
from insight_app.rendering.markdown import has_definitions, render


def without_looseness(html: str) -> str:
    return re.sub(r"\s+", "", re.sub(r"</?p\b[^>]*>", "", html))


@often
@given(markdown)
@example("para\n    four\n|--\n")
@example("100. c\n\n     [x]: u\n\n[x]\n")
@example("[b]: <z>\n'title\nbar'c` d\n\n[b]\n")
@example("- a\n<div>\n\n- b\n<!-- c\n- d\n-->\n- e")
def test_segments_joined_are_the_whole_but_for_looseness(text: str) -> None:
    # With too little text, comrak leaves links of which it knows the address.
    at_once, joined = finish(to_html(" " * 2_000 + "\n" + sound(text)), draft=False), render(text)
    assume('<div class="notes"' not in joined)  # comrak is not asked for them
    if at_once != joined:
        # Whether an item is loose is decided by the item alone, so that it never changes.
        assert "<li" in at_once
        assert without_looseness(at_once) == without_looseness(joined)


@given(markdown)
def test_html_is_what_a_parser_would_make_of_it(text: str) -> None:
    html = render(text)
    assert WITH_NOTES.clean(html) == html


def test_an_item_is_loose_by_itself_only() -> None:
    assert render("- a\n\n- b\n\n  c\n- d") == (
        "<ul>\n<li>a</li>\n<li>\n<p>b</p>\n<p>c</p>\n</li>\n<li>d</li>\n</ul>\n"
    )


@pytest.mark.parametrize(("markdown", "html"), [
    ("# a", '<h3>a</h3>'),
    ("### a", '<h5>a</h5>'),
    ("###### a", '<h6>a</h6>'),
    ("~~a~~ *b* **c** `d`", "<del>a</del> <em>b</em> <strong>c</strong> <code>d</code>"),
    ("4. a\n4. b", '<ol start="4">'),
    ("- [ ] a", '<input type="checkbox" aria-label="To do" disabled=""> a'),
    ("- [x] a", '<input type="checkbox" aria-label="Done" checked="" disabled=""> a'),
    ("a\n---\nb", '<h4>a</h4>\n<p>b</p>'),
    ("<b>a</b>", '<p>&lt;b&gt;a&lt;/b&gt;</p>'),
    ("<div>\na\n</div>\n\nb", '<p class="raw">&lt;div&gt;\na\n&lt;/div&gt;</p>\n<p>b</p>'),
    ("|a|\n|:-:|\n|b|", '<div class="table" role="group" aria-label="Table" tabindex="0"><table>\n<thead>'),
    ("|a|\n|:-:|\n|b|", '<td align="center">b</td>'),
    ("> a", '<blockquote>\n<p>a</p>\n</blockquote>'),
    ("www.x.org", '<a href="http://www.x.org" target="_blank" rel="noopener noreferrer">www.x.org</a>'),
    ("[a](mailto:b@c.de 'd')",
     '<a href="mailto:b@c.de" title="d" target="_blank" rel="noopener noreferrer">a</a>'),
    ("![a](https://b/c.png)", '<a href="https://b/c.png" target="_blank" rel="noopener noreferrer">a</a>'),
    ("![](https://b/c.png)", ">https://b/c.png</a>"),
    ("[![a](https://b/c.png)](https://d)",
     '<p><a href="https://d" target="_blank" rel="noopener noreferrer">a</a></p>'),
    ("    a < b", '<pre tabindex="0"><code class="language-text">a &lt; b\n</code></pre>'),
    ("```math\nx\n```", '<div class="math" tabindex="0"><math alttext="x" display="block"><mi>x</mi></math></div>'),
])  # fmt: skip
def test_markdown_becomes(markdown: str, html: str) -> None:
    assert html in render(markdown)


def test_a_code_block_has_its_language_a_button_and_colours() -> None:
    assert render("```Py extra\nx = '<'\n```") == (
        '<div class="code" dir="ltr"><div class="code-head"><span class="code-lang">Py</span>'
        '<button type="button" class="copy" data-copy="code" aria-label="Copy code">Copy</button></div>'
        '<pre tabindex="0"><code class="language-Py"><span class="n">x</span> <span class="o">=</span> '
        '<span class="s1">&#39;&lt;&#39;</span>\n</code></pre></div>\n'
    ).replace("&#39;", "'")


@pytest.mark.parametrize(("info", "label"), [
    ("", "text"), ("c++", "c++"), ("{.python}", "python"), ("js:app.js", "js"), ('"><b>', "b"), ("日本", "日本"),
])  # fmt: skip
def test_the_label_of_code_is_one_harmless_word(info: str, label: str) -> None:
    assert f'<span class="code-lang">{label}</span>' in render(f"```{info}\n```")


@pytest.mark.parametrize(
    "text",
    [
        "see [a] and [b][A]\n\n[a]: https://x/y 'it\\'s'\n",
        "[a]: https://x/y 'it\\'s'\n\nsee [a] and [b][A]",
        "- see [a]\n\n> [b][A]\n\n> [a]: https://x/y 'it\\'s'",
    ],
)
def test_links_find_their_definitions_anywhere(text: str) -> None:
    assert render(text).count('<a href="https://x/y" title="it\'s"') == 2
    assert has_definitions(text)


@pytest.mark.parametrize("text", ["", "plain", "[a]: not a definition", "```\n[a]: b\n```", "d['a']: int", "[a](b): c"])
def test_few_texts_have_definitions(text: str) -> None:
    assert not has_definitions(text)


def test_a_long_address_may_be_used_often() -> None:
    address = "https://x/" + "y" * 500
    assert render(f"{'[a] ' * 40}\n\n[a]: {address}").count(f'href="{address}"') == 40


def test_the_first_of_two_definitions_counts() -> None:
    assert 'href="https://one"' in render("[a]\n\n[a]: https://one\n\n# x\n\n[a]: https://two")


@pytest.mark.parametrize("text", ["**a " * 4_000 + "b** " * 4_000, ">" * 5_000, "*" * 20_000 + "a" + "*" * 20_000])
def test_text_nested_beyond_reason_is_shown_as_it_is(text: str) -> None:
    assert render(text).startswith('<p class="raw"')


def test_a_table_that_grows_beyond_reason_is_shown_as_it_is() -> None:
    assert len(render("|".join("a" * 300) + "\n" + "|".join("-" * 300) + "\n" + "x\n" * 400)) < 3_000


@pytest.mark.parametrize("text", ["", "\n", " ", "\ufeff", "\ud800", "\0", "\r", "$$", "[", "```", "- ", "|", "<!--"])
def test_the_smallest_texts_are_no_error(text: str) -> None:
    assert "script" not in render(text)


@pytest.mark.parametrize("text", [
    "It costs $5 and $10.", "US$5 or 5$ and 6$", "from C$5 to 7$", "$1,000 or 2,000$ each", "**$5** and **$10**",
])  # fmt: skip
def test_prices_are_no_formulas(text: str) -> None:
    assert "<math" not in render(text)
    assert re.sub("<.*?>|[*]", "", render(text)).strip() == text.replace("*", "")


@pytest.mark.parametrize("text", ["$5$", "$1,000$", r"$5 \text{ or } 6$", "$2 ab$", "$n$-dimensional", r"\(5 x\)"])
def test_numbers_in_formulas_are_no_prices(text: str) -> None:
    assert "<math" in render(text)


def test_a_table_says_what_its_columns_are() -> None:
    html = render("| a | b |\n|:-:|--:|\n| 1 | 2 |")
    assert '<th scope="col" align="center">a</th>' in html
    assert '<td align="right">2</td>' in html
