"""Presets are usable as they come, say what they change before they do, and are applied as one change."""

from __future__ import annotations

import re

import pytest
from test_moderation_routes import PAGE, page, rules, words_of
from visitor import Visitor

from insight_app.moderation import checking
from insight_app.moderation.presets import PRESETS, STARTER, Preset
from insight_app.moderation.rules import Action
from insight_app.services import Services

__all__ = ["page"]


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_a_preset_is_made_of_rules_that_can_be_used(preset: Preset) -> None:
    assert [checking.problems(rule) for rule in preset.rules] == [{}] * len(preset.rules)
    assert len({rule.id for rule in preset.rules}) == len(preset.rules)
    assert all(re.fullmatch(r"rule-[0-9a-z-]{1,27}", rule.id) for rule in preset.rules)
    assert preset.limits


def test_who_is_refused_something_by_a_preset_is_told_why() -> None:
    assert all(rule.reason for each in PRESETS.values() for rule in each.rules if rule.action is Action.REFUSE)


def test_what_every_server_starts_with_refuses_nothing() -> None:
    assert all(rule.action is Action.MASK for rule in STARTER)
    assert all(not checking.problems(rule) for rule in STARTER)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_seen_before_it_applies(page: Visitor, services: Services, name: str) -> None:
    page.open(f"{PAGE}/presets/{name}")
    for rule in PRESETS[name].rules:
        assert f"New: “{rule.name}”" in words_of(page.page)
    assert rules(services) == []
    version = services.rules.version()
    page.send(f"{PAGE}/presets/{name}")
    assert rules(services) == list(PRESETS[name].rules)
    assert services.rules.version() == version + 1
    assert "Nothing would change" in page.open(f"{PAGE}/presets/{name}")


def test_a_preset_leaves_other_rules_alone_and_can_be_undone(page: Visitor, services: Services) -> None:
    page.open(f"{PAGE}/presets/strict")
    page.send(f"{PAGE}/presets/strict")
    before = rules(services)
    page.open(f"{PAGE}/presets/family")
    said = page.send(f"{PAGE}/presets/family")
    assert {rule.id for rule in before} <= {rule.id for rule in rules(services)}
    page.open(said.location.split("#")[0])
    page.send(re.findall(r'action="([^"]+/undo)"', page.page)[0])
    assert rules(services) == before


def test_a_preset_that_is_not_there_is_told(page: Visitor) -> None:
    assert page.client.get(f"{PAGE}/presets/none").status_code == 404
