"""What reaches a browser: few files, small, kept for ever."""

from __future__ import annotations

import gzip
import re

from flask.testing import FlaskClient

from insight_app.assets import BUNDLES


def addresses(client: FlaskClient) -> list[str]:
    """What a browser fetches; the icon for a telephone's first screen only where somebody puts it there."""
    return sorted(set(re.findall(r"/assets/(?!icon)[^\"]+", client.get("/").text)))


def test_a_page_names_one_file_of_each_kind(client: FlaskClient) -> None:
    assert sorted(re.sub("-[0-9a-f]{12}", "", address) for address in addresses(client)) == [
        "/assets/mark.svg",
        "/assets/site.css",
        "/assets/site.js",
    ]


def test_files_are_packed_for_who_takes_it_and_plain_for_others(client: FlaskClient) -> None:
    for address in addresses(client):
        packed = client.get(address, headers={"Accept-Encoding": "gzip"})
        plain = client.get(address, headers={"Accept-Encoding": "identity"})
        assert packed.headers["Content-Encoding"] == "gzip"
        assert "Content-Encoding" not in plain.headers
        assert gzip.decompress(packed.data) == plain.data
        assert "immutable" in packed.headers["Cache-Control"]
        assert packed.headers["Vary"] == "Accept-Encoding"


def test_the_first_page_weighs_less_than_forty_kilobytes(client: FlaskClient) -> None:
    page = len(client.get("/").data)
    files = sum(len(client.get(address, headers={"Accept-Encoding": "gzip"}).data) for address in addresses(client))
    assert page + files < 40 * 1024
    assert len(addresses(client)) + 1 <= 6


def test_an_old_name_is_not_there(client: FlaskClient) -> None:
    assert client.get("/assets/site-000000000000.css").status_code == 404


def test_our_own_script_stays_a_few_kilobytes() -> None:
    from insight_app.config import PROJECT

    own = [PROJECT / "static" / part for part in BUNDLES["site.js"] if "vendor" not in part]
    assert sum(len(gzip.compress(path.read_bytes())) for path in own) < 10 * 1024
