"""What a person types becomes a rule, or an error beside its field."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from insight_app.moderation import checking
from insight_app.moderation.forms import RuleForm, TryForm
from insight_app.moderation.rule_lines import Line
from insight_app.moderation.rulebook import as_json
from insight_app.moderation.rules import Action, Kind, Rule, Scope
from insight_app.moderation.store import Entry

TYPED = {"name": "Moons", "kind": "phrase", "text": "moon", "scope": "both", "action": "mask", "is_on": "y"}


def sent(app: Flask, form: type[Any], **typed: str) -> Any:
    with app.test_request_context("/", method="POST", data=typed):
        found = form()
        found.outcome = found.rule("rule-1") if form is RuleForm else found.sample()
        return found


def test_what_is_typed_becomes_a_rule(app: Flask) -> None:
    form = sent(app, RuleForm, **{**TYPED, "name": "  Blue \t moons ", "text": "blue moon\r\nred  moon\r\n"})
    assert form.outcome == Rule("rule-1", "Blue moons", Kind.PHRASE, "blue moon\nred  moon\n")


@pytest.mark.parametrize(
    ("field", "typed", "said"),
    [
        ("name", " \r\n ", "Give it a name"),
        ("name", "n" * 61, "61 characters; at most 60"),
        ("name", "a\x1bb", "Character 2 is no text"),
        ("reason", "r" * 501, "501 characters; at most 500"),
        ("text", " \n ", "It looks for nothing yet"),
        ("text", "a" * 300_001, "no more than 300,000"),
        ("text", "a" * 2**20, "It has 1,048,576 characters"),
        ("text", "PK\x03\x04", "Character 3 is no text"),
        ("text", "caf\ufffd", "Character 4 is no text"),
        ("kind", "wards", "Choose one of these"),
        ("scope", "", "Choose one of these"),
        ("action", "explode", "Choose one of these"),
    ],
)
def test_an_error_stands_beside_its_field_alone(app: Flask, field: str, typed: str, said: str) -> None:
    form = sent(app, RuleForm, **{**TYPED, field: typed})
    assert form.outcome is None
    assert said in form[field].errors[0]
    assert [name for name, errors in form.errors.items() if errors] == [field]


def test_personal_data_needs_no_text(app: Flask) -> None:
    assert sent(app, RuleForm, **{**TYPED, "kind": "personal", "text": ""}).outcome is not None


def test_what_the_matcher_says_of_a_text_stands_beside_it(app: Flask) -> None:
    form = sent(app, RuleForm, **{**TYPED, "kind": "pattern", "text": "moon("})
    assert form.errors == {"text": [checking.unusable(Rule("rule-1", "Moons", Kind.PATTERN, "moon("))]}
    assert form.text.errors != [""]


def test_a_rule_fills_the_form_that_makes_it_again(app: Flask) -> None:
    rule = Rule("rule-1", "Moons", Kind.WORDS, "moon", Scope.ANSWERS, Action.FLAG, is_on=False, reason="No moons.")
    with app.test_request_context("/"):
        form = RuleForm.of(Line.of(Entry("rule-1", 0, as_json(rule))))
    filled = {name: form[name].data for name in ("name", "kind", "text", "scope", "action", "reason")}
    assert sent(app, RuleForm, **filled).outcome == rule
    assert not form.is_on.data


def test_what_is_tried_is_a_message_unless_it_is_an_answer(app: Flask) -> None:
    assert sent(app, TryForm, try_text="a\r\nb", try_scope="answers").outcome == (Scope.ANSWERS, "a\nb")
    assert sent(app, TryForm, try_text="a", try_scope="whatever").outcome == (Scope.PROMPTS, "a")


@given(text=st.text())
def test_any_text_is_a_rule_or_told_what_is_wrong(text: str) -> None:
    rule = Rule("rule-1", checking.on_one_line(text)[:60] or "x", Kind.PHRASE, checking.clean(text))
    problems = checking.problems(rule)
    assert set(problems) <= {"name", "text"}
    assert all(problems.values())
    rule.text.encode()
