"""An hour of everything that people do: whether memory stays flat, and no greenlet, socket or Redis key is left behind.

    python benchmarks/soak.py --minutes 60 --people 40

People ask, go on, leave in mid-answer, come back, stop, delete and ask as programs, at random. Once a minute all of
them rest until nothing is written any more; then it is counted what there is. It ends with status 1 where something
grew from the second quarter of the time to the last one. Redis is the one that the tests start, so `python3 launch.py
test` must have run once.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import TypeVar

sys.path.append(str(Path(__file__).parent.parent / "tests"))

from clients import Client, Follower, Program, Visit
from own_redis import OwnRedis
from processes import Served, paced_source, product, resident_bytes

Kind = TypeVar("Kind", bound=Client)
REST_SECONDS = 7.0  # an answer that has ended is in Redis for five seconds more
LEAVES_AFTER = 1_500  # bytes of the stream
MOST_GROWTH = {"memory_mb": 0.05, "greenlets": 0.0, "sockets": 0.0, "redis_keys": 0.0, "redis_mb": 0.1}


@dataclass(frozen=True, slots=True)
class Counted:
    """What there is of all workers together while nobody asks for anything."""

    memory_mb: float
    greenlets: float
    sockets: float
    redis_keys: float
    redis_mb: float


class Leaver(Follower):
    """Is gone as soon as the answer is under way."""

    def _followed(self, data: bytes) -> None:
        super()._followed(data)
        if self.received > LEAVES_AFTER and not self.over.done():
            self.end()


class Stopper(Leaver):
    """Leaves, and has the answer stopped, as the button does."""

    def __init__(self, visit: Visit) -> None:
        super().__init__(visit)
        self.stop = ""

    def _opened(self, data: bytes) -> None:
        before = self._unread + data
        super()._opened(data)
        if b"/stream" in before:
            self.stop = before.rpartition(b"/answers/")[2].partition(b"/")[0].decode()


class Request(Client):
    """One request; whatever comes back is its end."""

    def __init__(self, sent: bytes) -> None:
        super().__init__()
        self._sent = sent

    def ask(self) -> None:
        self.transport.write(self._sent)

    def data_received(self, data: bytes) -> None:
        self.end()


class People:
    """Who uses the server; `may_go_on` is unset while they rest."""

    def __init__(self, server: Served, seed: int) -> None:
        self._server = server
        self._chance = random.Random(seed)
        self.may_go_on = asyncio.Event()
        self.active = 0
        self.did: dict[str, int] = {}

    async def one(self) -> None:
        visit = Visit(self._server.url)
        while True:
            await self.may_go_on.wait()
            self.active += 1
            try:
                await self._once(visit)
            finally:
                self.active -= 1
            await asyncio.sleep(self._chance.random())

    async def _once(self, visit: Visit) -> None:
        what = self._chance.choice(("follow", "leave", "stop", "program"))
        self.did[what] = self.did.get(what, 0) + 1
        if what == "program":
            await self._do(Program)
            return
        if what == "stop":
            stopper = await self._do(lambda: Stopper(visit))
            if stopper.stop:
                await self._send(visit.post(f"/answers/{stopper.stop}/stop"))
            conversation = stopper.conversation
        else:
            begun = await self._do(lambda: (Leaver if what == "leave" else Follower)(visit))
            conversation = begun.conversation
            if what == "leave":  # and comes back, at once or when the answer is there
                await self._send(visit.get(conversation))
            elif self._chance.random() < 0.5:
                await self._do(lambda: Follower(visit, conversation))
        if self._chance.random() < 0.8:
            await self._send(visit.post(f"{conversation}/delete"))

    async def _send(self, request: bytes) -> None:
        await self._do(lambda: Request(request))

    async def _do(self, make: Callable[[], Kind]) -> Kind:
        loop = asyncio.get_running_loop()
        _, client = await loop.create_connection(make, "127.0.0.1", self._server.port)
        await asyncio.wait_for(client.over, 120)
        return client


def counted(server: Served, redis: OwnRedis, folder: Path) -> Counted:
    return Counted(
        sum(map(resident_bytes, server.pids)) / 1e6,
        sum(int((folder / str(pid)).read_text()) for pid in server.pids),
        sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in server.pids),
        # What keeps a deleted answer from coming back ends by itself after a minute.
        sum(1 for key in redis.client.scan_iter() if not key.startswith(b"insight:gone:")),
        redis.client.info("memory")["used_memory_dataset"] / 1e6,
    )


async def soak(server: Served, redis: OwnRedis, folder: Path, minutes: float, people: int, seed: int) -> list[Counted]:
    crowd = People(server, seed)
    tasks = [asyncio.create_task(crowd.one()) for _ in range(people)]
    until, rows = time.monotonic() + minutes * 60, []
    while time.monotonic() < until:
        crowd.may_go_on.set()
        done, _ = await asyncio.wait(tasks, timeout=60, return_when=asyncio.FIRST_COMPLETED)
        for task in done:  # nobody stops by themselves
            task.result()
        crowd.may_go_on.clear()
        while crowd.active or redis.client.hlen("insight:writing"):
            await asyncio.sleep(0.1)
        await asyncio.sleep(REST_SECONDS)
        rows.append(counted(server, redis, folder))
        print(f"| {len(rows)} | {' | '.join(f'{value:.1f}' for value in astuple(rows[-1]))} |", flush=True)
    print(f"\n{crowd.did}")
    return rows


def grown(rows: list[Counted]) -> list[str]:
    """What is larger in the last quarter than in the second one, by more than it may be."""
    quarter = max(1, len(rows) // 4)
    found = []
    for each in fields(Counted):
        before, after = (
            statistics.median(getattr(row, each.name) for row in part)
            for part in (rows[quarter : 2 * quarter] or rows[:1], rows[-quarter:])
        )
        if after > before * (1 + MOST_GROWTH[each.name]) + 1:
            found.append(f"{each.name} grew from {before:.1f} to {after:.1f}")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--people", type=int, default=40)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    redis = OwnRedis()
    redis.start()
    try:
        with (
            tempfile.TemporaryDirectory(prefix="insight-soak-") as folder,
            paced_source("--tokens", "120", "--rate", "40") as source,
            product(
                source.url,
                conf="benchmarks/soak_gunicorn.py",
                REDIS_URL=redis.url,
                WEB_CONCURRENCY=str(chosen.workers),
                SOAK_FOLDER=folder,
            ) as server,
        ):
            print(f"| minute | {' | '.join(each.name for each in fields(Counted))} |\n|{'---|' * 6}")
            rows = asyncio.run(soak(server, redis, Path(folder), chosen.minutes, chosen.people, chosen.seed))
    finally:
        redis.close()
    for line in (found := grown(rows)):
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
