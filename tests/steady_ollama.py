"""An Ollama that always writes the same text to the same prompt, and goes on from wherever an answer has come to.

So whatever happens to servers in between, what a page shows at the end can be compared with the text, character by
character. It also knows who was writing one answer at the same time.
"""

from __future__ import annotations

import os
import random
import socket
import threading
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from scripted_ollama import Answer, Ended, ScriptedOllama, Step

SLOW_SECONDS = 0.5
WORDS = ["one", "two", "three", "naïve", "Ärger", "東京", "🙂", "“quoted”", "*stressed*", "`code`", "1,000", "final"]


class Story:
    """What is written to one prompt, piece by piece; `reached` is set when it has come to the piece `moment`.

    One that is `held` goes slowly from there on, and does not end before `goes_on` is set, however long a test takes.
    """

    def __init__(self, chance: random.Random, pieces: int, seconds: float, *, held: bool = False) -> None:
        self.pieces = [chance.choice(WORDS) + chance.choice([" ", " ", " ", "\n\n"]) for _ in range(pieces)]
        self.pieces.append("END.")
        self.text = "".join(self.pieces)
        self.pause = seconds / pieces
        self.moment = chance.randrange(1, pieces)
        self.reached = threading.Event()
        self.goes_on = threading.Event()
        if not held:
            self.goes_on.set()
        self.writers: list[Answer] = []
        self.at_once = 0  # how often one began to write while another one still did
        self.strange: list[str] = []  # what was to be continued and is no beginning of the text

    def writers_process(self, processes: Iterable[int]) -> int:
        """Which of these has the connection over which it is written now."""
        return owner_of(self.writers[-1].socket.getpeername()[1], processes)

    @property
    def is_being_written(self) -> bool:
        """Asks the connections themselves: whoever watches them may be late to hear that one was closed."""
        return any(not each.over.is_set() and is_held(each.socket) for each in self.writers)


class SteadyOllama(ScriptedOllama):
    """`stories` by prompt."""

    def __init__(self) -> None:
        self.stories: dict[str, Story] = {}
        self._telling = threading.Lock()
        super().__init__()

    def _unscripted(self, answer: Answer) -> list[Step]:
        if answer.request.path != "/api/chat" or not answer.request.body.get("messages"):
            return super()._unscripted(answer)
        turns = [turn for turn in answer.request.body["messages"] if turn["role"] != "system"]
        prompt = next(turn["content"] for turn in reversed(turns) if turn["role"] == "user")
        begun = turns[-1]["content"] if turns[-1]["role"] == "assistant" else ""
        story = self.stories[prompt]
        with self._telling:
            story.at_once += story.is_being_written
            story.writers.append(answer)
        if not story.text.startswith(begun):
            story.strange.append(begun)
        return list(rest_of(story, len(begun)))


def rest_of(story: Story, begun: int) -> Iterable[Step]:
    """The steps from the character `begun` on."""

    def pace(answer: Answer) -> None:
        is_slow = story.reached.is_set() and not story.goes_on.is_set()
        if answer.client_gone.wait(SLOW_SECONDS if is_slow else story.pause):
            raise Ended

    end = 0
    for place, piece in enumerate(story.pieces):
        end += len(piece)
        if end <= begun:
            continue
        yield piece[max(0, len(piece) - (end - begun)) :]
        if place == story.moment:
            yield lambda answer: story.reached.set()
        yield pace
        if place == len(story.pieces) - 2:  # the end comes when it may
            yield lambda answer: answer.wait(story.goes_on)


def is_held(connection: socket.socket) -> bool:
    """Whether the other end has it still."""
    try:
        return bool(connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
    except BlockingIOError:
        return True
    except OSError:
        return False


def owner_of(port: int, processes: Iterable[int]) -> int:
    """The process that holds the end of a loopback connection that has this port."""
    inodes = defaultdict(set)
    for row in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        cells = row.split()
        inodes[int(cells[1].partition(":")[2], 16)].add(f"socket:[{cells[9]}]")
    for process in processes:
        for file in Path(f"/proc/{process}/fd").iterdir():
            try:
                if os.readlink(file) in inodes[port]:
                    return process
            except FileNotFoundError:
                continue
    raise AssertionError(f"nobody has port {port}")


def children(process: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
