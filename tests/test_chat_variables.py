"""Saved prompts are filled in as their places say, each once, and nothing else of them changes."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insight_app.chat.variables import LONGEST_NAME, MOST_VARIABLES, Variable, filled, length_filled, variables

names = st.text(st.characters(exclude_characters="{}=\n", exclude_categories=("Cs",)), min_size=1, max_size=20).filter(
    lambda name: bool(name.strip())
)
plain = st.text(st.characters(exclude_characters="{}\\", exclude_categories=("Cs",)))


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("Hello {{name}}", [Variable("name")]),
        ("{{ language = English }}", [Variable("language", "English")]),
        ("{{a}} {{b=2}} {{a}} {{a=1}}", [Variable("a", "1"), Variable("b", "2")]),
        ("{{الاسم}}", [Variable("الاسم")]),
        ("{{a=b=c}}", [Variable("a", "b=c")]),
        (r"\{{a}} is not asked for", []),
        ("{a} {{}} {{ }} {{=1}} {{a\nb}} {{{", []),
        (f"{{{{{'x' * (LONGEST_NAME + 1)}}}}}", []),
    ],
)
def test_what_is_asked_for(text: str, asked: list[Variable]) -> None:
    assert variables(text) == asked


@pytest.mark.parametrize(
    ("text", "values", "result"),
    [
        ("Hello {{name}}, {{name}}!", {"name": "<b>Ada</b>"}, "Hello <b>Ada</b>, <b>Ada</b>!"),
        ("In {{language=English}}", {}, "In English"),
        ("In {{language=English}}", {"language": ""}, "In "),
        (r"\{{name}} {{name}}", {"name": "Ada"}, "{{name}} Ada"),
        (r"C:\{{ }}", {}, r"C:\{{ }}"),
        ("{{a}}", {"a": "{{b}}", "b": "no"}, "{{b}}"),
        ("{{a}} {% for x in y %}${z} {0} %(a)s", {"a": r"\1\g<0>"}, r"\1\g<0> {% for x in y %}${z} {0} %(a)s"),
    ],
)
def test_what_comes_out(text: str, values: dict[str, str], result: str) -> None:
    assert filled(text, values) == result


@given(st.lists(st.tuples(plain, names), max_size=8), plain, st.text())
def test_only_the_places_change_and_each_is_asked_for_once(parts: list[tuple[str, str]], end: str, value: str) -> None:
    text = "".join(f"{before}{{{{{name}}}}}" for before, name in parts) + end
    asked = [each.name for each in variables(text)]
    assert asked == list(dict.fromkeys(name.strip() for _, name in parts))
    result = filled(text, dict.fromkeys(asked, value))
    assert length_filled(text, dict.fromkeys(asked, value)) == len(result)
    assert result == "".join(f"{before}{value}" for before, _ in parts) + end


@given(st.text())
def test_a_text_in_which_nothing_is_asked_for_stays_as_it_is_but_for_its_backslashes(text: str) -> None:
    if not variables(text) and "\\{{" not in text:
        assert filled(text, {}) == text


def test_no_text_is_too_large_and_no_prompt_asks_without_end() -> None:
    many = "".join(f"{{{{v{number}}}}}" for number in range(MOST_VARIABLES + 5))
    assert len(variables(many)) == MOST_VARIABLES
    assert filled(many, {}).endswith("{{v34}}")  # what is not asked for stays
    began = time.process_time()
    for text in ("{{" * 500_000, "{{" + " " * 1_000_000, "{{a" * 300_000, "\\{{a}}" * 150_000, "{{a=" + "x" * 10**6):
        variables(text)
        filled(text, {})
    assert time.process_time() - began < 5
