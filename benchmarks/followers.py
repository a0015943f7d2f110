"""What it costs to follow answers through the product, against following them straight at the source.

    python benchmarks/followers.py --streams 1,10,100,200,500

The server (gunicorn with gevent, one worker) has one core, the source and the clients have the other. For each
number of streams there is a fresh server. People press Send evenly over --spread seconds: first for new
conversations, whose pages are opened, then again in those; then as many programs stream at /v1. It ends by itself
and uses loopback only.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import ssl
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle

from clients import Client, Direct, Follower, Program, Visit
from processes import Served, cpu_seconds, paced_source, product, resident_bytes

SERVER_CORE, OTHER_CORE = 0, 1
WATCH_SECONDS = 0.25
SLACK_SECONDS = 60  # beyond what the source needs: then something hangs
HEADINGS = (
    "streams",
    "first text, direct: median, p95 (ms)",
    "product: later by (ms)",
    "end: later by (median, worst)",
    "CPU s per 1,000 tokens",
    "bytes per token",
    "KB per stream",
)


@dataclass(frozen=True, slots=True)
class Load:
    """So many answers of so many tokens each, begun over `spread` seconds."""

    streams: int
    tokens: int
    rate: float
    spread: float

    @property
    def seconds(self) -> float:
        return self.tokens / self.rate


@dataclass(frozen=True, slots=True)
class Taken:
    """What the clients saw, and what the server used meanwhile."""

    clients: list[Client]
    cpu: float
    resident: int

    @property
    def first(self) -> list[float]:
        return sorted(client.first - client.asked for client in self.clients)

    @property
    def seconds(self) -> list[float]:
        return sorted(client.ended - client.asked for client in self.clients)


WARM = Load(streams=2, tokens=200, rate=30, spread=0.1)


async def take(
    load: Load, make: Callable[[], Client], server: Served, tls: ssl.SSLContext | None = None, port: int | None = None
) -> Taken:
    """All streams of the load, each on a connection of its own, to `port` where something stands in front."""
    loop = asyncio.get_running_loop()
    began, before, resident = loop.time(), cpu_seconds(server.pid), resident_bytes(server.pid)
    most = 0

    async def one(number: int) -> Client:
        await asyncio.sleep(began + load.spread * number / load.streams - loop.time())
        _, client = await loop.create_connection(make, "127.0.0.1", port or server.port, ssl=tls)
        await client.over
        return client

    async def watch() -> None:
        nonlocal most
        while True:
            most = max(most, resident_bytes(server.pid) - resident)
            await asyncio.sleep(WATCH_SECONDS)

    watching = asyncio.create_task(watch())
    limit = load.spread + 3 * load.seconds + SLACK_SECONDS
    clients = await asyncio.wait_for(asyncio.gather(*(one(number) for number in range(load.streams))), limit)
    watching.cancel()
    return Taken(list(clients), cpu_seconds(server.pid) - before, most)


def measure(load: Load, rounds: int) -> Iterator[list[str]]:
    """The table's rows for one number of streams; small ones are taken several times."""
    options = ("--tokens", str(load.tokens), "--rate", str(load.rate))
    with paced_source(*options, core=OTHER_CORE) as source:
        direct = [asyncio.run(take(load, Direct, source)) for _ in range(rounds)]
        with product(source.url, core=SERVER_CORE) as server:
            visit = Visit(server.url)
            asyncio.run(take(WARM, lambda: Follower(visit), server))
            first = [asyncio.run(take(load, lambda: Follower(visit), server)) for _ in range(rounds)]
            yield cells(f"{load.streams}, new", load, direct, first)
            open_ones = [client.conversation for client in first[-1].clients if isinstance(client, Follower)]
            pages = cycle(open_ones)
            next_ = [asyncio.run(take(load, lambda: Follower(visit, next(pages)), server)) for _ in range(rounds)]
            yield cells(f"{load.streams}, going on", load, direct, next_)
            programs = [asyncio.run(take(load, Program, server)) for _ in range(rounds)]
            yield cells(f"{load.streams}, /v1", load, direct, programs)


def cells(name: str, load: Load, direct: list[Taken], followed: list[Taken]) -> list[str]:
    first_direct = sorted(one for taken in direct for one in taken.first)
    first = sorted(one for taken in followed for one in taken.first)
    source_seconds = statistics.median(one for taken in direct for one in taken.seconds)
    late = sorted(one / source_seconds - 1 for taken in followed for one in taken.seconds)
    tokens = load.tokens * len(first)
    received = sum(client.received for taken in followed for client in taken.clients)
    later = [kind(first) - kind(first_direct) for kind in (statistics.median, p95)]
    return [
        name,
        f"{statistics.median(first_direct) * 1e3:.1f}, {p95(first_direct) * 1e3:.1f}",
        f"{later[0] * 1e3:.1f}, {later[1] * 1e3:.1f}",
        f"{statistics.median(late):.1%}, {late[-1]:.1%}",
        f"{sum(taken.cpu for taken in followed) / tokens * 1e3:.3f}",
        f"{received / tokens:.0f}",
        f"{followed[0].resident / load.streams / 1024:.0f}",
    ]


def p95(ordered: list[float]) -> float:
    return ordered[int(0.95 * (len(ordered) - 1))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--streams", default="1,10,100,200,500", help="numbers of answers at the same time")
    parser.add_argument("--tokens", type=int, default=200, help="of each answer")
    parser.add_argument("--rate", type=float, default=30, help="tokens per second of each answer")
    parser.add_argument("--spread", type=float, default=5, help="seconds over which people press Send")
    chosen = parser.parse_args()
    os.sched_setaffinity(0, {OTHER_CORE})
    print(f"| {' | '.join(HEADINGS)} |\n|{'---|' * len(HEADINGS)}", flush=True)
    for streams in map(int, chosen.streams.split(",")):
        load = Load(streams, chosen.tokens, chosen.rate, chosen.spread if streams > 1 else 0)
        for row in measure(load, rounds=5 if streams == 1 else 1):
            print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
