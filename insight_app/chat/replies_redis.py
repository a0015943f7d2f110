"""Replies of many processes, which meet in Redis: whoever writes one tells it there, whoever reads it looks there.

In Redis there is only what is being written now, for readers in other processes; those of the writer's own process
follow its memory and notice nothing of Redis, not even when it is gone.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Collection, Iterable, Mapping

from insight_app.chat import redis_keys as keys
from insight_app.chat.redis_link import Command, Link
from insight_app.chat.redis_mirrors import Mirrors
from insight_app.chat.redis_outbox import Outbox
from insight_app.chat.reply import Reply

# How long a start waits to learn whether Redis is there.
START_SECONDS = 1.5
# How long nobody else takes an answer that one process took.
CLAIM_SECONDS = 30


class RepliesInRedis:
    """The protocol Replies for one of many processes. Raises ConfigError for an address that cannot be one."""

    def __init__(self, url: str, took: Callable[[float], object] = lambda seconds: None) -> None:
        """`took` is told how long Redis took, each time."""
        self._link = Link(url, took)
        self._token = secrets.token_hex(8)
        self._open: dict[int, Reply] = {}
        self._silent: dict[int, float] = {}  # answers without a living writer, and since when
        self._outbox = Outbox(self._link, self._token)
        self._mirrors = Mirrors(self._link, self._stop_here)
        self._outbox.begin()
        self._outbox.tried.wait(START_SECONDS)
        self._mirrors.begin()

    @property
    def link(self) -> Link:
        """The way to Redis, for whatever else this process shares."""
        return self._link

    @property
    def token(self) -> str:
        """The name under which this process has a lease."""
        return self._token

    def open(self, answer_id: int, conversation_id: str, model: str, run: int = 0, owner: str = "") -> Reply:
        reply = self._open[answer_id] = self._outbox.open(answer_id, conversation_id, model, run, owner)
        return reply

    def get(self, answer_id: int) -> Reply | None:
        if (reply := self._open.get(answer_id)) is not None:
            return reply
        return None if self._outbox.has(answer_id) else self._mirrors.get(answer_id)

    def close(self, reply: Reply) -> None:
        if self._open.get(reply.id) is reply:  # else this process goes on with what it lost before
            del self._open[reply.id]

    def give_up(self, answers: Iterable[int]) -> None:
        given_up = list(answers)
        for answer_id in given_up:
            self._open.pop(answer_id, None)
        self._outbox.give_up(given_up)

    def stop(self, answer_id: int) -> None:
        if not self._stop_here(answer_id):
            self._mirrors.stop(answer_id)

    def forget(self, answers: Iterable[int]) -> None:
        deleted = list(answers)
        commands: list[Command] = []
        for answer_id in deleted:
            self._stop_here(answer_id)
            commands.append(("SET", keys.gone(answer_id), "", "EX", keys.KEPT_SECONDS))
            commands += [("DEL", *keys.all_of(answer_id)), ("HDEL", keys.WRITING, answer_id)]
        if deleted:
            self._link.transact([*commands, ("PUBLISH", keys.NEWS, ",".join(map(str, deleted)))])

    def here(self) -> list[Reply]:
        return list(self._open.values())

    def count(self) -> int:
        found = self._link.transact([("HLEN", keys.WRITING)])
        return len(self._open) if found is None else int(found[0])

    def connected(self) -> bool:
        return self._link.up

    def orphans(self, suspects: Collection[int]) -> list[int]:
        silent = self._without_writer(suspects)
        now = time.monotonic()
        self._silent = {answer_id: self._silent.get(answer_id, now) for answer_id in silent}
        # A lease may have run out while everything slept, or Redis was gone: its owner has time to renew it.
        ripe = [
            answer_id
            for answer_id, token in silent.items()
            if now - self._silent[answer_id] >= (keys.GIVEN_UP_SECONDS if token == b"" else keys.GRACE_SECONDS)
        ]
        # Who was given it already, and could not begin, is given it again: the database may have been away.
        claims: list[Command] = []
        for answer_id in ripe:
            claims.append(("SET", keys.claim(answer_id), self._token, "NX", "EX", CLAIM_SECONDS))
            claims.append(("GET", keys.claim(answer_id)))
        owners = (self._link.transact(claims) or [])[1::2]
        own = self._token.encode()
        mine = [answer_id for answer_id, owner in zip(ripe, owners, strict=False) if owner == own]
        for answer_id in mine:  # whoever reads it will ask again, until it is there anew
            taken = ("HSET", keys.WRITING, answer_id, self._token)
            self._link.transact([taken, ("DEL", *keys.all_of(answer_id)), ("PUBLISH", keys.NEWS, answer_id)])
        return mine

    def wake(self) -> None:
        for reply in [*self.here(), *self._mirrors.all()]:
            reply.wake()

    def leave(self) -> None:
        self._outbox.leave()
        self._mirrors.leave()
        self._link.close()

    def _stop_here(self, answer_id: int) -> bool:
        """False where another process writes it, if any."""
        if (reply := self._open.get(answer_id)) is None:
            return False
        reply.stop.ask()
        return True

    def _without_writer(self, suspects: Collection[int]) -> dict[int, bytes | None]:
        """Answers whose writer does not live, each with its token (None: it has none); empty while nobody can know."""
        found = self._link.transact([("HGETALL", keys.WRITING)])
        if found is None:
            return {}
        writing = {int(answer_id): token for answer_id, token in found[0].items() if int(answer_id) not in self._open}
        self._clear_up(writing)
        tokens = sorted(set(writing.values()))
        leases = self._link.transact([("EXISTS", keys.lease(token.decode())) for token in tokens])
        if leases is None:
            return {}
        alive = {token for token, there in zip(tokens, leases, strict=True) if there}
        unknown = {suspect: None for suspect in suspects if suspect not in writing and suspect not in self._open}
        return unknown | {answer_id: token for answer_id, token in writing.items() if token not in alive}

    def _clear_up(self, writing: Mapping[int, bytes]) -> None:
        """What this process took had ended already: nobody writes it."""
        own = self._token.encode()
        ended = [answer_id for answer_id, token in writing.items() if token == own and not self._outbox.has(answer_id)]
        self._link.transact([("HDEL", keys.WRITING, answer_id) for answer_id in ended])
