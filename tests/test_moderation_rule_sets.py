"""Sets of rules are usable as they come, say what they change before they do, and are applied as one change."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from test_moderation_routes import PAGE, page, rules, words_of
from visitor import Visitor

from insight_app import words
from insight_app.moderation import checking
from insight_app.moderation.rule_sets import RULE_SETS, STARTER, RuleSet
from insight_app.moderation.rules import Action
from insight_app.services import Services

__all__ = ["page"]


@pytest.mark.parametrize("rule_set", RULE_SETS.values(), ids=RULE_SETS)
def test_a_rule_set_is_made_of_rules_that_can_be_used(rule_set: RuleSet) -> None:
    assert [checking.problems(rule) for rule in rule_set.rules] == [{}] * len(rule_set.rules)
    assert len({rule.id for rule in rule_set.rules}) == len(rule_set.rules)
    assert all(re.fullmatch(r"rule-[0-9a-z-]{1,27}", rule.id) for rule in rule_set.rules)
    assert rule_set.limits


def test_who_is_refused_something_by_a_rule_set_is_told_why() -> None:
    assert all(rule.reason for each in RULE_SETS.values() for rule in each.rules if rule.action is Action.REFUSE)


def test_what_every_server_starts_with_refuses_nothing() -> None:
    assert all(rule.action is Action.MASK for rule in STARTER)
    assert all(not checking.problems(rule) for rule in STARTER)


@pytest.mark.parametrize("name", RULE_SETS)
def test_a_rule_set_is_seen_before_it_applies(page: Visitor, services: Services, name: str) -> None:
    page.open(f"{PAGE}/sets/{name}")
    for rule in RULE_SETS[name].rules:
        assert f"New: “{rule.name}”" in words_of(page.page)
    assert rules(services) == []
    version = services.rules.version()
    page.send(f"{PAGE}/sets/{name}")
    assert rules(services) == list(RULE_SETS[name].rules)
    assert services.rules.version() == version + 1
    assert "Nothing would change" in page.open(f"{PAGE}/sets/{name}")


def test_a_rule_set_leaves_other_rules_alone_and_can_be_undone(page: Visitor, services: Services) -> None:
    page.open(f"{PAGE}/sets/strict")
    page.send(f"{PAGE}/sets/strict")
    before = rules(services)
    page.open(f"{PAGE}/sets/family")
    said = page.send(f"{PAGE}/sets/family")
    assert {rule.id for rule in before} <= {rule.id for rule in rules(services)}
    page.open(said.location.split("#")[0])
    page.send(re.findall(r'action="([^"]+/undo)"', page.page)[0])
    assert rules(services) == before


def test_a_rule_set_that_is_not_there_is_told(page: Visitor) -> None:
    assert page.client.get(f"{PAGE}/sets/none").status_code == 404


def test_the_names_of_rules_that_come_with_the_product_can_be_translated() -> None:
    catalog = (Path(words.__file__).parent / "translations/messages.pot").read_text(encoding="utf-8")
    of_sets = [text for each in RULE_SETS.values() for rule in each.rules for text in (rule.name, rule.reason)]
    assert [text for text in filter(None, of_sets) if f'msgid "{text}"' not in catalog] == []
