"""How often one may send, search and try to sign in: Flask-Limiter, by all processes together where there is Redis."""

from __future__ import annotations

import ipaddress
import math
import time
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from typing import Any, TypeVar, cast

from flask import Flask, Response, current_app, g, request
from flask_limiter import Limiter, RateLimitExceeded, RequestLimit
from flask_limiter.util import get_remote_address
from limits import parse_many
from limits.errors import StorageError

from insight_app.accounts.guards import tried_at_the_door
from insight_app.amounts import lasting
from insight_app.errors import InsightError, TooManyRequests, TooManySearches, TooManyTries

SIGNING_IN, SEARCHING = "signing in", "searching"
# How long a request waits for Redis.
PATIENCE_SECONDS = 0.5
limiter = Limiter(lambda: _address())
View = TypeVar("View", bound=Callable[..., Any])


def in_memory() -> dict[str, Any]:
    """What Flask-Limiter is to know where each process counts for itself."""
    return {"RATELIMIT_STORAGE_URI": "memory://"}


def in_redis(url: str) -> dict[str, Any]:
    """The same where all processes count together; each for itself while Redis is gone."""
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    return {
        "RATELIMIT_STORAGE_URI": url.replace("unix://", "redis+unix://", 1),
        "RATELIMIT_STORAGE_OPTIONS": {
            "key_prefix": "insight:rates",
            "wrap_exceptions": True,
            "socket_timeout": PATIENCE_SECONDS,
            "socket_connect_timeout": PATIENCE_SECONDS,
            "retry": Retry(NoBackoff(), 0),
        },
        "RATELIMIT_IN_MEMORY_FALLBACK_ENABLED": True,
    }


def sending(view: View) -> View:
    """Limits how often people send: each person, each key of theirs, and all behind one address together."""
    for name, scope, key in (
        ("send_rate_limit", "sending", _person),
        ("key_rate_limit", "sending with a key", _key),
        ("address_rate_limit", "sending from an address", _address),
    ):
        unless = None if name == "send_rate_limit" else _does_not_count(name)
        limit = limiter.shared_limit(_setting(name), scope=scope, key_func=key, exempt_when=unless)
        view = cast(View, limit(view))
    return view


def bringing(view: View) -> View:
    """Limits how many files people send before their messages: as many as messages, beside those."""
    limit = limiter.shared_limit(_setting("send_rate_limit"), scope="sending files", key_func=_person)
    return cast(View, limit(view))


def searching(view: View) -> View:
    """Limits how often people search; who only opens the page does not."""

    def only_opens() -> bool:
        return not request.args.get("q")

    setting = _setting("search_rate_limit")
    return cast(View, limiter.shared_limit(setting, scope=SEARCHING, key_func=_person, exempt_when=only_opens)(view))


def signing_in(view: View) -> View:
    """Limits how often signing in is tried: with one account from one address; with one account from all, and from one
    address with all, ten times as often. So nobody is kept out by what somebody else tries with their account.
    """
    limit = limiter.shared_limit(_setting("sign_in_rate_limit"), scope=SIGNING_IN, key_func=_account_from_address)
    of_account = limiter.shared_limit(_tenfold, scope=f"{SIGNING_IN} with an account", key_func=_account)
    of_address = limiter.shared_limit(_tenfold, scope=f"{SIGNING_IN} from an address", key_func=_address)
    return cast(View, of_address(of_account(limit(view))))


def signing_up(view: View) -> View:
    """Limits how many accounts are made from one address: each has an allowance of its own."""
    limit = limiter.shared_limit(
        _setting("sign_in_rate_limit"), scope=f"{SIGNING_IN} for the first time", key_func=_address
    )
    return cast(View, limit(view))


def trying_ones_own(view: View) -> View:
    """Limits how often somebody who is signed in tries their password."""
    limit = limiter.shared_limit(_setting("sign_in_rate_limit"), scope=f"{SIGNING_IN} anew", key_func=_person)
    return cast(View, limit(view))


def arriving(view: View) -> View:
    """The last of these, where nothing of an account is tried here."""
    return cast(View, limiter.shared_limit(_tenfold, scope=f"{SIGNING_IN} arriving", key_func=_address)(view))


def setting_of(scope: str) -> str:
    """The limit that a scope belongs to, in the words of its setting."""
    if scope.startswith(SIGNING_IN):
        return "sign_in"
    return {"sending with a key": "key", "sending from an address": "address", SEARCHING: "search"}.get(scope, "send")


def seconds_left() -> int:
    """How long who was just refused has to wait; a minute where nobody can say it now."""
    with suppress(StorageError):
        return max([_seconds_to(each) for each in limiter.current_limits if each.breached], default=60)
    return 60


def too_often(error: RateLimitExceeded) -> InsightError:
    """What the limit means that was just reached; it is counted."""
    scope = "" if error.limit is None else str(error.limit.scope)
    current_app.extensions["insight"].metrics.limited.labels(setting_of(scope)).inc()
    kind = TooManyTries if scope.startswith(SIGNING_IN) else TooManySearches if scope == SEARCHING else TooManyRequests
    seconds = seconds_left()
    return kind(retry_after=seconds, wait=lasting(seconds))


def tell(response: Response) -> Response:
    """The same response, with the limit that leaves least of those that counted the request, as programs read it."""
    with suppress(StorageError):
        limits = sorted(limiter.current_limits, key=lambda each: (not each.breached, each.remaining))
        if limits:
            response.headers["RateLimit-Limit"] = str(limits[0].limit.amount)
            response.headers["RateLimit-Remaining"] = str(limits[0].remaining)
            response.headers["RateLimit-Reset"] = str(_seconds_to(limits[0]))
    return response


def _seconds_to(limit: RequestLimit) -> int:
    return max(1, math.ceil(limit.window.reset_time - time.time()))


def _setting(name: str) -> Callable[[], str]:
    return lambda: str(getattr(current_app.extensions["insight"].settings, name))


def _tenfold() -> str:
    limits = parse_many(_setting("sign_in_rate_limit")())
    return "; ".join(f"{each.amount * 10} per {each.multiples} {each.GRANULARITY.name}" for each in limits)


def _does_not_count(name: str) -> Callable[[], bool]:
    """Where nobody signs in there is but one person; and what comes from a page comes with no key."""
    needs_key = name == "key_rate_limit"
    return lambda: _mode() == "local" or (needs_key and not g.entry.key_id)


def _mode() -> str:
    return str(current_app.extensions["insight"].settings.auth_mode)


def _person() -> str:
    return f"person {g.entry.person.id}"  # never empty: Flask-Limiter would count nothing


def _key() -> str:
    return f"key {g.entry.key_id}"


def _account() -> str:
    """What somebody tries to open, by a digest: an address is nothing for a key of Redis."""
    return sha256(tried_at_the_door().encode("utf-8", "replace")).hexdigest()[:24]


def _account_from_address() -> str:
    return f"{_account()} {_address()}"


def _address() -> str:
    """Where a request comes from. Of IPv6 the network: whoever has one address there has all of them."""
    address = get_remote_address()
    with suppress(ValueError):
        found = ipaddress.ip_address(address)
        if isinstance(found, ipaddress.IPv6Address):
            return str(found.ipv4_mapped or ipaddress.ip_network((found, 64), strict=False))
    return address


def register(app: Flask) -> None:
    if app.config["RATELIMIT_ENABLED"]:
        app.before_request(_forget_the_future)  # before the limiter's own
    app.config.update(app.extensions["insight"].rates)
    limiter.init_app(app)


def _forget_the_future() -> None:
    """Counts anew after the clock was set back: the counts end at a time of day, and would last as much longer."""
    global _offset
    offset = time.time() - time.monotonic()
    if offset < _offset - 1:
        with suppress(StorageError):  # a Redis that is gone counts nothing
            limiter.reset()
    _offset = offset


_offset = time.time() - time.monotonic()
