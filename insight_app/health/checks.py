"""The list of all checks, and what each says: one list for the command and for the page."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urlsplit

from insight_app.config import Settings
from insight_app.engines.base import Engine, full_name
from insight_app.errors import ConfigError, DatabaseError, EngineError, ModelMissing, NoModel
from insight_app.health import http_view, store, streaming
from insight_app.health.findings import Check, Finding, good, warning, wrong
from insight_app.storage.database import Database
from insight_app.words import counted

GIB = 2**30
# Leases last three seconds, links and sessions longer: what differs by less than this does no harm.
MOST_SECONDS_APART = 2.0
FEWEST_CHARACTERS = 32
FEWEST_DIFFERENT = 12


@dataclass(frozen=True)
class Parts:
    """What is looked at. `database` opens it, and raises ConfigError where it cannot; `url` is the public address."""

    settings: Settings
    database: Callable[[], Database]
    engines: Sequence[Engine]
    url: str


def all_checks(parts: Parts) -> list[Check]:
    settings = parts.settings
    found = [Check("Database", lambda: database(parts)), Check("Disk", lambda: disk(settings.data_dir))]
    found.append(Check("Redis", lambda: redis(settings)))
    found += [Check(f"Engine {each.name}", lambda each=each: engine(each, settings)) for each in parts.engines]  # type: ignore[misc]
    found.append(Check("Clock", lambda: clock(parts)))
    found.append(Check("Streaming", lambda: stream(parts)))
    found.append(Check("Secure settings", lambda: secure(settings, parts.url)))
    found.append(Check("Server processes", lambda: processes(settings, os.cpu_count() or 1)))
    return found


def database(parts: Parts) -> Finding:
    try:
        facts = store.look(parts.database())
    except (DatabaseError, ConfigError) as error:
        return wrong(error.cause, error.next_step)
    said = f"{facts.version}, {facts.size / 2**20:,.1f} MB; reading and writing work."
    if facts.migration is None:
        return warning(f"{facts.version}, empty.", "Start the server: it sets up the tables.")
    if not facts.is_up_to_date:
        return wrong(
            f"{facts.version} is at migration {facts.migration}, which is not this program’s newest.",
            "Start the server of this version, which brings it up to date; an older one cannot use a newer database.",
        )
    return good(said)


def redis(settings: Settings) -> Finding:
    if not settings.redis_url:
        return good("Not in use: there is one server process, which needs none.")
    # Imported here: who has no Redis need not keep its library in memory.
    from insight_app.health import redis_view

    try:
        facts = redis_view.look(settings.redis_url)
    except redis_view.RedisAway as error:
        return wrong(
            f"It does not answer ({error}).", "Start it, and check REDIS_URL. Until it is back no new answer begins."
        )
    said = f"Redis {facts.version} answers, {facts.memory / 2**20:,.1f} MB in use."
    if _numbers(facts.version) < (6, 2):
        return wrong(f"Redis {facts.version} is too old.", "Install 6.2 or newer.")
    if facts.keeps:
        return warning(
            f"{said} It writes what it holds to a disk, and that is what people write.",
            "Start it with “save ''” and “appendonly no”.",
        )
    if facts.eviction not in (None, "noeviction"):
        return warning(
            f"{said} When its memory is full it throws away what it likes ({facts.eviction}).",
            "Set “maxmemory-policy noeviction”.",
        )
    return good(said)


def engine(each: Engine, settings: Settings) -> Finding:
    try:
        models = each.models()
    except EngineError as error:
        return wrong(error.cause, error.next_step)
    number = http_view.version(each.url)
    said = f"{each.url} answers{f', version {number}' if number else ''}, with {counted(len(models), 'model')}."
    if not models:
        return wrong(said, NoModel(url=each.url, **each.words).next_step)
    names = {full_name(model.name).casefold() for model in models}
    wanted = settings.ollama_model
    if wanted and each.name != "embedded" and full_name(wanted).casefold() not in names:
        get = ModelMissing(model=wanted, **each.words).next_step
        return warning(f"{said} “{wanted}” is not among them.", f"{get} It is set in OLLAMA_MODEL.")
    return good(said)


def disk(folder: Path) -> Finding:
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"\0" * 4096)
            probe.flush()
    except OSError as error:
        said = f"Nothing can be written into {folder} ({error.strerror})."
        return wrong(said, "Make room on the disk, check who owns the folder, or set DATA_DIR to another one.")
    return space(*shutil.disk_usage(folder)[::2])


def space(total: int, free: int) -> Finding:
    said = f"{free / GIB:,.1f} of {total / GIB:,.1f} GB are free where the data are."
    if free < 0.1 * GIB:
        return wrong(said, "Make room now: answers cannot be kept when it is full.")
    return warning(said, "Make room soon.") if free < GIB else good(said)


def clock(parts: Parts) -> Finding:
    apart = {}
    settings = parts.settings
    with suppress(DatabaseError, ConfigError):  # what is away is told by the check that is about it
        if (ahead := store.look(parts.database()).ahead_seconds) is not None:
            apart["the database’s"] = ahead
    if settings.redis_url:
        from insight_app.health import redis_view

        with suppress(redis_view.RedisAway):
            apart["Redis’"] = redis_view.look(settings.redis_url).ahead_seconds
    if parts.url:
        with suppress(http_view.AddressAway):
            found = http_view.streamed(parts.url, streaming.address(settings.secret_key)).ahead_seconds
            if found is not None:
                apart["the public address’"] = found
    return of_clocks(apart)


def of_clocks(apart: dict[str, float]) -> Finding:
    """By whose clock, how many seconds ahead of ours it is."""
    if not apart:
        return good("There is no other clock to compare with.")
    whose, most = max(apart.items(), key=lambda each: abs(each[1]))
    if abs(most) < MOST_SECONDS_APART:
        return good(f"This clock and {' and '.join(apart)} say the same, within {MOST_SECONDS_APART:g} seconds.")
    said = f"By {whose} clock it is {abs(most):,.0f} seconds {'later' if most > 0 else 'earlier'} than by this one."
    return (warning if abs(most) < 30 else wrong)(
        said, "Have all machines take the time from a server (timedatectl, chrony)."
    )


def stream(parts: Parts) -> Finding:
    if not parts.url and parts.settings.auth_mode == "local":
        return good("Not looked at: this machine alone comes here, with nothing in between.")
    if not parts.url:
        return warning(
            "Not looked at: nobody knows by which address people come.",
            "Set PUBLIC_URL to it, or call “flask --app wsgi doctor --url https://…”.",
        )
    try:
        found = http_view.streamed(parts.url, streaming.address(parts.settings.secret_key))
    except http_view.AddressAway as error:
        return wrong(
            f"People come by {parts.url}. {error}",
            "Check PUBLIC_URL, ALLOWED_HOSTS, that the server runs, and that the proxy lets this path through.",
        )
    if len(found.pieces) < streaming.PIECES:
        return wrong(
            f"{parts.url} broke off after {counted(len(found.pieces), 'piece')}.",
            "Look at the proxy’s log and timeouts.",
        )
    late = streaming.held_back(found.pieces)
    if late > 2 * streaming.GAP_SECONDS:
        return wrong(
            f"Something between {parts.url} and this server holds streams back, {late:.1f} seconds here: "
            "answers come in lumps, or only when they are complete.",
            "Switch off buffering and compression for them in the proxy (Nginx: proxy_buffering off).",
        )
    return good(f"Pieces come through {parts.url} one by one, at most {late * 1000:.0f} ms late.")


def secure(settings: Settings, url: str) -> Finding:
    parts = urlsplit(url)
    is_near = parts.hostname in (None, "localhost", "127.0.0.1")
    networks = [ip_network(each) for each in settings.trusted_proxies]
    if any(network.prefixlen == 0 for network in networks):
        return wrong(
            "TRUSTED_PROXIES is everybody: whoever comes can say that they are somebody else.",
            "Name only the addresses of your proxies.",
        )
    if settings.auth_mode == "local" and not is_near:
        return wrong(
            f"AUTH_MODE=local knows one person, and {url} is open to others: whoever opens it is that person.",
            "Set AUTH_MODE=accounts, or have the proxy ask who they are.",
        )
    if not is_near and parts.scheme == "http":
        return wrong(f"{url} is without TLS: passwords and conversations can be read on the way.", "Use https.")
    if len(set(settings.secret_key)) < FEWEST_DIFFERENT or len(settings.secret_key) < FEWEST_CHARACTERS:
        return warning(
            "SECRET_KEY may be guessed: it is short, or made of few different characters.",
            "Write a random one (python3 -c 'import secrets; print(secrets.token_hex(32))'); people sign in anew then.",
        )
    if not is_near and not settings.trusted_proxies:
        return warning(
            "No proxy is trusted: limits count its address instead of people’s, and cookies do not know of TLS.",
            "Set TRUSTED_PROXIES to its address.",
        )
    return good("The key is long, and who asks is known." if not is_near else "The key is long; open to this machine.")


def processes(settings: Settings, cores: int) -> Finding:
    number = settings.web_concurrency
    said = f"{counted(number, 'server process')} on {counted(cores, 'core')}."
    if number > cores:
        return warning(said, f"More than {cores} only take memory: lower WEB_CONCURRENCY.")
    return good(said)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(each) for each in version.split(".") if each.isdigit())
