"""Whatever speaks OpenAI's protocol as an engine: vLLM, llama.cpp's server, LM Studio and their like.

They agree on how a chat is answered and on little else. What a server is, how many tokens its models see, whether it
is still loading, and whether it goes on with an answer that was begun, is found out by asking it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import replace

import requests

from insight_app import errors
from insight_app.engines import openai_servers
from insight_app.engines.base import Done, Engine, Event, Model, Options, Stage, Stop, Task
from insight_app.engines.interruptible import Grip
from insight_app.engines.lines import Lines
from insight_app.engines.listening import Listening
from insight_app.engines.ollama_models import judges_only
from insight_app.engines.openai_errors import error_text, meaning, room_left
from insight_app.engines.openai_lines import Answer
from insight_app.engines.openai_request import path_of, request
from insight_app.engines.openai_servers import BEGUN, Served
from insight_app.engines.wire import Wire, until
from insight_app.errors import AnswerCut, EngineSilent

LOOK_SECONDS = 0.25  # while a server loads its model
FIGURES_SECONDS = 2.0  # for the figures behind an answer that is whole
# A server that spoke so recently has loaded its model, and nobody needs to be asked.
STILL_LOADED_SECONDS = 5.0


class OpenAICompatible(Engine):
    """The server at `url`, which may want `key`; after `silence_seconds` without a byte it has failed."""

    words: Mapping[str, str] = errors.ENGINE_WORDS["openai"]

    def __init__(
        self, url: str, *, key: str = "", silence_seconds: float, session: requests.Session | None = None
    ) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._wire = Wire(url, silence_seconds, session, error_text=error_text, headers=headers, words=self.words)
        self._listening = Listening(self._wire)
        self._silence_seconds = silence_seconds
        self.name, self.url = "openai", self._wire.url
        self._served: dict[str, Served] = {}  # by name, when the list was last read
        self._spoke: dict[str, float] = {}  # when each model last said something

    def models(self) -> list[Model]:
        return [each.model for each in self._look(Grip())]

    def prepare(self, model: str, options: Options, stop: Stop) -> Generator[Stage, None, None]:
        with until(stop) as grip:
            if not self._spoke_lately(model):
                if self._is_loading(grip):
                    yield Stage("loading", model)
                    self._wait_for_it(grip, stop)
                self._look(grip)
            known = self._known(model, grip)
            if not grip.broken:
                yield Stage("reading", known.name, _smaller(known.context, options.num_ctx))

    def stream(self, task: Task, stop: Stop) -> Generator[Event, None, None]:
        """As Engine has it; closing it early closes the socket too."""
        with until(stop) as grip:
            yield from self._answer(task, self._known(task.model, grip), grip)

    def continues(self, model: str, stop: Stop) -> bool:
        """Has the server's own template fill in such a conversation: it must end in the middle of the last turn."""
        with until(stop) as grip:
            known = self._known(model, grip)
            trial = openai_servers.trial(known.kind, known.name)
            if known.kind == "llama.cpp":
                return openai_servers.filled_in(self._ask("/apply-template", trial, grip)).endswith(BEGUN)
            if known.kind == "vllm":
                tokens = openai_servers.tokens_of(self._ask("/tokenize", trial, grip))
                back = json.dumps({"model": known.name, "tokens": tokens}).encode()
                return bool(tokens) and openai_servers.filled_in(self._ask("/detokenize", back, grip)).endswith(BEGUN)
        return False

    def _answer(self, task: Task, known: Served, grip: Grip) -> Iterator[Event]:
        response = self._chat(task, known, grip)
        yield from self._listening.to_the_end(response, grip, self._events(response, known.name, grip))

    def _events(self, response: requests.Response, model: str, grip: Grip) -> Iterator[Event]:
        lines, answer = Lines(), Answer(model, self._wire.facts)
        try:
            with closing(self._listening.to(response, grip)) as arriving:
                for data in arriving:
                    self._spoke[model] = time.monotonic()
                    for event in answer.feed(lines.feed(data) if data else lines.last()):
                        yield event
                        if isinstance(event, Done):
                            return
                    if answer.has_ended:
                        grip.wait_at_most(FIGURES_SECONDS)
        except (AnswerCut, EngineSilent):
            if not answer.has_ended:
                raise
        if grip.broken:
            return
        if not answer.has_ended:
            raise AnswerCut(**self._wire.facts, because="no end mark")
        yield from answer.end()

    def _chat(self, task: Task, known: Served, grip: Grip) -> requests.Response:
        """The response whose body is the answer; raises the EngineError that a refusal means."""
        most, think = task.options.max_tokens, task.options.think
        while True:
            response = self._wire.post(path_of(task), grip, request(task, known.name, known.kind, most, think))
            if response.status_code == 200 and "html" not in response.headers.get("Content-Type", ""):
                return response
            text, status = self._wire.refusal(response), response.status_code
            refusal = meaning(text, status, model=known.name, facts=self._wire.facts)
            room = room_left(text)
            if isinstance(refusal, errors.ContextFull) and room is not None and (most is None or room < most):
                most = room
            elif think and status in (400, 422) and "reasoning_effort" in text:
                think = None
            elif status in (400, 422) and (task.tools or task.format) and type(refusal) is errors.EngineBroke:
                raise errors.RequestUnsuited(**self._wire.facts, model=known.name)
            else:
                raise refusal

    def _known(self, wanted: str, grip: Grip) -> Served:
        """The model of this name ("" = the first). Raises ModelMissing where llama.cpp would answer with another."""
        if wanted not in self._served:
            self._look(grip)
        if not self._served:
            raise errors.NoModel(**self._wire.facts)
        first = next(iter(self._served.values()))
        found = self._served.get(wanted) if wanted else first
        if found is None and first.kind == "llama.cpp":
            found = next((each for each in self._served.values() if wanted in each.aliases), None)
            if found is None:
                raise errors.ModelMissing(**self._wire.facts, model=wanted)
        return found or Served(wanted, first.kind)

    def _look(self, grip: Grip) -> list[Served]:
        """What the server has now, its first choice first."""
        try:
            found = openai_servers.served(self._get("/v1/models", grip))
        except ValueError:
            raise errors.EngineBroke(**self._wire.facts, because="a list that is not OpenAI's") from None
        if len(found) == 1 and found[0].kind == "llama.cpp" and found[0].context is None:
            _, body = self._wire.get("/props", grip)
            found = [replace(found[0], context=openai_servers.context_of_slot(body))]
        elif found and not any(each.kind or each.context for each in found):
            status, body = self._wire.get("/api/v0/models", grip)
            with suppress(ValueError):  # somebody else's page
                found = openai_servers.with_contexts(found, body) if status == 200 else found
        # What cannot answer is never chosen unasked while there is something else here.
        found.sort(key=lambda each: judges_only(each.name))
        self._served = {each.name: each for each in found}
        return found

    def _is_loading(self, grip: Grip) -> bool:
        """Whether it is llama.cpp's server before its model is in memory; others do not listen until then."""
        status, body = self._wire.get("/health", grip)
        return status == 503 and "loading" in error_text(body)

    def _wait_for_it(self, grip: Grip, stop: Stop) -> None:
        until_when = time.monotonic() + self._silence_seconds
        while not stop.wait(LOOK_SECONDS) and self._is_loading(grip):
            if time.monotonic() > until_when:
                raise EngineSilent(**self._wire.facts, seconds=f"{self._silence_seconds:g}")

    def _get(self, path: str, grip: Grip) -> bytes:
        status, body = self._wire.get(path, grip)
        if status != 200:
            raise meaning(error_text(body), status, model="", facts=self._wire.facts)
        return body

    def _ask(self, path: str, body: bytes, grip: Grip) -> bytes:
        """The body of a short answer; b"" where the server does not give one."""
        with closing(self._wire.post(path, grip, body)) as response:
            said = self._wire.whole(response)
        return said if response.status_code == 200 else b""

    def _spoke_lately(self, model: str) -> bool:
        spoke = self._spoke.get(model)
        return spoke is not None and time.monotonic() - spoke < STILL_LOADED_SECONDS


def _smaller(context: int | None, limit: int | None) -> int | None:
    """How many tokens may be used: what the server has, or less where somebody set less; None where nobody knows."""
    return min((each for each in (context, limit) if each), default=None)
