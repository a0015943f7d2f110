"""What Redis, Postgres, Nginx and a second worker cost, each on top of the one before it, in the same run.

    python benchmarks/deployed.py --streams 20,100,300 --rounds 5

The same prompts and followers as in followers.py, each time on a fresh server. Nginx (TLS, the files of deploy/nginx),
Postgres and Redis are those that the tests start, so `python3 launch.py test` must have run once. The last rows have
two workers, each on a core of its own, which the source, the clients and all parts share with them. Whatever else the
machine does can only add to what is measured, so of all rounds the one that cost least is printed. Below each table
stands what it says about the two aims. It ends by itself and uses loopback only.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import ssl
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent / "tests"))

from clients import Follower, Visit
from followers import OTHER_CORE, SERVER_CORE, WARM, Load, take
from own_nginx import InsightNginx
from own_postgres import OwnPostgres
from own_redis import OwnRedis
from processes import Served, children, cpu_seconds, paced_source, product

# The aims: the whole deployment against the bare worker, and streams of two workers against those of one.
MOST_TIMES, MORE_STREAMS = 1.5, 1.7
HEADINGS = (
    "what runs",
    "streams",
    "workers: CPU s per 1,000 tokens (least, median)",
    "against the first row",
    "of its core, the busier worker uses",
    "of all work, the busier worker does",
    "Redis, Postgres, Nginx: CPU s per 1,000 tokens",
    "the source, the clients: CPU s per 1,000 tokens",
    "of both cores, all that runs here uses",
    "end: later by (median, worst)",
)


@dataclass(frozen=True, slots=True)
class Setting:
    """What stands around the product; `environ` tells it so."""

    name: str
    parts: tuple[str, ...] = ()
    workers: int = 1
    times: float = 1  # as many streams

    def load(self, load: Load) -> Load:
        return replace(load, streams=round(load.streams * self.times))


SETTINGS = (
    Setting("one worker, SQLite"),
    Setting("and Redis", ("Redis",)),
    Setting("and Postgres", ("Redis", "Postgres")),
    Setting("and Nginx", ("Redis", "Postgres", "Nginx")),
    Setting("two workers, all of it", ("Redis", "Postgres", "Nginx"), 2),
    Setting("two workers, more streams", ("Redis", "Postgres", "Nginx"), 2, times=MORE_STREAMS),
)


@dataclass(slots=True)
class Standing:
    """A setting as it runs: the product, the port that people call, and the processes of each part."""

    server: Served
    port: int
    tls: ssl.SSLContext | None
    parts: dict[str, int] = field(default_factory=dict)


@contextmanager
def standing(setting: Setting, engine: str) -> Iterator[Standing]:
    with ExitStack() as stack:
        environ = {"WEB_CONCURRENCY": str(setting.workers)}
        roots: dict[str, int] = {}
        if "Redis" in setting.parts:
            redis = stack.enter_context(OwnRedis())
            environ["REDIS_URL"], roots["Redis"] = redis.url, redis.pid
        if "Postgres" in setting.parts:
            # As it comes, with all that it does to keep what is written.
            postgres = stack.enter_context(OwnPostgres({}))
            environ["DATABASE_URL"], roots["Postgres"] = postgres.url(postgres.create()), postgres.pid
        environ |= {"ALLOWED_HOSTS": "127.0.0.1", "TRUSTED_PROXIES": "127.0.0.1"} if "Nginx" in setting.parts else {}
        core = SERVER_CORE if setting.workers == 1 else None
        server = stack.enter_context(product(engine, core=core, **environ))
        for pid, its_core in zip(server.pids, (SERVER_CORE, OTHER_CORE), strict=False):
            os.sched_setaffinity(pid, {its_core})
        port, tls = server.port, None
        if "Nginx" in setting.parts:
            nginx = InsightNginx(f"127.0.0.1:{server.port}", Path("/nowhere"))
            stack.callback(nginx.close)
            port, roots["Nginx"] = nginx.port, nginx.pid
            tls = ssl.create_default_context()
            tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
        yield Standing(server, port, tls, roots)


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU seconds of all workers, of the busier one, of each part, and of what measures them (the source, the clients),
    in so many seconds; how late ends were.
    """

    workers: float
    busier: float
    seconds: float
    parts: dict[str, float]
    measuring: tuple[float, float]
    late: list[float]


def measure(setting: Setting, load: Load) -> Cost:
    options = ("--tokens", str(load.tokens), "--rate", str(load.rate))
    with paced_source(*options, core=OTHER_CORE) as source, standing(setting, source.url) as it:
        visit = Visit(f"{'https' if it.tls else 'http'}://127.0.0.1:{it.port}", it.tls)
        asyncio.run(take(WARM, lambda: Follower(visit), it.server, it.tls, it.port))
        workers = [cpu_seconds(pid) for pid in it.server.pids]
        parts = {name: used(pid) for name, pid in it.parts.items()}
        said, asked = cpu_seconds(source.pid), time.process_time()
        began = time.monotonic()
        taken = asyncio.run(take(load, lambda: Follower(visit), it.server, it.tls, it.port))
        seconds = time.monotonic() - began
        spent = [cpu_seconds(pid) - before for pid, before in zip(it.server.pids, workers, strict=True)]
        parts = {name: used(pid) - parts[name] for name, pid in it.parts.items()}
        measuring = cpu_seconds(source.pid) - said, time.process_time() - asked
        late = sorted(one / load.seconds - 1 for one in taken.seconds)
        return Cost(sum(spent), max(spent), seconds, parts, measuring, late)


def used(pid: int) -> float:
    """CPU seconds of a process and of all that it started and that are still there."""
    return cpu_seconds(pid) + sum(used(child) for child in children(pid))


def least(costs: list[Cost]) -> Cost:
    return min(costs, key=lambda each: each.workers)


def row(setting: Setting, load: Load, costs: list[Cost], first: float) -> list[str]:
    load = setting.load(load)
    thousands, best = load.streams * load.tokens / 1000, least(costs)
    cost, usual = (each / thousands for each in (best.workers, statistics.median(each.workers for each in costs)))
    return [
        setting.name,
        str(load.streams),
        f"{cost:.3f}, {usual:.3f}",
        f"{cost / first:.2f}",
        f"{best.busier / best.seconds:.0%}",
        f"{best.busier / best.workers:.0%}",
        ", ".join(f"{best.parts[name] / thousands:.3f}" for name in setting.parts),
        ", ".join(f"{each / thousands:.3f}" for each in best.measuring),
        f"{(best.workers + sum(best.parts.values()) + sum(best.measuring)) / best.seconds / 2:.0%}",
        f"{best.late[len(best.late) // 2]:.1%}, {best.late[-1]:.1%}",
    ]


def table(load: Load, rounds: int) -> list[str]:
    """The rows for so many streams, and what they say about the aims."""
    costs: dict[str, list[Cost]] = {setting.name: [] for setting in SETTINGS}
    for _ in range(rounds):  # of all settings in turn, so that whatever else the machine does meets all of them
        for setting in SETTINGS:
            costs[setting.name].append(measure(setting, setting.load(load)))
    bare, *_, whole, _, two = (least(costs[setting.name]) for setting in SETTINGS)
    first = bare.workers / (load.streams * load.tokens / 1000)
    lines = [f"| {' | '.join(row(setting, load, costs[setting.name], first))} |" for setting in SETTINGS]
    times, ones, twos = whole.workers / bare.workers, whole.busier / whole.seconds, two.busier / two.seconds
    return [
        f"| {' | '.join(HEADINGS)} |\n|{'---|' * len(HEADINGS)}",
        *lines,
        f"\nAll of it costs {times:.2f} times the bare worker (at most {MOST_TIMES}: {_word(times <= MOST_TIMES)}). "
        f"One worker uses {ones:.0%} of its core for {load.streams} streams, the busier of two {twos:.0%} for "
        f"{MORE_STREAMS} times as many (at most as much: {_word(twos <= ones)}).\n",
    ]


def _word(is_so: bool) -> str:
    return "yes" if is_so else "no"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--streams", default="20,100,300", help="numbers of answers at the same time")
    parser.add_argument("--tokens", type=int, default=200, help="of each answer")
    parser.add_argument("--rate", type=float, default=30, help="tokens per second of each answer")
    parser.add_argument("--spread", type=float, default=5, help="seconds over which people press Send")
    parser.add_argument("--rounds", type=int, default=5, help="of all settings in turn; the least is printed")
    chosen = parser.parse_args()
    os.sched_setaffinity(0, {OTHER_CORE})
    for streams in map(int, chosen.streams.split(",")):
        print("\n".join(table(Load(streams, chosen.tokens, chosen.rate, chosen.spread), chosen.rounds)), flush=True)


if __name__ == "__main__":
    main()
