"""What the text of a setting may be, and the value that it means.

Each check gives the value, or raises ValueError with what is allowed, in words that follow “must be”.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

Check = Callable[[str], Any]


def text(value: str) -> str:
    return value


def whole(least: int, most: int) -> Check:
    def check(value: str) -> int:
        if not re.fullmatch("[0-9]{1,12}", value) or not least <= int(value) <= most:
            raise ValueError(f"a whole number from {least} to {most}")
        return int(value)

    return check


def one_of(*words: str) -> Check:
    def check(value: str) -> str:
        if value.lower() not in words:
            raise ValueError(" or ".join(words))
        return value.lower()

    return check


def yes_or_no(value: str) -> bool:
    if value.lower() not in ("true", "false", "1", "0", "yes", "no", "on", "off"):
        raise ValueError("true or false")
    return value.lower() in ("true", "1", "yes", "on")


def host(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]+", value):  # no IPv6: Werkzeug's TRUSTED_HOSTS cannot name it
        raise ValueError("an IPv4 address or a host name, without http:// and without a port")
    return value


def hosts(value: str) -> tuple[str, ...]:
    names = tuple(name.strip().lower() for name in value.split(",") if name.strip())
    if not all(re.fullmatch(r"[a-z0-9.-]+", name) for name in names):
        raise ValueError("host names separated by commas, without http:// and without ports")
    return names


def ollama_url(value: str) -> str:
    """`value` as Ollama's base address: with a scheme, without /api, /v1 or a slash at the end."""
    full = value if "://" in value else f"http://{value}"
    if not _is_address(full):
        raise ValueError("an address such as http://127.0.0.1:11434, without a user name or password")
    parts = urlsplit(full)
    port = "" if parts.port or "://" in value else ":11434"
    return f"{parts.scheme}://{parts.netloc}{port}{re.sub('(/+(api|v1)?)?/*$', '', parts.path)}"


def engine_url(value: str) -> str:
    return ollama_url(value) if value else ""


def server_url(value: str) -> str:
    """`value` as the base address of an OpenAI-compatible server: without /v1 or a slash at the end."""
    if value and not _is_address(value):
        raise ValueError("an address such as http://127.0.0.1:8080, without a user name or password, or empty")
    return re.sub("(/+(v1)?)?/*$", "", value)


def address(example: str) -> Check:
    def check(value: str) -> str:
        if value and not _is_address(value):
            raise ValueError(f"an address such as {example}, or empty")
        return value.rstrip("/")

    return check


def issuer(value: str) -> str:
    """`value` as it is: the provider's own tokens name it to the letter."""
    if value and not _is_address(value):
        raise ValueError("the address of an OpenID provider, such as https://id.example.org, or empty")
    return value


def header_value(value: str) -> str:
    if not re.fullmatch(r"[!-~]*", value):
        raise ValueError("a key without spaces")
    return value


def keep_alive(value: str) -> str:
    """`value` as a duration with its unit: Ollama refuses a bare number that is sent as text."""
    if not re.fullmatch(r"(-?[0-9]+|-?([0-9]+(ms|s|m|h))+|)", value):
        raise ValueError("a duration such as 10m, 1h30m or 300 (seconds), or -1 for good")
    return f"{value}s" if value and value[-1].isdigit() else value


def rate(value: str) -> str:
    one = r"[1-9][0-9]{0,8} per ([1-9][0-9]{0,8} )?(second|minute|hour|day)s?"
    if not re.fullmatch(rf"{one}(; *{one})*", value):
        raise ValueError("a rate such as “30 per minute” or “30 per minute; 500 per day”")
    return value


def secret_key(value: str) -> str:
    if len(value) < 16:
        raise ValueError("at least 16 characters long (delete it, and launch.py writes a new one into .env)")
    return value


def metrics_token(value: str) -> str:
    if value and not re.fullmatch(r"[!-~]{16,}", value):
        raise ValueError("at least 16 characters long, without spaces, or empty")
    return value


def networks(value: str) -> tuple[str, ...]:
    """`value` as networks, of which a single address is one too."""
    try:
        return tuple(str(ipaddress.ip_network(each.strip(), strict=False)) for each in value.split(",") if each.strip())
    except ValueError:
        raise ValueError("addresses or networks separated by commas, such as 127.0.0.1 or 10.0.0.0/8") from None


def header(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", value):
        raise ValueError("the name of an HTTP header, such as X-Forwarded-Email")
    return value


def emails(value: str) -> tuple[str, ...]:
    found = tuple(each.strip() for each in value.split(",") if each.strip())
    if not all(re.fullmatch(r"[^@\s]+@[^@\s]+", each) for each in found):
        raise ValueError("e-mail addresses separated by commas")
    return found


def database(value: str) -> str:
    if value and not re.fullmatch(r"(sqlite(\+pysqlite)?:///|postgres(ql(\+psycopg)?)?://).+", value):
        raise ValueError(
            "an address such as postgresql://user:password@host/name or sqlite:////path/to/file.db, or empty"
        )
    return value


def redis(value: str) -> str:
    """`value` as redis-py takes it: redis:// and rediss:// (TLS) name a host, unix:// a socket's path."""
    with suppress(ValueError):
        parts = urlsplit(value)
        named = parts.path.startswith("/") if parts.scheme == "unix" else parts.hostname and parts.port != 0
        if not value or (re.fullmatch(r"(rediss?|unix)://\S+", value) and named):
            return value
    raise ValueError("an address such as redis://127.0.0.1:6379/0, rediss://host or unix:///path/to/socket, or empty")


def _is_address(value: str) -> bool:
    with suppress(ValueError):  # urlsplit finds brackets that are not closed, .port a port that is no number
        parts = urlsplit(value)
        return bool(re.fullmatch(r"https?://[^\s@?#]+", value) and parts.hostname and parts.port != 0)
    return False
