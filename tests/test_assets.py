"""What reaches a browser: few files, small, kept for ever."""

from __future__ import annotations

import gzip
import re
from dataclasses import replace

import pytest
from flask.testing import FlaskClient
from own_app import running
from people import add_people
from visitor import Visitor

from insight_app.assets import BUNDLES, as_sent
from insight_app.config import PROJECT, Settings


def addresses(client: FlaskClient, page: str = "/") -> list[str]:
    """What a browser fetches; the icon for a telephone's first screen only where somebody puts it there."""
    return sorted(set(re.findall(r"/assets/(?!icon)[^\"]+", client.get(page).text)))


def names(client: FlaskClient, page: str) -> list[str]:
    return sorted(re.sub("-[0-9a-f]{12}", "", each.removeprefix("/assets/")) for each in addresses(client, page))


def test_a_page_names_only_what_it_needs(client: FlaskClient, visitor: Visitor) -> None:
    assert names(client, "/") == ["mark.svg", "site.css", "site.js"]
    assert names(client, "/settings/appearance") == ["mark.svg", "settings.css", "site.css", "site.js"]
    visitor.ask("Hello")
    everything = ["conversation.css", "conversation.js", "mark.svg", "site.css", "site.js"]
    assert names(client, visitor.url) == everything


def test_who_is_not_signed_in_gets_no_script_for_chats(settings: Settings) -> None:
    with running(replace(settings, auth_mode="accounts")) as app:
        add_people(app.extensions["insight"])
        found = names(app.test_client(), "/sign-in")
    assert found == ["mark.svg", "outside.js", "settings.css", "site.css"]


def test_files_are_packed_for_who_takes_it_and_plain_for_others(client: FlaskClient) -> None:
    for address in addresses(client):
        packed = client.get(address, headers={"Accept-Encoding": "gzip"})
        plain = client.get(address, headers={"Accept-Encoding": "identity"})
        assert packed.headers["Content-Encoding"] == "gzip"
        assert "Content-Encoding" not in plain.headers
        assert gzip.decompress(packed.data) == plain.data
        assert "immutable" in packed.headers["Cache-Control"]
        assert packed.headers["Vary"] == "Accept-Encoding"


def test_an_old_name_is_not_there(client: FlaskClient) -> None:
    assert client.get("/assets/site-000000000000.css").status_code == 404


def test_our_own_scripts_stay_a_few_kilobytes() -> None:
    def weight(name: str) -> int:
        own = [part for part in BUNDLES[name] if "vendor" not in part]
        return len(gzip.compress(b"".join(as_sent(PROJECT / "static" / part) for part in own)))

    assert weight("site.js") < 6.25 * 1024  # files of messages that are edited came last
    assert weight("conversation.js") < 2 * 1024
    assert weight("outside.js") < 1024


@pytest.mark.parametrize("part", [part for parts in BUNDLES.values() for part in parts if part.startswith("js/")])
def test_a_text_in_a_script_ends_where_its_line_does(part: str) -> None:
    """Or indentation, which is not sent, would be a part of it."""
    lines = (PROJECT / "static" / part).read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line.count("`") % 2] == []
    assert [line for line in lines if line.lstrip().startswith("//") and "`" in line] == []


def test_what_is_for_readers_alone_is_not_sent(client: FlaskClient) -> None:
    for name in (each for each in addresses(client) if each.endswith((".css", ".js"))):
        sent = client.get(name).text
        assert not re.search(r"^([ \t]+\S|//|/\*)", sent, re.MULTILINE)
