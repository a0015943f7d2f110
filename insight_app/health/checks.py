"""The list of all checks, and what each says: one list for the command and for the page."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urlsplit

from insight_app.amounts import in_bytes, in_seconds, lasting
from insight_app.config import Settings
from insight_app.engines.base import Engine, key_of
from insight_app.errors import ConfigError, DatabaseError, EngineError, ModelMissing, NoModel
from insight_app.health import http_view, store, streaming
from insight_app.health.findings import Check, Finding, good, warning, wrong
from insight_app.sentences import listed
from insight_app.storage.database import Database
from insight_app.words import _, ngettext

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
    found = [Check(_("Database"), lambda: database(parts)), Check(_("Disk"), lambda: disk(settings.data_dir))]
    found.append(Check(_("Redis"), lambda: redis(settings)))
    for each in parts.engines:
        others = [other for other in parts.engines if other is not each]
        look = partial(engine, each, settings, others)
        found.append(Check(_("Engine %(name)s", name=each.name), look))
    found.append(Check(_("Clock"), lambda: clock(parts)))
    found.append(Check(_("Streaming"), lambda: stream(parts)))
    found.append(Check(_("Secure settings"), lambda: secure(settings, parts.url)))
    found.append(Check(_("Server processes"), lambda: processes(settings, os.cpu_count() or 1)))
    return found


def database(parts: Parts) -> Finding:
    try:
        facts = store.look(parts.database())
    except (DatabaseError, ConfigError) as error:
        return wrong(error.cause, error.next_step)
    if facts.migration is None:
        return warning(_("%(database)s, empty.", database=facts.version), _("Start the server: it sets up the tables."))
    if not facts.is_up_to_date:
        return wrong(
            _(
                "%(database)s is at migration %(migration)s, which is not this program’s newest.",
                database=facts.version,
                migration=facts.migration,
            ),
            _(
                "Start the server of this version, which brings it up to date; an older one cannot use a newer"
                " database."
            ),
        )
    return good(
        _(
            "%(database)s, %(size)s; reading and writing work.",
            database=facts.version,
            size=in_bytes(facts.size),
        )
    )


def redis(settings: Settings) -> Finding:
    if not settings.redis_url:
        return good(_("Not in use: there is one server process, which needs none."))
    # Imported here: who has no Redis need not keep its library in memory.
    from insight_app.health import redis_view

    try:
        facts = redis_view.look(settings.redis_url)
    except redis_view.RedisAway as error:
        return wrong(
            _("It does not answer (%(error)s).", error=error),
            _("Start it, and check REDIS_URL. Until it is back no new answer begins."),
        )
    said = _("Redis %(version)s answers, %(size)s in use.", version=facts.version, size=in_bytes(facts.memory))
    if _numbers(facts.version) < (6, 2):
        return wrong(_("Redis %(version)s is too old.", version=facts.version), _("Install 6.2 or newer."))
    if facts.keeps:
        keeps = _("It writes what it holds to a disk, and that is what people write.")
        return warning(f"{said} {keeps}", _("Start it with “save ''” and “appendonly no”."))
    if facts.eviction not in (None, "noeviction"):
        loses = _("When its memory is full it throws away what it likes (%(policy)s).", policy=facts.eviction)
        return warning(f"{said} {loses}", _("Set “maxmemory-policy noeviction”."))
    return good(said)


def engine(each: Engine, settings: Settings, others: Sequence[Engine] = ()) -> Finding:
    """`others`: those that answer where this one does not."""
    try:
        models = each.models()
    except EngineError as error:
        if any(map(_answers, others)):
            meanwhile = _("Meanwhile another engine answers.")
            return warning(f"{error.cause} {meanwhile}", error.next_step)
        return wrong(error.cause, error.next_step)
    number = http_view.version(each.url)
    said = (
        ngettext(
            "%(url)s answers, version %(version)s, with %(num)s model.",
            "%(url)s answers, version %(version)s, with %(num)s models.",
            len(models),
            url=each.url,
            version=number,
        )
        if number
        else ngettext(
            "%(url)s answers, with %(num)s model.", "%(url)s answers, with %(num)s models.", len(models), url=each.url
        )
    )
    if not models:
        return wrong(said, NoModel(url=each.url, **each.words).next_step)
    names = {key_of(model.name) for model in models}
    wanted = settings.ollama_model
    if wanted and each.name != "embedded" and key_of(wanted) not in names:
        get = ModelMissing(model=wanted, **each.words).next_step
        lacks = _("“%(model)s” is not among them.", model=wanted)
        set_there = _("It is set in OLLAMA_MODEL.")
        return warning(f"{said} {lacks}", f"{get} {set_there}")
    return good(said)


def _answers(engine: Engine) -> bool:
    with suppress(EngineError):
        return bool(engine.models())
    return False


def disk(folder: Path) -> Finding:
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"\0" * 4096)
            probe.flush()
    except OSError as error:
        said = _("Nothing can be written into %(folder)s (%(error)s).", folder=folder, error=error.strerror)
        return wrong(said, _("Make room on the disk, check who owns the folder, or set DATA_DIR to another one."))
    return space(*shutil.disk_usage(folder)[::2])


def space(total: int, free: int) -> Finding:
    said = _("%(free)s of %(total)s are free where the data are.", free=in_bytes(free), total=in_bytes(total))
    if free < 0.1 * GIB:
        return wrong(said, _("Make room now: answers cannot be kept when it is full."))
    return warning(said, _("Make room soon.")) if free < GIB else good(said)


def clock(parts: Parts) -> Finding:
    apart = {}
    settings = parts.settings
    with suppress(DatabaseError, ConfigError):  # what is away is told by the check that is about it
        if (ahead := store.look(parts.database()).ahead_seconds) is not None:
            apart[_("the database")] = ahead
    if settings.redis_url:
        from insight_app.health import redis_view

        with suppress(redis_view.RedisAway):
            apart[_("Redis")] = redis_view.look(settings.redis_url).ahead_seconds
    if parts.url:
        with suppress(http_view.AddressAway):
            found = http_view.streamed(parts.url, streaming.address(settings.secret_key)).ahead_seconds
            if found is not None:
                apart[_("the public address")] = found
    return of_clocks(apart)


def of_clocks(apart: dict[str, float]) -> Finding:
    """By whose clock, how many seconds ahead of ours it is."""
    if not apart:
        return good(_("There is no other clock to compare with."))
    whose, most = max(apart.items(), key=lambda each: abs(each[1]))
    if abs(most) < MOST_SECONDS_APART:
        told = _("All clocks say the same, within %(time)s. This one was compared with: %(others)s.")
        return good(told % {"time": lasting(MOST_SECONDS_APART), "others": listed(apart)})
    said = (
        _("A clock is ahead of this one by %(time)s: %(whose)s.")
        if most > 0
        else _("A clock is behind this one by %(time)s: %(whose)s.")
    )
    return (warning if abs(most) < 30 else wrong)(
        said % {"time": lasting(abs(most)), "whose": whose},
        _("Have all machines take the time from a server (timedatectl, chrony)."),
    )


def stream(parts: Parts) -> Finding:
    if not parts.url and parts.settings.auth_mode == "local":
        return good(_("Not looked at: this machine alone comes here, with nothing in between."))
    if not parts.url:
        return warning(
            _("Not looked at: nobody knows by which address people come."),
            _("Set PUBLIC_URL to it, or call “flask --app wsgi doctor --url https://…”."),
        )
    try:
        found = http_view.streamed(parts.url, streaming.address(parts.settings.secret_key))
    except http_view.AddressAway as error:
        come = _("People come by %(url)s.", url=parts.url)
        return wrong(
            f"{come} {error}",
            _("Check PUBLIC_URL, ALLOWED_HOSTS, that the server runs, and that the proxy lets this path through."),
        )
    if len(found.pieces) < streaming.PIECES:
        return wrong(
            ngettext(
                "%(url)s broke off after %(num)s piece.",
                "%(url)s broke off after %(num)s pieces.",
                len(found.pieces),
                url=parts.url,
            ),
            _("Look at the proxy’s log and timeouts."),
        )
    late = streaming.held_back(found.pieces)
    if late > 2 * streaming.GAP_SECONDS:
        return wrong(
            _(
                "Something between %(url)s and this server holds streams back, %(seconds)s here: answers come in lumps,"
                " or only when they are complete.",
                url=parts.url,
                seconds=in_seconds(late),
            ),
            _("Switch off buffering and compression for them in the proxy (Nginx: proxy_buffering off)."),
        )
    return good(
        _(
            "Pieces come through %(url)s one by one, at most %(seconds)s late.",
            url=parts.url,
            seconds=in_seconds(late, 3),
        )
    )


def secure(settings: Settings, url: str) -> Finding:
    parts = urlsplit(url)
    is_near = parts.hostname in (None, "localhost", "127.0.0.1")
    networks = [ip_network(each) for each in settings.trusted_proxies]
    if any(network.prefixlen == 0 for network in networks):
        return wrong(
            _("TRUSTED_PROXIES is everybody: whoever comes can say that they are somebody else."),
            _("Name only the addresses of your proxies."),
        )
    if settings.auth_mode == "local" and not is_near:
        return wrong(
            _(
                "AUTH_MODE=local knows one person, and %(url)s is open to others: whoever opens it is that person.",
                url=url,
            ),
            _("Set AUTH_MODE=accounts, or have the proxy ask who they are."),
        )
    if not is_near and parts.scheme == "http":
        told = _("%(url)s is without TLS: passwords and conversations can be read on the way.", url=url)
        return wrong(told, _("Use https."))
    if len(set(settings.secret_key)) < FEWEST_DIFFERENT or len(settings.secret_key) < FEWEST_CHARACTERS:
        return warning(
            _("SECRET_KEY may be guessed: it is short, or made of few different characters."),
            _(
                "Write a random one (%(command)s); people sign in anew then.",
                command="python3 -c 'import secrets; print(secrets.token_hex(32))'",
            ),
        )
    if not is_near and not settings.trusted_proxies:
        return warning(
            _("No proxy is trusted: limits count its address instead of people’s, and cookies do not know of TLS."),
            _("Set TRUSTED_PROXIES to its address."),
        )
    return good(
        _("The key is long, and who asks is known.") if not is_near else _("The key is long; open to this machine.")
    )


def processes(settings: Settings, cores: int) -> Finding:
    number = settings.web_concurrency
    said = _("Server processes: %(processes)s, on so many cores: %(cores)s.", processes=number, cores=cores)
    if number > cores:
        return warning(said, _("More than %(cores)s only take memory: lower WEB_CONCURRENCY.", cores=cores))
    return good(said)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(each) for each in version.split(".") if each.isdigit())
