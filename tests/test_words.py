"""What is said to people is marked, and complete in every language that there is."""

from __future__ import annotations

import ast
import re
from html.parser import HTMLParser
from itertools import chain

import catalogs
import pytest
from babel.messages.catalog import Catalog, Message
from jinja2 import Environment, nodes
from jinja2.lexer import TOKEN_DATA, TOKEN_VARIABLE_BEGIN
from markupsafe import Markup

from insight_app import amounts
from insight_app.sentences import apart, bdi, listed, marked

TEMPLATES = sorted((catalogs.ROOT / "templates").rglob("*.html"))
SPOKEN = ("title", "aria-label", "aria-description", "placeholder", "alt", "label")
LETTERS = re.compile(r"[^\W\d_]{2,}")
# Names that are the same in every language.
NAMES = ("InsightSphere", "AI", "XXXX-XXXX-XXXX", "UTC")
# What these are given is no text, or is marked.
CALLS = ("_", "ngettext", "pgettext", "marked", "url_for", "asset", "field", "check")
jinja = Environment(extensions=["jinja2.ext.loopcontrols"])


class Reader(HTMLParser):
    """The texts of a template that people would see or hear."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._in_code = 0

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self._in_code += tag == "code"
        self.texts += [value or "" for name, value in attributes if name in SPOKEN]

    def handle_endtag(self, tag: str) -> None:
        self._in_code -= tag == "code"

    def handle_data(self, text: str) -> None:
        if not self._in_code:
            self.texts.append(text)


def test_every_text_of_a_template_is_marked() -> None:
    for path in TEMPLATES:
        source = path.read_text(encoding="utf-8")
        reader = Reader()
        reader.feed(_without_jinja(source))
        said = " ".join(reader.texts)
        for name in NAMES:
            said = said.replace(name, "")
        assert not LETTERS.findall(said), f"{path.name}: {said.split()}"
        unmarked = [text for text in _constants(jinja.parse(source)) if re.search(r"[a-z]{2,} [a-z]|^[A-Z][a-z]", text)]
        assert not unmarked, f"{path.name}: {unmarked}"


def _without_jinja(source: str) -> str:
    """The template with a 0 for whatever Jinja puts in."""
    shown = {TOKEN_DATA: lambda value: value, TOKEN_VARIABLE_BEGIN: lambda _value: "0"}
    whole = "".join(shown[kind](value) for _line, kind, value in jinja.lex(source) if kind in shown)
    return re.sub("(</?)0", r"\1div", whole)  # also the name of a tag


def _constants(node: nodes.Node) -> list[str]:
    """Texts that expressions may put out, but for those that are marked."""
    if isinstance(node, nodes.Const):
        return [node.value] if isinstance(node.value, str) else []
    if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Name) and node.node.name in CALLS:
        return []
    if isinstance(node, nodes.Compare | nodes.Test | nodes.Extends | nodes.Include | nodes.FromImport):
        return []
    return list(chain.from_iterable(_constants(child) for child in node.iter_child_nodes()))


def test_no_message_stands_inside_an_f_string_where_babel_does_not_look() -> None:
    marks = {*catalogs.KEYWORDS, "in_page", "in_page_n", "in_page_p"}
    for path in (catalogs.ROOT / "insight_app").rglob("*.py"):
        strings = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.JoinedStr)]
        calls = [node.func for string in strings for node in ast.walk(string) if isinstance(node, ast.Call)]
        lost = [call.lineno for call in calls if isinstance(call, ast.Name) and call.id in marks]
        assert not lost, f"{path.name}: lines {lost}"


def test_what_translators_are_given_is_what_the_code_says() -> None:
    """docs/translating.md has the command that writes it anew."""
    given, found = catalogs.read(catalogs.TEMPLATE), catalogs.found()
    assert _asked(given) == _asked(found)


def _asked(catalog: Catalog) -> set[tuple[str | None, object]]:
    """All messages, each with the place that it is said in, where that matters."""
    return {(message.context, message.id) for message in catalog if message.id}


def test_every_language_says_everything() -> None:
    template = [message for message in catalogs.read(catalogs.TEMPLATE) if message.id]
    for path in catalogs.TRANSLATIONS.glob("*.po"):
        catalog = catalogs.read(path, path.stem)
        assert not catalog.obsolete, path.name
        for asked in template:
            message = catalog.get(asked.id, asked.context)
            assert message is not None, f"{path.name} lacks {asked.id!r}"
            wrong = _wrong(asked, message, catalog.num_plurals)
            assert not wrong, f"{path.name}, {asked.id!r}: {wrong}"
        assert len(catalog) == len(template), f"{path.name} says what nobody asks for"


def _wrong(asked: Message, told: Message, plurals: int) -> str:
    """What is wrong with a translation, or ""."""
    source = asked.id if isinstance(asked.id, tuple) else (asked.id,)
    forms = told.string if isinstance(told.string, tuple) else (told.string,)
    if told.fuzzy:
        return "it is a guess"
    if len(forms) != (plurals if asked.pluralizable else 1):
        return "another number of forms"
    if not all(form.strip() for form in forms):
        return "it is empty"
    names = [set(_placeholders(form)) - {"num"} for form in source]
    if any(set(_placeholders(form)) - {"num"} not in names for form in forms):
        return "other placeholders"
    if "num" in _placeholders(source[-1]) and "num" not in _placeholders(forms[-1]):
        return "the number is missing"
    if any(re.search(r"%(?!\(\w+\)s|%)", form) for form in forms if _placeholders(source[-1])):
        return "a % that is no placeholder"
    if any(_marks(form) != _marks(source[-1]) for form in forms):
        return "other marks: links, **strong**, `code`, or tags"
    if any(form[:1].isspace() or form[-1:].isspace() for form in forms) and source[0].strip() == source[0]:
        return "spaces around it"
    return ""


def _placeholders(text: str) -> list[str]:
    return sorted(re.findall(r"%\((\w+)\)s", text))


def _marks(text: str) -> tuple[list[str], int, int]:
    return sorted(re.findall(r"`[^`]+`|<[^>]+>", text)), text.count("**"), len(re.findall(r"\[[^]]+\]", text))


def test_a_translation_that_would_break_a_page_is_found() -> None:
    asked = Message(("%(num)s day of %(name)s", "%(num)s days of %(name)s"))
    links = Message("Set `A` in [a file]")
    assert not _wrong(asked, Message(asked.id, ("Ein Tag von %(name)s", "%(num)s Tage von %(name)s")), 2)
    for forms in [("a %(name)s",), ("a", "%(num)s b"), ("a %(name)s", "b %(name)s"), ("", "%(num)s b %(name)s")]:
        assert _wrong(asked, Message(asked.id, forms), 2)
    assert not _wrong(links, Message(links.id, "[Eine Datei]: `A`"), 2)
    for said in ("Eine Datei: `A`", "[Eine Datei]: `B`", "[Eine Datei]: `A` "):
        assert _wrong(links, Message(links.id, said), 2)


def test_marks_in_a_sentence_become_tags_and_what_is_put_in_does_not() -> None:
    said = marked("**%(name)s** is `b**a**d`: [a & b] or [c].", "/a?b=1&c=%20", "/c", name="`<b>` **x** [y]")
    assert said == (
        "<strong>`&lt;b&gt;` **x** [y]</strong> is <code>b**a**d</code>: "
        '<a href="/a?b=1&amp;c=%20">a &amp; b</a> or <a href="/c">c</a>.'
    )
    assert bdi("<b>") == "<bdi>&lt;b&gt;</bdi>"


def test_several_things_are_named_as_the_language_does_it() -> None:
    assert [listed([]), listed("a"), listed("ab"), listed(["{0}", 2, "c"])] == ["", "a", "a and b", "{0}, 2, and c"]
    assert not isinstance(listed(["<b>"]), Markup)
    assert listed([bdi("a"), "<b>"]) == Markup("<bdi>a</bdi> and &lt;b&gt;")


def test_what_is_to_be_typed_keeps_its_direction_in_a_sentence_from_right_to_left() -> None:
    assert apart("بالأمر «ollama serve» أو") == Markup("بالأمر «<bdi>ollama serve</bdi>» أو")
    assert apart("« a <b> », ou „c“") == Markup("« <bdi>a &lt;b&gt;</bdi> », ou „<bdi>c</bdi>“")
    assert apart("«أ» b") == "«أ» b"


@pytest.mark.parametrize(
    ("seconds", "waited", "left", "in_time"),
    [
        (0.5, "1 second", "1 minute", "in 1 minute"),
        (120, "120 seconds", "2 minutes", "in 2 minutes"),
        (121, "3 minutes", "3 minutes", "in 3 minutes"),
        (86_400 * 10 + 1, "11 days", "10 days and 1 minute", "in 11 days"),
    ],
)
def test_a_wait_is_rounded_up(seconds: float, waited: str, left: str, in_time: str) -> None:
    assert (amounts.lasting(seconds), amounts.in_words(seconds), amounts.coming(seconds)) == (waited, left, in_time)


def test_what_is_past_is_rounded_down_and_told_in_days_for_ever() -> None:
    assert [amounts.since(each) for each in (60, 7_199, 86_400 * 400)] == ["1 minute ago", "1 hour ago", "400 days ago"]


def test_sizes_are_told_in_the_largest_unit() -> None:
    told = [amounts.in_bytes(each) for each in (0, 2**10, 4 * 2**20, int(1.55 * 2**30))]
    assert told == ["1 kB", "1 kB", "4 MB", "1.5 GB"]


def test_sizes_on_a_disk_are_told_as_ollama_tells_them() -> None:
    told = [amounts.on_disk(each) for each in (0, 1500, 815_000_000, 4_000_000_000, 4_700_000_000, 123_400_000_000)]
    assert told == ["1 kB", "2 kB", "815 MB", "4 GB", "4.7 GB", "123 GB"]
