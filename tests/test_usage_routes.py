"""Everybody sees what they used, admins what all did, programs the same; and nobody a word of what was asked."""

from __future__ import annotations

import csv
import io
import json
import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from people import ALICE, BOB, CAROL
from visitor import Visitor

from insight_app.accounts.tokens import Scope
from insight_app.limits.quotas import Allowance, hour_of
from insight_app.limits.store import RoleRules, Use
from insight_app.services import Services
from insight_app.usage import rows
from insight_app.usage.charts import HEIGHT, chart

Ids = dict[str, str]

ON_BOTH_DATABASES = True


@pytest.fixture
def found(shared: Flask) -> Services:
    services: Services = shared.extensions["insight"]
    return services


@pytest.fixture
def ids(found: Services) -> Ids:
    """Of Alice, Bob and Carol, who all have used something."""
    known = {account.email: account.id for account in found.accounts.store.all()}
    hour = hour_of(time.time())
    uses = [
        ((known[BOB], hour, "alpha:latest"), Use(3, 1000, 200, 12.0, 10.0)),
        ((known[BOB], hour - 24, "beta:latest"), Use(2, 10, 20, 3.0, 2.0)),
        ((known[BOB], hour - 24 * 40, "beta:latest"), Use(70, 1, 1, 1.0, 1.0)),
        ((known[CAROL], hour, "alpha:latest"), Use(1, 5, 5, 1.0, 1.0)),
        (("0123456789abcdef", hour, "alpha:latest"), Use(1, 5, 5, 1.0, 1.0)),
    ]
    found.limits.add(uses)
    return known


def key(found: Services, account_id: str, *scopes: Scope) -> dict[str, str]:
    return {"Authorization": f"Bearer {found.accounts.keys.make(account_id, 'test', scopes, None)}"}


def test_somebody_sees_what_they_used_of_what_they_may(bob: Visitor, found: Services, ids: Ids) -> None:
    found.limits.set_role("member", RoleRules(Allowance(answers_per_day=3, tokens_per_day=9000)))
    page = bob.open("/settings/usage")
    assert "3 of 3 answers" in page
    assert "1,200 of 9,000 tokens" in page
    assert "All used. It begins anew at 00:00 UTC (in " in page
    assert '<meter min="0" max="3" low="2.25" high="2.97" optimum="0" value="3" aria-labelledby="day-answers">' in page
    assert "5 answers, at most 3 in one day" in page
    assert page.count('<rect class="room"') == 30
    assert page.count('<rect class="bar"') == 2
    assert "beta:latest" in page
    for other in (CAROL, ALICE, "(deleted)"):
        assert other not in page
    assert "style=" not in page


def test_who_has_no_limit_sees_a_number_alone(bob: Visitor, ids: Ids) -> None:
    page = bob.open("/settings/usage")
    assert ">3 answers</p>" in page
    assert "<meter" not in page


def test_the_page_is_there_where_nobody_signs_in(visitor: Visitor) -> None:
    visitor.asks_and_waits("xylophage")
    page = visitor.open("/settings/usage")
    assert ">1 answer</p>" in page
    assert 'href="/settings/usage"' in visitor.open("/settings/privacy")
    everybody = visitor.open("/settings/usage/all")
    assert "(nobody signed in)" in everybody
    assert not [main for each in (page, everybody) if "xylophage" in (main := each.partition("<main")[2])]


def test_admins_see_who_asked_which_model_when_and_how_fast(alice: Visitor, ids: Ids) -> None:
    page = alice.open("/settings/usage/all?days=7")
    lines = [re.findall(r"<t[hd][^>]*>(?:<bdi>)?([^<]*)", line) for line in page.split("<tr>") if "<bdi>" in line]
    assert [BOB, "alpha:latest", "3", "1,000", "200", "20.0", "4.0 sec"] in lines
    assert ["(deleted)", "alpha:latest", "1", "5", "5", "5.0", "1.0 sec"] in lines
    assert "7 answers · 3 people · 1,020 tokens read · 230 tokens written" in page
    assert page.count('<rect class="room"') == 7 + 24
    assert "77 answers · 3 people" in alice.open("/settings/usage/all?days=90")
    for odd in ("0", "-1", "31", "x", "9" * 30, ""):
        assert "7 answers" in alice.open(f"/settings/usage/all?days={odd}")


def test_nobody_but_admins_sees_what_others_used(bob: Visitor, shared: Flask, found: Services, ids: Ids) -> None:
    for path in ("/settings/usage/all", "/settings/usage/all.csv"):
        assert bob.client.get(path).status_code == 403
    program = shared.test_client()
    statuses = [
        program.get("/api/usage").status_code,
        program.get("/api/usage", headers=key(found, ids[BOB], Scope.CHAT)).status_code,
        program.get("/api/usage", headers=key(found, ids[BOB], *Scope)).status_code,
        program.get("/api/usage", headers=key(found, ids[ALICE], Scope.CHAT, Scope.MODELS)).status_code,
    ]
    assert statuses == [401, 403, 403, 403]


def test_the_file_and_the_programs_door_have_the_same_rows(
    alice: Visitor, shared: Flask, found: Services, ids: Ids
) -> None:
    response = alice.client.get("/settings/usage/all.csv?days=7")
    assert response.headers["Content-Disposition"].startswith('attachment; filename="insightsphere-usage-')
    lines = list(csv.DictReader(io.StringIO(response.text)))
    answer = shared.test_client().get("/api/usage?days=7", headers=key(found, ids[ALICE], Scope.ADMIN))
    document = answer.json
    assert answer.content_type == "application/json; charset=utf-8"
    assert document["days"] == 7
    assert [{name: str(value) for name, value in row.items()} for row in document["rows"]] == lines
    assert {row["person"] for row in document["rows"]} == {BOB, CAROL, "(deleted)"}
    bobs = next(row for row in document["rows"] if (row["person"], row["model"]) == (BOB, "alpha:latest"))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:00:00\+00:00", bobs.pop("hour"))
    assert bobs == {
        "person": BOB,
        "model": "alpha:latest",
        "answers": 3,
        "prompt_tokens": 1000,
        "answer_tokens": 200,
        "busy_seconds": 12.0,
        "writing_seconds": 10.0,
    }


texts = st.text() | st.sampled_from(["=", "+1", "-1", "@a", "\t=1", "\r", "\n=", '"=1', "a,b"])


@pytest.mark.parametrize("days", ["0", "-1", "401", "1.5", "x", "", "9" * 30])
def test_a_program_hears_that_there_are_no_such_days(shared: Flask, found: Services, ids: Ids, days: str) -> None:
    """A page shows the usual ones; a program would take them for those that it asked for."""
    response = shared.test_client().get(f"/api/usage?days={days}", headers=key(found, ids[ALICE], Scope.ADMIN))
    assert (response.status_code, response.json and response.json["error"]["code"]) == (422, "no_such_days")
    both = shared.test_client().get("/api/usage?days=7&days=x", headers=key(found, ids[ALICE], Scope.ADMIN))
    assert both.status_code == 422


def test_what_began_no_answer_is_in_no_list(shared: Flask, found: Services, ids: Ids) -> None:
    """As where somebody asks a model that there is not."""
    admin = key(found, ids[ALICE], Scope.ADMIN)
    before = shared.test_client().get("/api/usage", headers=admin).json
    asked = {"message": "Hi", "model": "nobody"}
    refused = shared.test_client().post("/api/chat", json=asked, headers=key(found, ids[CAROL], Scope.CHAT))
    assert refused.status_code == 404
    assert shared.test_client().get("/api/usage", headers=admin).json == before


@given(st.lists(st.tuples(texts, texts), max_size=5))
def test_no_cell_of_the_file_is_a_formula_and_each_row_comes_back(names: list[tuple[str, str]]) -> None:
    amounts = dict.fromkeys(rows.AMOUNTS, 0)
    made = [{"hour": 1, "person": "p", "email": email, "model": model, **amounts} for email, model in names]
    lines = list(csv.reader(io.StringIO("".join(rows.as_csv(made)), newline="")))
    assert lines[0] == list(rows.COLUMNS)
    assert len(lines) == len(names) + 1
    for (email, model), line in zip(names, lines[1:], strict=True):
        assert [cell.removeprefix("'") for cell in line[1:3]] == [
            name.removeprefix("'") for name in (email or rows.DELETED, model)
        ]
        assert not any(cell.startswith(rows.FORMULA) for cell in line)
    assert len(json.loads("".join(rows.as_json(made, 7)))["rows"]) == len(names)


@given(st.lists(st.integers(0, 10**9), max_size=40))
def test_bars_stand_on_the_ground_as_high_as_they_are_worth(values: list[int]) -> None:
    found = chart([(str(number), value) for number, value in enumerate(values)])
    assert found.most == max(values, default=0)
    for value, bar in zip(values, found.bars, strict=True):
        assert bar.y + bar.height == pytest.approx(HEIGHT)
        assert (bar.height > 0) is (value > 0)
        assert 0 <= bar.x <= found.width - found.bar_width
        assert bar.height <= HEIGHT
    ordered = sorted(zip(values, [bar.height for bar in found.bars], strict=True))
    assert [height for _, height in ordered] == sorted(height for _, height in ordered)


def test_counts_go_after_four_hundred_days(found: Services, ids: Ids) -> None:
    hour = hour_of(time.time())
    found.limits.add([((ids[BOB], hour - 24 * days, "old"), Use(answers=1)) for days in (399, 402)])
    found.retention.prune()
    kept: Callable[[], Any] = lambda: [row for row in found.usage.rows() if row["model"] == "old"]  # noqa: E731
    assert [row["hour"] for row in kept()] == [hour - 24 * 399]


def test_with_everything_the_count_goes_but_not_what_a_limit_is_held_by(
    visitor: Visitor, services: Services, bob: Visitor, found: Services, ids: Ids
) -> None:
    visitor.asks_and_waits("Hi")
    visitor.open("/settings/privacy")
    visitor.send("/settings/privacy/delete")
    services.counting.flush()
    assert [row["answers"] for row in services.usage.rows(person="")] in ([], [0])
    bob.open("/settings/privacy")
    assert "so does the count" in bob.page
    bob.send("/settings/privacy/delete")
    assert sum(row["answers"] for row in found.usage.rows(person=ids[BOB])) == 75
