"""The way to Redis: where it is gone commands come back with None, so that nobody waits for it or fails with it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import structlog
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from insight_app.errors import ConfigError

# No request waits longer than this for Redis, and only the first one after it went.
PATIENCE_SECONDS = 1.0
Command = tuple[str | bytes | int, ...]


class Link:
    """Thread-safe. `up` says whether Redis answered last; while it did not, only commands that probe are tried.

    `took` is told how long each answer took. Raises ConfigError for an address that cannot be one.
    """

    def __init__(self, url: str, took: Callable[[float], object] = lambda seconds: None) -> None:
        self.up = False
        self._took = took
        self._said: bool | None = None
        self._log = structlog.get_logger("redis")
        self._lock = threading.Lock()
        wait = PATIENCE_SECONDS
        try:
            self._redis = Redis.from_url(
                url, socket_timeout=wait, socket_connect_timeout=wait, retry=Retry(NoBackoff(), 0)
            )
            self._redis.connection_pool.make_connection()  # connects to nothing yet, but checks the address
        except (ValueError, TypeError, RedisError) as error:
            raise ConfigError(
                f"REDIS_URL names no Redis that can be used ({type(error).__name__}).",
                "Leave it empty, or write it like redis://127.0.0.1:6379/0.",
            ) from None  # the cause may show a password

    def transact(self, commands: Sequence[Command], *, probing: bool = False) -> list[Any] | None:
        """The results of all the commands, done at once and together; None where Redis is gone."""
        if not commands:
            return []
        if not (self.up or probing):
            return None
        began = time.monotonic()
        try:
            results = self._together(commands) if len(commands) > 1 else self._alone(commands[0])
        except (RedisError, OSError) as error:
            self._note(error)
            return None
        self._took(time.monotonic() - began)
        self._note(None)
        return results

    def listen(self, channels: Sequence[str], seconds: float) -> Iterator[list[tuple[str, str]]]:
        """What is published as (channel, text), all that is there at once; empty at the beginning and after `seconds`.

        Ends when Redis goes.
        """
        try:
            with self._redis.pubsub(ignore_subscribe_messages=True) as subscription:  # type: ignore[no-untyped-call]
                subscription.subscribe(*channels)
                heard: list[tuple[str, str]] = []
                while True:
                    yield heard
                    heard = []
                    said = subscription.get_message(timeout=seconds)
                    while said is not None:
                        heard.append((said["channel"].decode(), said["data"].decode()))
                        said = subscription.get_message()
        except (RedisError, OSError):
            return  # transact() finds out for itself, and says so

    def close(self) -> None:
        """Nothing is sent any more."""
        self.up = False
        self._redis.close()

    def _alone(self, command: Command) -> list[Any]:
        """Needs no transaction, whose two commands more take half as long again."""
        return [self._redis.execute_command(*command)]  # type: ignore[no-untyped-call]

    def _together(self, commands: Sequence[Command]) -> list[Any]:
        with self._redis.pipeline() as pipe:
            for command in commands:
                pipe.execute_command(*command)  # type: ignore[no-untyped-call]
            results: list[Any] = pipe.execute()
        return results

    def _note(self, error: Exception | None) -> None:
        with self._lock:
            self.up = error is None
            if self.up == self._said:
                return
            self._said = self.up
        if error is None:
            self._log.info("redis answers")
        else:
            self._log.warning("redis is gone", fault=type(error).__name__)
