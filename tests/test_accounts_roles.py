"""Admins say how much people of a role, or one account, may ask, and of which models."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from people import BOB
from scripted_ollama import ScriptedOllama
from visitor import Visitor

from insight_app.limits.quotas import Allowance
from insight_app.limits.store import RoleRules
from insight_app.services import Services

NUMBERS = {"answers_per_day": "50", "answers_per_month": "1,000", "tokens_per_day": "", "tokens_per_month": "0"}

ON_BOTH_DATABASES = True


@pytest.fixture
def found(shared: Flask) -> Services:
    services: Services = shared.extensions["insight"]
    return services


@pytest.fixture
def bobs(found: Services) -> str:
    account = found.accounts.store.of_email(BOB)
    assert account
    return account.id


def test_what_an_admin_sets_for_a_role_holds_and_is_shown(alice: Visitor, found: Services) -> None:
    alice.open("/settings/roles")
    response = alice.send("/settings/roles/member", **NUMBERS, which="all")
    assert (response.status_code, response.location) == (303, "/settings/roles?saved=member")
    assert found.limits.role("member") == RoleRules(Allowance(50, 1000, None, 0))
    assert found.limits.role("admin") == RoleRules()
    page = alice.open(response.location)
    assert "Saved." in page
    assert re.search(r'id="member-answers_per_month"[^>]*value="1000"', page)


def test_models_are_chosen_from_those_that_are_there_or_were_chosen(
    alice: Visitor, found: Services, ollama: ScriptedOllama
) -> None:
    found.limits.set_role("member", RoleRules(models=("old:latest",)))
    page = alice.open("/settings/roles")
    assert 'old:latest</bdi> <span class="badge">Not there now' in page
    both = {"csrf_token": alice.field("csrf_token"), "which": "some", "models": ["llama3.2:latest", "old:latest"]}
    assert alice.client.post("/settings/roles/member", data=both).status_code == 303
    assert found.limits.role("member").models == ("llama3.2:latest", "old:latest")
    page = alice.open("/settings/roles")
    assert len(re.findall(r'name="models" value="[^"]*" checked', page)) == 2
    alice.send("/settings/roles/member", which="all", models="llama3.2:latest")
    assert found.limits.role("member").models is None


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"answers_per_day": "-1"}, "Write a whole number up to 1,000,000,000, or nothing."),
        ({"tokens_per_month": "many"}, "Write a whole number"),
        ({"tokens_per_day": "9" * 10_000}, "Write a whole number"),
        ({"answers_per_month": "٣"}, "Write a whole number"),
        ({"which": "some"}, "Choose at least one of these models, or all of them."),
        ({"which": "some", "models": "invented"}, "Choose at least one of these models, or all of them."),
        ({"which": "others"}, ""),
    ],
)
def test_what_cannot_be_is_told_beside_its_field(
    alice: Visitor, found: Services, fields: dict[str, str], said: str
) -> None:
    alice.open("/settings/roles")
    response = alice.send("/settings/roles/member", **{"which": "all", **fields})
    assert response.status_code == 422
    assert said in response.text
    assert found.limits.role("member") == RoleRules()
    assert response.text.count("autofocus") == (1 if said else 0)


def test_an_account_can_have_limits_of_its_own(alice: Visitor, found: Services, bobs: str) -> None:
    found.limits.set_role("member", RoleRules(Allowance(answers_per_day=50)))
    found.counting.begin(bobs, "member", "m")
    page = alice.open(f"/settings/people/{bobs}")
    assert "1 used. Empty: as the role, 50." in page
    assert "0 used. Empty: as the role, no limit." in page
    response = alice.send(f"/settings/people/{bobs}/limits", **NUMBERS)
    assert response.status_code == 303
    assert "Saved." in alice.open(response.location)
    assert found.limits.account(bobs) == Allowance(50, 1000, None, 0)
    wrong = alice.send(f"/settings/people/{bobs}/limits", answers_per_day="x")
    assert (wrong.status_code, "Write a whole number" in wrong.text) == (422, True)
    assert alice.send("/settings/people/nobody/limits", **NUMBERS).status_code == 404


def test_only_admins_set_limits(bob: Visitor, found: Services, bobs: str) -> None:
    bob.open("/settings/account")
    assert "/settings/roles" not in bob.page
    assert bob.client.get("/settings/roles").status_code == 403
    assert bob.send("/settings/roles/member", **NUMBERS, which="all").status_code == 403
    assert bob.send(f"/settings/people/{bobs}/limits", **NUMBERS).status_code == 403
    assert found.limits.role("member") == RoleRules()


def test_a_role_that_there_is_not_is_not_there(alice: Visitor) -> None:
    alice.open("/settings/roles")
    assert alice.send("/settings/roles/owner", **NUMBERS, which="all").status_code == 404


def test_where_nobody_signs_in_there_are_no_roles(visitor: Visitor) -> None:
    assert visitor.client.get("/settings/roles").status_code == 404
