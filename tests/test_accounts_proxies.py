"""What proxies say of who asks: believed of those that are known, and of nobody else."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insight_app.accounts.proxies import BY_PROXY, FORWARDED, SAID_SO, BehindProxies, Proxies

INSIDE = ("10.0.0.0/8", "127.0.0.1/32", "fd00::/8")
ours = st.one_of(
    st.ip_addresses(network="10.0.0.0/8").map(str),
    st.ip_addresses(network="fd00::/8").map(str),
    st.just("::ffff:10.1.2.3"),
)
strangers = st.ip_addresses().filter(lambda each: not Proxies(INSIDE).include(str(each))).map(str)
said = st.one_of(st.text(max_size=40), st.lists(st.one_of(ours, strangers, st.text(max_size=8))).map(", ".join))


def seen(peer: str, networks: Iterable[str] = INSIDE, **headers: str) -> dict[str, Any]:
    """The environment of a request as the app gets it."""
    found: dict[str, Any] = {}

    def app(environ: dict[str, Any], _start: object) -> list[bytes]:
        found.update(environ)
        return []

    before = {"REMOTE_ADDR": peer, "wsgi.url_scheme": "http", "HTTP_HOST": "ours.example", **headers}
    BehindProxies(app, tuple(networks))(before, lambda *_: None)  # type: ignore[arg-type]
    return found


@given(strangers, said, said, said, said)
def test_nothing_that_a_stranger_says_changes_anything(peer: str, line: str, proto: str, host: str, port: str) -> None:
    found = seen(peer, **dict(zip(FORWARDED, (line, proto, host, port), strict=True)))
    assert (found["REMOTE_ADDR"], found["wsgi.url_scheme"], found["HTTP_HOST"]) == (peer, "http", "ours.example")
    assert found[BY_PROXY] is False
    assert not set(FORWARDED) & set(found)


@given(st.lists(st.text(alphabet="0123456789abcdef.:, []x", max_size=12), max_size=4), strangers, st.lists(ours))
def test_what_stands_before_the_first_stranger_changes_nothing(
    invented: list[str], stranger: str, chain: list[str]
) -> None:
    line = ", ".join([*invented, stranger, *chain])
    address = ipaddress.ip_address(stranger)
    # An IPv4 address is the same client in both ways of writing it, or it would have two allowances.
    assert Proxies(INSIDE).client("10.0.0.1", line) == str(getattr(address, "ipv4_mapped", None) or address)


@given(ours, said)
def test_the_client_is_always_an_address(peer: str, line: str) -> None:
    found = Proxies(INSIDE).client(peer, line)
    assert found == peer or ipaddress.ip_address(found)


@pytest.mark.parametrize(
    ("line", "client"),
    [
        ("", "10.0.0.1"),
        ("203.0.113.7", "203.0.113.7"),
        ("203.0.113.7:4711", "203.0.113.7"),
        ("[2001:db8::7]:4711", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("2001:DB8::7", "2001:db8::7"),
        ("6.6.6.6, 203.0.113.7", "203.0.113.7"),
        ("6.6.6.6, 203.0.113.7, 10.9.9.9", "203.0.113.7"),
        ("10.9.9.9", "10.9.9.9"),
        (" , 203.0.113.7 ,, ", "203.0.113.7"),
        ("unknown", "10.0.0.1"),
        ("203.0.113.7, unknown", "10.0.0.1"),
        ("203.0.113.7, _hidden, 10.9.9.9", "10.9.9.9"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("203.0.113.7\r\nX: y", "10.0.0.1"),
    ],
)
def test_the_client_is_the_last_who_is_none_of_ours(line: str, client: str) -> None:
    assert Proxies(INSIDE).client("10.0.0.1", line) == client


@pytest.mark.parametrize(
    ("address", "is_ours"),
    [
        ("10.255.255.255", True),
        ("11.0.0.0", False),
        ("::ffff:10.0.0.1", True),
        ("::ffff:11.0.0.1", False),
        ("fd12::1", True),
        ("fe80::1%eth0", False),
        ("127.0.0.1", True),
        ("127.0.0.2", False),
        ("", False),
        ("10.0.0.1:80", False),
        ("localhost", False),
    ],
)
def test_only_addresses_in_the_networks_are_ours(address: str, is_ours: bool) -> None:
    assert Proxies(INSIDE).include(address) is is_ours


@pytest.mark.parametrize(
    ("proto", "scheme"),
    [("https", "https"), ("HTTPS", "https"), ("http, https", "https"), ("ftp", "http"), ("", "http")],
)
def test_the_scheme_is_what_the_nearest_proxy_says(proto: str, scheme: str) -> None:
    assert seen("10.0.0.1", HTTP_X_FORWARDED_PROTO=proto)["wsgi.url_scheme"] == scheme


def test_the_host_is_what_the_nearest_proxy_says() -> None:
    assert seen("10.0.0.1", HTTP_X_FORWARDED_HOST="evil.example, chat.example")["HTTP_HOST"] == "chat.example"
    assert seen("10.0.0.1")["HTTP_HOST"] == "ours.example"


@pytest.mark.parametrize("name", FORWARDED)
def test_it_is_known_that_somebody_says_a_request_was_handed_on(name: str) -> None:
    assert seen("192.0.2.1", **{name: "anything"})[SAID_SO] is True
    assert seen("192.0.2.1")[SAID_SO] is False


def test_where_no_proxy_is_known_none_is_believed() -> None:
    assert seen("127.0.0.1", (), HTTP_X_FORWARDED_FOR="203.0.113.7")["REMOTE_ADDR"] == "127.0.0.1"
