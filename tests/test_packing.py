"""Which pages go out packed: those in which no address says what stands."""

from __future__ import annotations

import gzip

import pytest
from flask.testing import FlaskClient
from visitor import Visitor

PACKS = {"Accept-Encoding": "gzip"}


def test_a_page_is_packed_for_who_takes_it_and_plain_for_others(client: FlaskClient, visitor: Visitor) -> None:
    visitor.asks_and_waits("Hello")
    packed, plain = (client.get(visitor.url, headers={"Accept-Encoding": how}) for how in ("gzip", "identity"))
    assert packed.headers["Content-Encoding"] == "gzip"
    assert int(packed.headers["Content-Length"]) == len(packed.data) < len(plain.data) / 2
    assert "Content-Encoding" not in plain.headers
    for page in (packed, plain):
        assert page.vary.as_set() == {"cookie", "accept-encoding"}
        assert page.headers["Cache-Control"] == "no-store"
    assert b'data-role="user"' in gzip.decompress(packed.data)
    head = client.head(visitor.url, headers=PACKS)
    assert head.data == b""
    assert head.headers["Content-Encoding"] == "gzip"


@pytest.mark.parametrize(
    "url", ["/?preset=explain", "/search?q=csrf_token", "/search?", "/nowhere/csrf_token", "/healthz"]
)
def test_what_an_address_has_a_say_in_is_not_packed(client: FlaskClient, url: str) -> None:
    """Or its size would tell whether what it says stands in the page already (BREACH)."""
    response = client.get(url, headers=PACKS)
    assert response.data
    assert ("Content-Encoding" in response.headers) is (url == "/search?")  # nothing is a say in nothing


def test_what_a_form_brought_back_is_not_packed(client: FlaskClient, visitor: Visitor) -> None:
    data = {"csrf_token": visitor.field("csrf_token"), "message": " ", "key": visitor.field("key")}
    response = client.post("/messages", data=data, headers=PACKS)
    assert response.status_code == 422
    assert len(response.data) > 1000
    assert "Content-Encoding" not in response.headers


def test_streams_and_parts_of_pages_are_not_packed(client: FlaskClient, visitor: Visitor) -> None:
    answer = visitor.asks_and_waits("Hello")
    for url in (f"/answers/{answer}/stream", f"{visitor.url}/streamed", "/models/picker"):
        assert "Content-Encoding" not in client.get(url, headers=PACKS).headers
