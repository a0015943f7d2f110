"""What a turn in the line costs: alone, with others in the way, and over several processes.

    python benchmarks/line.py

Nothing is written in a turn, so that all of it is the line's own: everybody wants their next turn at once.
"""

from __future__ import annotations

import logging
import multiprocessing
import sys
import threading
import time
from multiprocessing.queues import Queue as Results
from multiprocessing.synchronize import Event
from pathlib import Path

import structlog

sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from own_redis import OwnRedis

from insight_app.chat.line import Line, LineInMemory
from insight_app.chat.line_redis import LineInRedis
from insight_app.chat.queue import Queue, Ticket
from insight_app.chat.replies_redis import RepliesInRedis
from insight_app.engines.base import Stop

TURNS = 400


def take_turns(line: Line, people: int, turns: int, process: int = 0) -> float:
    """The seconds until so many people have had their turns, all of them together so many."""

    def one(number: int) -> None:
        for _ in range(turns // people):
            with line.turn(f"{process}-{number}", "m", Stop()):
                pass

    threads = [threading.Thread(target=one, args=(number,)) for number in range(people)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - began


def in_redis(url: str) -> tuple[RepliesInRedis, LineInRedis]:
    replies = RepliesInRedis(url)
    return replies, LineInRedis(replies.link, replies.token, 1)


def work(url: str, process: int, people: int, ready: Event, results: Results[float]) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    replies, line = in_redis(url)
    ready.wait()
    results.put(take_turns(line, people, TURNS // 4, process))
    line.leave()
    replies.leave()


def over_four_processes(url: str, people: int) -> float:
    ready: Event = multiprocessing.Event()
    results: Results[float] = multiprocessing.Queue()
    arguments = [(url, number, people, ready, results) for number in range(4)]
    processes = [multiprocessing.Process(target=work, args=each) for each in arguments]
    for process in processes:
        process.start()
    time.sleep(3)  # until all of them are there
    ready.set()
    seconds = max(results.get() for _ in processes)
    for process in processes:
        process.join()
    return seconds


def say(what: str, seconds: float, times: int) -> None:
    print(f"{what:<52}{seconds / times * 1e6:>8.0f} µs")


def main() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    for people in (1, 4, 100):
        say(f"a turn in memory, {people} at a time", take_turns(LineInMemory(1), people, TURNS), TURNS)
    redis = OwnRedis()
    redis.start()
    replies, line = in_redis(redis.url)
    for people in (1, 4):
        say(f"a turn with Redis, {people} at a time", take_turns(line, people, TURNS), TURNS)
    line.leave()
    replies.leave()
    for people in (1, 4, 25):
        seconds = over_four_processes(redis.url, people)
        say(f"a turn with Redis, 4 processes, {people} at a time in each", seconds, TURNS)
    redis.close()
    for waiting in (10, 100, 1000):
        queue = Queue()
        for number in range(waiting):
            queue.join(Ticket(f"ticket-{number}", f"person {number % 20}", "m", "a process"))
        queue.measured("m", 10.0)
        queue.advance(1, 0.0)
        began = time.perf_counter()
        for _ in range(20):
            queue.outlook("m", 1, 0.0)
        say(f"all places and estimates of {waiting} who wait", time.perf_counter() - began, 20)


if __name__ == "__main__":
    main()
