"""Thumbs are kept for the owner of an answer, and for nobody else."""

from __future__ import annotations

import json

import pytest
from flask import Flask
from visitor import Visitor

from insight_app.services import Services

ON_BOTH_DATABASES = True


def pressed(page: str) -> list[str]:
    return [
        word for word in ("up", "down") if f'-{word}" class="quiet icon" type="submit" name="rating" value=""' in page
    ]


def test_a_thumb_is_kept_changed_and_taken_back(visitor: Visitor, services: Services) -> None:
    answer = visitor.asks_and_waits("Hi")
    assert pressed(visitor.page) == []
    for given, rating, shown in (("1", 1, ["up"]), ("-1", -1, ["down"]), ("", None, []), ("7", None, [])):
        response = visitor.send(f"/answers/{answer}/rating", rating=given)
        assert response.status_code == 303
        assert services.conversations.message(answer).rating == rating
        assert pressed(visitor.open(response.location)) == shown


def test_with_htmx_the_thumbs_alone_come_back(visitor: Visitor) -> None:
    answer = visitor.asks_and_waits("Hi")
    page = visitor.send(f"/answers/{answer}/rating", htmx=True, rating="1").text
    assert pressed(page) == ["up"]
    assert page.lstrip().startswith("<form")
    assert page.count('aria-pressed="true"') == 1


def test_a_thumb_is_among_what_somebody_takes_along(visitor: Visitor) -> None:
    answer = visitor.asks_and_waits("Hi")
    visitor.send(f"/answers/{answer}/rating", rating="-1")
    everything = json.loads(visitor.client.get("/settings/privacy/download").text)
    assert everything["conversations"][0]["messages"][1]["rating"] == -1


def test_thumbs_are_counted_without_names_that_no_engine_has(visitor: Visitor, services: Services) -> None:
    answer = visitor.asks_and_waits("Hi")
    for rating in ("1", "1", "-1"):
        visitor.send(f"/answers/{answer}/rating", rating=rating)
    figures = services.metrics.text().decode()
    model = services.conversations.message(answer).model
    assert f'insight_ratings_total{{model="{model}",rating="up"}} 1.0' in figures
    assert f'insight_ratings_total{{model="{model}",rating="down"}} 1.0' in figures


@pytest.mark.parametrize("given", ["1", "-1"])
def test_of_a_temporary_chat_no_thumb_is_kept(visitor: Visitor, given: str) -> None:
    visitor.open("/temporary")
    response = visitor.send("/temporary", message="Hi", key=visitor.field("key"))
    page = visitor.open(response.location)
    assert 'name="rating"' not in page
    answer = page.rpartition('class="answer"')[0].rpartition('<article id="a')[2].partition('"')[0]
    visitor.watch(int(answer))
    assert 'name="rating"' not in visitor.open(visitor.url)
    assert visitor.send(f"/answers/{answer}/rating", rating=given).status_code == 404


def test_nobody_rates_what_somebody_else_was_answered(shared: Flask, alice: Visitor, bob: Visitor) -> None:
    services: Services = shared.extensions["insight"]
    answer = alice.asks_and_waits("Hi")
    assert bob.send(f"/answers/{answer}/rating", rating="-1").status_code == 404
    assert services.conversations.message(answer).rating is None
