"""What reverse proxies say of who asks, believed only where the proxies in front are known."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

FORWARDED = ("HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_HOST", "HTTP_X_FORWARDED_PORT")
# Nothing in them is believed; but who sends one was handed the request by somebody.
HANDED_ON = ("HTTP_FORWARDED", "HTTP_VIA", "HTTP_X_REAL_IP")
# In the environment of a request: whether a proxy that we know handed it over, and whether anybody says one did.
BY_PROXY, SAID_SO = "insight.by_proxy", "insight.said_forwarded"


class Proxies:
    """The networks of the proxies in front."""

    def __init__(self, networks: Sequence[str]) -> None:
        self._networks = [ipaddress.ip_network(each) for each in networks]

    def include(self, address: str) -> bool:
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        mapped = getattr(found, "ipv4_mapped", None)
        return any((mapped or found) in network for network in self._networks)

    def client(self, peer: str, forwarded_for: str) -> str:
        """Whose request it is: the last in the line of addresses that is none of our proxies.

        Each proxy adds whom it got it from at the end; what stands before the first stranger, the stranger wrote.
        """
        address = peer
        for said in reversed([peer_of for each in forwarded_for.split(",") if (peer_of := each.strip())]):
            if not self.include(address):
                break
            if (found := _address(said)) is None:
                break
            address = found
        return address


class BehindProxies:
    """The app, with the client's own address, scheme and host where a known proxy told them; no other is believed."""

    def __init__(self, app: WSGIApplication, networks: Sequence[str]) -> None:
        self._app = app
        self._proxies = Proxies(networks)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        said = {name: environ.pop(name, "") for name in FORWARDED}
        peer = environ.get("REMOTE_ADDR", "")
        environ[SAID_SO] = any(said.values()) or any(name in environ for name in HANDED_ON)
        environ[BY_PROXY] = self._proxies.include(peer)
        if not environ[BY_PROXY]:
            environ.pop("HTTP_X_REQUEST_ID", None)
        if environ[BY_PROXY]:
            environ["REMOTE_ADDR"] = self._proxies.client(peer, said["HTTP_X_FORWARDED_FOR"])
            if (scheme := _last(said["HTTP_X_FORWARDED_PROTO"]).lower()) in ("http", "https"):
                environ["wsgi.url_scheme"] = scheme
            if host := _last(said["HTTP_X_FORWARDED_HOST"]):
                environ["HTTP_HOST"] = host  # whether that is one of our names is looked at later
        return self._app(environ, start_response)


def _last(said: str) -> str:
    return said.rpartition(",")[2].strip()


def _address(said: str) -> str | None:
    """An address without its port, one way to write each; None for anything else."""
    if said.startswith("["):
        said = said[1:].partition("]")[0]
    elif said.count(":") == 1:
        said = said.partition(":")[0]
    try:
        found = ipaddress.ip_address(said)
    except ValueError:
        return None
    return str(getattr(found, "ipv4_mapped", None) or found)
