"""How often one may send: by person, by key, by address, by all processes together; and how that is told."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from own_app import Start
from own_redis import OwnRedis
from people import ALICE, BOB, CAROL, PASSWORD, add_people, signed_in
from scripted_ollama import ScriptedOllama
from visitor import Visitor

from insight_app.accounts.tokens import Scope
from insight_app.limits.rates import limiter


@pytest.fixture
def make(start: Start) -> Iterator[Start]:
    """Apps where people sign in; those after the first share its people."""
    made: list[Flask] = []

    def one(**changed: Any) -> Flask:
        changed = {"auth_mode": "accounts", "sign_in_rate_limit": "1000 per minute", **changed}
        app = start(**changed)
        if not made:
            add_people(app.extensions["insight"])
        made.append(app)
        return app

    yield one
    limiter._storage_dead = False
    limiter._in_memory_fallback_enabled = False


def key_of(app: Flask, email: str) -> str:
    accounts = app.extensions["insight"].accounts
    return str(accounts.keys.make(accounts.store.of_email(email).id, "test", [Scope.CHAT], None))


def program(app: Flask, key: str, address: str = "127.0.0.1", **headers: str) -> Any:
    response = app.test_client().post(
        "/api/chat",
        json={"message": "Hi"},
        headers={"Authorization": f"Bearer {key}", **headers},
        environ_base={"REMOTE_ADDR": address},
    )
    response.get_data()
    return response


def sent(visitor: Visitor, number: int) -> int:
    return visitor.send("/messages", message="Hi", key=f"{id(visitor)}-{number}").status_code


def test_a_person_is_counted_over_all_their_browsers_and_keys(make: Start) -> None:
    app = make(send_rate_limit="3 per minute")
    one, other = signed_in(app, BOB), signed_in(app, BOB)
    assert [sent(one, 1), sent(other, 2), program(app, key_of(app, BOB)).status_code] == [303, 303, 200]
    assert [sent(one, 3), sent(other, 4), program(app, key_of(app, BOB)).status_code] == [429, 429, 429]
    assert sent(signed_in(app, CAROL), 1) == 303


def test_a_key_leaves_its_owner_some(make: Start) -> None:
    app = make(key_rate_limit="2 per minute")
    first, second = key_of(app, BOB), key_of(app, BOB)
    assert [program(app, first).status_code for _ in range(3)] == [200, 200, 429]
    assert program(app, second).status_code == 200
    assert sent(signed_in(app, BOB), 1) == 303


def test_all_behind_one_address_are_counted_together(make: Start) -> None:
    app = make(address_rate_limit="2 per minute")
    keys = [key_of(app, email) for email in (ALICE, BOB, CAROL)]
    assert [program(app, key, "192.0.2.1").status_code for key in keys] == [200, 200, 429]
    assert program(app, keys[2], "192.0.2.2").status_code == 200


def test_who_makes_up_an_address_is_counted_by_their_own(make: Start) -> None:
    app = make(address_rate_limit="2 per minute", trusted_proxies=("10.0.0.1/32",))
    key = key_of(app, BOB)
    made_up = [program(app, key, "192.0.2.1", **{"X-Forwarded-For": f"198.51.100.{n}"}).status_code for n in range(4)]
    assert made_up == [200, 200, 429, 429]
    # Nor does it help to say so before a proxy that adds whom it really got it from.
    behind = [
        program(app, key, "10.0.0.1", **{"X-Forwarded-For": f"198.51.100.{n}, 192.0.2.7"}).status_code for n in range(3)
    ]
    assert behind == [200, 200, 429]


def test_behind_our_proxy_each_address_is_counted_by_itself(make: Start) -> None:
    app = make(address_rate_limit="1 per minute", trusted_proxies=("10.0.0.1/32",))
    key = key_of(app, BOB)
    each = [program(app, key, "10.0.0.1", **{"X-Forwarded-For": f"192.0.2.{n}"}).status_code for n in (1, 2, 1)]
    assert each == [200, 200, 429]


def test_programs_are_told_what_is_left_of_the_limit_that_leaves_least(make: Start) -> None:
    app = make(send_rate_limit="20 per hour", key_rate_limit="2 per minute")
    key = key_of(app, BOB)
    told = [program(app, key) for _ in range(3)]
    assert [each.headers["RateLimit-Limit"] for each in told] == ["2", "2", "2"]
    assert [each.headers["RateLimit-Remaining"] for each in told] == ["1", "0", "0"]
    assert all(1 <= int(each.headers["RateLimit-Reset"]) <= 60 for each in told)
    assert [each.headers.get("Retry-After") for each in told[:2]] == [None, None]
    assert told[2].headers["Retry-After"] == told[2].headers["RateLimit-Reset"]
    assert told[2].json["error"]["code"] == "too_many_requests"
    assert f"Time to wait: {told[2].headers['Retry-After']} second" in told[2].json["error"]["message"]


def test_what_was_not_counted_is_told_nothing_of_limits(shared: Flask, bob: Visitor) -> None:
    assert "RateLimit-Limit" not in program(shared, "isk_wrong").headers
    assert "RateLimit-Limit" not in bob.client.get("/").headers


def test_the_wait_is_what_is_left_and_not_the_whole_period(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    app = start(send_rate_limit="1 per hour")
    visitor = Visitor(app.test_client())
    visitor.open("/")
    sent(visitor, 1)
    now = time.time
    monkeypatch.setattr("time.time", lambda: now() + 1800)
    refused = visitor.send("/messages", message="Once more", key="k", htmx=True)
    assert 1790 <= int(refused.headers["Retry-After"]) <= 1800


@pytest.mark.parametrize("htmx", [True, False])
def test_a_page_counts_down_and_keeps_the_text(start: Start, htmx: bool) -> None:
    app = start(send_rate_limit="1 per minute")
    visitor = Visitor(app.test_client())
    visitor.open("/")
    sent(visitor, 1)
    refused = visitor.send("/messages", message="Once more", key="k", htmx=htmx)
    assert refused.status_code == 429
    wait = refused.headers["Retry-After"]
    assert f'<span data-countdown="{wait}">{wait} second' in refused.text
    assert re.search(rf'<span class="unseen">Time to wait: {wait} seconds?\. Then send again\.</span>', refused.text)
    # In the page the text is still there, and must not be drawn over; alone it comes back.
    assert (">Once more</textarea>" in refused.text) is not htmx
    assert ("<textarea" in refused.text) is not htmx


def test_two_processes_count_a_person_a_key_and_an_address_together(
    make: Start, redis: OwnRedis, ollama: ScriptedOllama
) -> None:
    limits = {"send_rate_limit": "5 per minute", "key_rate_limit": "2 per minute", "address_rate_limit": "4 per minute"}
    apps = [make(redis_url=redis.url, **limits) for _ in range(2)]
    key = key_of(apps[0], BOB)
    assert [program(app, key).status_code for app in (*apps, *apps)] == [200, 200, 429, 429]
    assert program(apps[1], key).headers["RateLimit-Remaining"] == "0"
    browsers = [signed_in(app, CAROL) for app in apps]
    assert [sent(browsers[n % 2], n) for n in range(3)] == [303, 303, 429]  # four from one address
    kept = [key.decode() for key in redis.client.scan_iter("insight:rates*")]
    assert kept
    assert not [each for each in kept if "@" in each]


def tried(app: Flask, email: str, address: str = "127.0.0.1", password: str = "wrong") -> int:
    visitor = Visitor(app.test_client())
    visitor.client.environ_base["REMOTE_ADDR"] = address
    visitor.open("/sign-in")
    return visitor.send("/sign-in", email=email, password=password).status_code


def test_who_guesses_a_password_keeps_nobody_out_who_comes_from_elsewhere(make: Start) -> None:
    app = make(sign_in_rate_limit="2 per minute")
    assert [tried(app, BOB, "203.0.113.7") for _ in range(3)] == [422, 422, 429]
    assert tried(app, BOB, "203.0.113.8", PASSWORD) == 303


def test_an_account_is_tried_so_often_from_everywhere_and_no_more(make: Start) -> None:
    app = make(sign_in_rate_limit="1 per minute")
    assert [tried(app, BOB, f"203.0.113.{number}") for number in range(11)] == [422] * 10 + [429]
    assert tried(app, f"  {BOB.upper()}", "203.0.113.99") == 429
    assert tried(app, CAROL, "203.0.113.99") == 422


def test_a_network_of_countless_addresses_is_counted_as_one(make: Start) -> None:
    app = make(sign_in_rate_limit="1 per minute")
    assert [tried(app, f"{n}@example.org", f"2001:db8:0:1::{n + 1:x}") for n in range(11)] == [422] * 10 + [429]
    assert tried(app, CAROL, "2001:db8:0:2::1") == 422


def test_an_old_password_is_tried_so_often_by_each_person_whatever_else_the_form_says(make: Start) -> None:
    """As it was, all people were one at this door, and each who wrote another `email` into the form was another."""
    app = make(sign_in_rate_limit="3 per minute")
    bob, carol = signed_in(app, BOB), signed_in(app, CAROL)
    path, new = "/settings/account/password", {"new_password": "another long password"}
    tries = [bob.send(path, email=f"{n}@example.org", password="wrong", **new).status_code for n in range(4)]
    assert tries == [422, 422, 422, 429]
    assert carol.send(path, password=PASSWORD, **new).status_code == 303


def test_one_address_makes_so_many_accounts_and_no_more(make: Start) -> None:
    """Each would have an allowance of its own."""
    app = make(sign_in_rate_limit="2 per minute", sign_up="open")
    made = []
    for number in range(3):
        visitor = Visitor(app.test_client())
        visitor.open("/sign-up")
        form = {"email": f"{number}@example.org", "new_password": PASSWORD}
        made.append(visitor.send("/sign-up", **form).status_code)
    assert made == [303, 303, 429]
