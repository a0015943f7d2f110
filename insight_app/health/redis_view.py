"""What Redis says of itself."""

from __future__ import annotations

import time
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError
from redis.retry import Retry

PATIENCE_SECONDS = 3.0


class RedisAway(Exception):
    """It does not answer; the text is the kind of the failure, never an address or a password."""


@dataclass(frozen=True)
class Facts:
    """`keeps` and `eviction` are None where this Redis does not tell its settings; `ahead_seconds` as of a clock."""

    version: str
    ahead_seconds: float
    keeps: bool | None
    eviction: str | None
    memory: int


def look(url: str) -> Facts:
    """Raises RedisAway."""
    wait = PATIENCE_SECONDS
    try:
        with closing(
            Redis.from_url(url, socket_timeout=wait, socket_connect_timeout=wait, retry=Retry(NoBackoff(), 0))
        ) as redis:
            info = redis.info()
            before = time.time()
            seconds, micros = redis.time()
            ahead = seconds + micros / 1e6 - (before + time.time()) / 2
            config: dict[Any, Any] = {}
            with suppress(ResponseError):  # a hosted one may not tell
                for name in ("save", "appendonly", "maxmemory-policy"):
                    config |= redis.config_get(name)
    except (RedisError, OSError, ValueError) as error:
        raise RedisAway(type(error).__name__) from None  # its text may have the address
    keeps = bool(config.get("save")) or config.get("appendonly") == "yes" if config else None
    memory = int(info.get("used_memory", 0))
    return Facts(str(info["redis_version"]), ahead, keeps, config.get("maxmemory-policy"), memory)
