"""Keeps Redis up to date with what this process writes: in rounds with all that changed, and a new reply at once.

What Redis does not have as expected is put there anew in the next round; so neither a lost command nor an emptied
Redis matters, and what is there is always the beginning of the real text.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection

import msgspec
import structlog

from insight_app.chat import redis_keys as keys
from insight_app.chat.crossing import Written
from insight_app.chat.redis_link import Command, Link

ROUND_SECONDS = 0.05
# While no other process listens, nobody misses anything: it is there for the case that one comes.
ALONE_ROUND_SECONDS = 0.5
# Lets replies grow, each whole or not at all: only where its texts are as long as its writer thinks, or are sent anew,
# and only for the process that writes it: one that was taken for dead may come back. What was deleted does not.
# All in one command, as packed by _Parcel: with one for each of many replies, most of a round was sending commands.
GROW = """
local token, writing, kept, ended = unpack(ARGV, 2)
local function grow(id, facts, thinking, answer, gone, anew, thought, said, news, thinks, says, over)
  if redis.call('EXISTS', gone) == 1 then
    redis.call('DEL', facts, thinking, answer)
    redis.call('HDEL', writing, id)
    return 'gone'
  end
  local owner = redis.call('HGET', writing, id)
  if owner and owner ~= token then return 'taken' end
  if anew then
    redis.call('SET', thinking, thinks, 'EX', kept)
    redis.call('SET', answer, says, 'EX', kept)
    redis.call('HSET', writing, id, token)
  else
    if not owner or redis.call('EXISTS', facts) == 0 then return 'lost' end
    if redis.call('STRLEN', thinking) ~= thought or redis.call('STRLEN', answer) ~= said then return 'lost' end
    if thinks ~= '' then redis.call('APPEND', thinking, thinks) end
    if says ~= '' then redis.call('APPEND', answer, says) end
  end
  if news ~= '' then redis.call('SET', facts, news, 'EX', kept) end
  if over then
    for _, text in ipairs({facts, thinking, answer}) do redis.call('EXPIRE', text, ended) end
    redis.call('HDEL', writing, id)
  end
  return 'grown'
end
local results = {}
for number, parcel in ipairs(cmsgpack.unpack(ARGV[1])) do results[number] = grow(unpack(parcel)) end
return results
"""


class Outbox:
    """What this process, known by its `token`, writes."""

    def __init__(self, link: Link, token: str) -> None:
        self._link = link
        self._token = token
        self._parcels: dict[int, _Parcel] = {}
        self._over: set[int] = set()  # ended while Redis was gone
        self._sending = threading.Lock()
        self._changed = threading.Event()
        self._closed = threading.Event()
        self.tried = threading.Event()  # whether Redis is there has been found out
        self._renew_at = self._keep_at = 0.0
        self._known = False  # whether Redis has heard of this process
        self._pause = ROUND_SECONDS
        self._thread = threading.Thread(target=self._run, name="redis-outbox", daemon=True)

    def begin(self) -> None:
        """From now on everything is sent as it comes."""
        self._thread.start()

    def open(self, answer_id: int, conversation_id: str, model: str, run: int, owner: str = "") -> Written:
        reply = Written(answer_id, conversation_id, model, run, owner, self._changed.set)
        parcel = self._parcels[answer_id] = _Parcel(reply)
        if self._link.up:
            self._round(parcel)  # now, so that the next request finds it, whichever process that comes to
        self._changed.set()
        return reply

    def has(self, answer_id: int) -> bool:
        """Whether this process writes it, or has not yet told of its end."""
        return answer_id in self._parcels

    def give_up(self, answers: Collection[int]) -> None:
        """Sends no more of those of these that are still its own, so that others need not wait to take them."""
        commands: list[Command] = []
        with self._sending:
            for answer_id in answers:
                if self._parcels.pop(answer_id, None) is not None:
                    commands += [("HSET", keys.WRITING, answer_id, ""), ("DEL", keys.claim(answer_id))]
            self._link.transact(commands)

    def leave(self) -> None:
        """Sends no more, and gives up what is unfinished."""
        self._closed.set()
        self._changed.set()
        self._thread.join()
        self.give_up(list(self._parcels))
        self._link.transact([("DEL", keys.lease(self._token))])

    def _run(self) -> None:
        while not self._closed.is_set():
            self._changed.clear()
            self._round()
            self.tried.set()
            self._closed.wait(self._pause)  # so long, what comes is put together
            self._changed.wait(max(0.0, self._renew_at - time.monotonic()))

    def _round(self, only: _Parcel | None = None) -> None:
        try:
            with self._sending:
                self.send(only)
        except Exception as error:  # a fault of ours must neither fail a prompt nor leave all readers without news
            structlog.get_logger("redis").error("outbox broke", exc_info=error)

    def send(self, only: _Parcel | None = None) -> None:
        """One round: all that Redis lacks, or of one reply alone. Not thread-safe."""
        now = time.monotonic()
        renewing, keeping = now >= self._renew_at, now >= self._keep_at
        if not (renewing or self._link.up):
            return
        over, parcels = list(self._over), [only] if only else list(self._parcels.values())
        packed = [(parcel, news) for parcel in parcels if (news := parcel.pack())]
        commands: list[Command] = []
        if packed:
            grown = _ENCODER.encode([news for _, news in packed])
            own = (self._token, keys.WRITING, keys.KEPT_SECONDS, keys.ENDED_SECONDS)
            commands.append(("EVAL", GROW, 0, grown, *own))
        if changed := over + [parcel.reply.id for parcel, _ in packed]:
            commands.append(("PUBLISH", keys.NEWS, ",".join(map(str, changed))))
        for answer_id in over:
            commands += [("DEL", *keys.all_of(answer_id)), ("HDEL", keys.WRITING, answer_id)]
        if keeping and not only:
            self._keep_at = now + keys.KEPT_SECONDS / 3
            for parcel in (each for each in parcels if not each.is_over):
                commands += [("EXPIRE", key, keys.KEPT_SECONDS) for key in keys.all_of(parcel.reply.id)]
        if renewing:
            self._renew_at = now + keys.RENEW_SECONDS
            lease = keys.lease(self._token)
            commands.append(("SET", lease, "", "PX", int(keys.LEASE_SECONDS * 1000), "GET"))
        results = self._link.transact(commands, probing=renewing)
        if results is None:
            self._start_again()
            return
        self._over.difference_update(over)
        for (parcel, _), result in zip(packed, results[0] if packed else (), strict=True):
            self._settle(parcel, result)
        if changed:
            listening = results[1 if packed else 0]  # this process does too
            self._pause = ROUND_SECONDS if listening > 1 else ALONE_ROUND_SECONDS
        if renewing:
            if self._known and results[-1] is None:  # Redis was emptied, or this process slept
                self._start_again()
            self._known = True

    def _settle(self, parcel: _Parcel, result: bytes) -> None:
        if result == b"lost":
            parcel.forget()
            self._changed.set()
        elif result == b"gone":
            del self._parcels[parcel.reply.id]
            parcel.reply.stop.ask()
        elif result == b"taken":  # another process goes on with it
            del self._parcels[parcel.reply.id]
            parcel.reply.lose()
            parcel.reply.stop.ask()
        elif parcel.is_over:
            del self._parcels[parcel.reply.id]

    def _start_again(self) -> None:
        """Redis may have nothing of ours."""
        for parcel in list(self._parcels.values()):
            if parcel.reply.ended:
                self._over.add(parcel.reply.id)
                del self._parcels[parcel.reply.id]
            parcel.forget()


class _Parcel:
    """One reply, and what Redis has of it."""

    def __init__(self, reply: Written) -> None:
        self.reply = reply
        self._address = (str(reply.id), *keys.all_of(reply.id), keys.gone(reply.id))
        self.forget()

    def forget(self) -> None:
        """Redis may have nothing of it."""
        self._version = -1  # of the reply
        self._facts = ""  # as JSON; "": nothing is there
        self._characters = (0, 0)  # of the reasoning and of the answer
        self._sizes = (0, 0)  # the same in bytes
        self.is_over = False

    def pack(self) -> tuple[str | int | bool, ...] | None:
        """What brings Redis up to date, as GROW takes it; None where it is."""
        if self.reply.version == self._version:
            return None
        news = self.reply.news(*self._characters)
        self._version, facts = news.version, news.facts
        if facts == self._facts and not news.thinking and not news.answer:
            return None
        self.is_over = news.is_last
        new = "" if facts == self._facts else facts
        packed = (*self._address, not self._facts, *self._sizes, new, news.thinking, news.answer, self.is_over)
        self._facts = facts
        self._characters = (self._characters[0] + len(news.thinking), self._characters[1] + len(news.answer))
        self._sizes = (self._sizes[0] + len(news.thinking.encode()), self._sizes[1] + len(news.answer.encode()))
        return packed


_ENCODER = msgspec.msgpack.Encoder()
