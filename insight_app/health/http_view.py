"""What the server looks like by its public address, and which version an engine is: both asked over HTTP."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from contextlib import closing, suppress
from dataclasses import dataclass
from email.message import Message
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from insight_app.words import _

PATIENCE_SECONDS = 4.0
MOST_BYTES = 65_536


class AddressAway(Exception):
    """Nobody answers there as this server would; the text says what was seen, in plain words."""


@dataclass(frozen=True)
class Streamed:
    """When each piece was sent and arrived, in seconds; `ahead_seconds`: the clock of who answers against ours."""

    pieces: tuple[tuple[float, float], ...]
    ahead_seconds: float | None


def streamed(url: str, path: str) -> Streamed:
    """Asks for the test stream by the public address. Raises AddressAway."""
    try:
        with closing(_connection(url)) as connection:
            response = _asked(connection, url, path)
            if response.status != 200:
                raise AddressAway(_("It answers %(status)s instead of the test.", status=response.status))
            found = []
            while line := response.readline(200):
                found.append((float(line), time.monotonic()))
            return Streamed(tuple(found), _ahead(response.headers))
    except ssl.SSLCertVerificationError:
        raise AddressAway(_("Its certificate is not valid, as this machine sees it.")) from None
    except ValueError:
        raise AddressAway(_("It answers with something else: that is another server.")) from None
    except (OSError, http.client.HTTPException) as error:
        raise AddressAway(_("It cannot be reached from here (%(error)s).", error=type(error).__name__)) from None


def version(url: str) -> str:
    """Ollama's own, "" where whoever answers says none."""
    with suppress(OSError, http.client.HTTPException, ValueError, KeyError, TypeError), closing(_connection(url)) as to:
        response = _asked(to, url, "/api/version")
        return str(json.loads(response.read(MOST_BYTES))["version"])[:40] if response.status == 200 else ""
    return ""


def _connection(url: str) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    return kind(parts.hostname or "", parts.port, timeout=PATIENCE_SECONDS)


def _asked(connection: http.client.HTTPConnection, url: str, path: str) -> http.client.HTTPResponse:
    connection.request("GET", urlsplit(url).path.rstrip("/") + path, headers={"Accept": "*/*"})
    return connection.getresponse()


def _ahead(headers: Message) -> float | None:
    """To the second, as the header has it."""
    with suppress(TypeError, ValueError):
        return parsedate_to_datetime(headers["Date"]).timestamp() + 0.5 - time.time()
    return None
