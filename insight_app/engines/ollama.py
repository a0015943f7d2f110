"""Ollama as an engine: one request per answer, its lines as they come, its socket closed on stop.

While a model loads, Ollama says nothing, and /api/ps lists it from the moment its loading begins. So a model that
is not listed is loaded first, by a request without a prompt: when that returns, loading is over, and /api/ps knows
how many tokens the model sees at once.
"""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import requests

from insight_app import errors
from insight_app.engines import ollama_models
from insight_app.engines.base import About, Done, Engine, Event, Model, Options, Stage, Stop, Task, Turn, key_of
from insight_app.engines.interruptible import Grip
from insight_app.engines.lines import Lines
from insight_app.engines.listening import Listening
from insight_app.engines.ollama_errors import error_text, meaning, without
from insight_app.engines.ollama_lines import events
from insight_app.engines.wire import Wire, until
from insight_app.errors import EngineError

# A model that spoke so recently is in memory still, and nobody needs to be asked.
STILL_LOADED_SECONDS = 5.0


class Ollama(Engine):
    """Whatever speaks Ollama's protocol at `url`; after `silence_seconds` without a byte it has failed."""

    def __init__(
        self,
        url: str,
        *,
        name: str = "ollama",
        silence_seconds: float,
        may_run_elsewhere: bool = False,
        session: requests.Session | None = None,
    ) -> None:
        self._wire = Wire(url, silence_seconds, session, error_text=error_text)
        self._listening = Listening(self._wire)
        self._may_run_elsewhere = may_run_elsewhere
        self.name, self.url = name, self._wire.url
        self._spoke: dict[str, float] = {}  # when each model last said something
        self._remote: dict[str, bool] = {}  # of each model that is listed, whether it runs elsewhere
        self._contexts: dict[str, int | None] = {}  # how many tokens each saw at once when /api/ps was last asked
        self._asked: dict[str, int | None] = {}  # the num_ctx with which each was last asked

    def models(self) -> list[Model]:
        return self._models(Grip())

    def prepare(self, model: str, options: Options, stop: Stop) -> Generator[Stage, None, None]:
        with until(stop) as grip:
            yield from self._prepare(model, options, grip)

    def stream(self, task: Task, stop: Stop) -> Generator[Event, None, None]:
        """As Engine has it; closing it early closes the socket too."""
        with until(stop) as grip:
            yield from self._answer(task, grip)

    def continues(self, model: str, stop: Stop) -> bool:
        """Ollama's templates leave the last turn open where it is the model's own."""
        return True

    def about(self, model: str, stop: Stop) -> About:
        with until(stop) as grip, closing(self._wire.post("/api/show", grip, _named(model))) as response:
            if response.status_code == 200:
                return ollama_models.shown(self._wire.whole(response))
        return About()

    def _prepare(self, wanted: str, options: Options, grip: Grip) -> Iterator[Stage]:
        model = wanted or self._first(grip)
        if self._runs_elsewhere(model, grip):
            yield Stage("reading", model)
            return
        is_known = self._spoke_lately(model) and model in self._contexts and self._asked.get(model) == options.num_ctx
        if not is_known and not self._is_ready(model, options, grip):
            yield Stage("loading", model)
            self._load(model, options, grip)
            self._is_ready(model, options, grip)
        if not grip.broken:
            yield Stage("reading", model, self._contexts.get(model))

    def _answer(self, task: Task, grip: Grip) -> Iterator[Event]:
        model = task.model or self._first(grip)
        self._runs_elsewhere(model, grip)
        self._asked[model] = task.options.num_ctx
        response = self._chat(task, model, grip)
        yield from self._listening.to_the_end(response, grip, self._events(response, model, grip))

    def _events(self, response: requests.Response, model: str, grip: Grip) -> Iterator[Event]:
        lines = Lines()
        with closing(self._listening.to(response, grip)) as arriving:
            for data in arriving:
                self._spoke[model] = time.monotonic()
                whole = lines.feed(data) if data else lines.last()
                for event in events(whole, model=model, url=self.url, may_come_from_elsewhere=self._may_run_elsewhere):
                    yield event
                    if isinstance(event, Done):
                        return
        if not grip.broken:
            raise errors.AnswerCut(url=self.url, because="no end mark")

    def _chat(self, task: Task, model: str, grip: Grip) -> requests.Response:
        """The response whose body is the answer; raises the EngineError that a refusal means."""
        think: bool | str | None = task.options.think
        while True:
            response = self._wire.post("/api/generate" if task.raw else "/api/chat", grip, _request(task, model, think))
            if response.status_code == 200:
                return response
            text = self._wire.refusal(response)
            before, think = think, without(think, response.status_code, text)
            if think == before:
                refusal = meaning(text, response.status_code, model=model, url=self.url)
                if response.status_code == 400 and (task.tools or task.format) and type(refusal) is errors.EngineBroke:
                    refusal = errors.RequestUnsuited(model=model, url=self.url)
                raise refusal

    def _first(self, grip: Grip) -> str:
        here = [model for model in self._models(grip) if not model.remote]
        if not here:
            raise errors.NoModel(url=self.url)
        return here[0].name

    def _runs_elsewhere(self, model: str, grip: Grip) -> bool:
        """Whether it does, as far as can be known before it is sent anything; ModelElsewhere where it may not."""
        remote = ollama_models.runs_elsewhere(model) or self._is_listed_elsewhere(model, grip)
        if remote and not self._may_run_elsewhere:
            raise errors.ModelElsewhere(model=model, url=self.url)
        return remote

    def _is_listed_elsewhere(self, model: str, grip: Grip) -> bool:
        """Asks anew where the model was not there when the list was last read, or goes by another name."""
        wanted = key_of(model)
        if wanted not in self._remote:
            self._models(grip)
        if wanted not in self._remote:
            self._remote[wanted] = self._is_shown_elsewhere(model, grip)
        return self._remote[wanted]

    def _is_shown_elsewhere(self, model: str, grip: Grip) -> bool:
        with closing(self._wire.post("/api/show", grip, _named(model))) as response:
            if response.status_code >= 500:
                raise meaning(self._wire.refusal(response), response.status_code, model=model, url=self.url)
            return response.status_code == 200 and ollama_models.shown_elsewhere(self._wire.whole(response))

    def _models(self, grip: Grip) -> list[Model]:
        try:
            found = ollama_models.installed(self._get("/api/tags", grip))
        except ValueError:
            raise errors.EngineBroke(url=self.url, because="a list that is not Ollama's") from None
        self._remote = {key_of(model.name): model.remote for model in found}
        known = [replace(model, refused=model.remote and not self._may_run_elsewhere) for model in found]
        # What cannot answer is never chosen unasked while there is something else here.
        return sorted(known, key=lambda model: (ollama_models.judges_only(model.name), model.remote))

    def _get(self, path: str, grip: Grip) -> bytes:
        status, body = self._wire.get(path, grip)
        if status != 200:
            raise meaning(error_text(body), status, model="", url=self.url)
        return body

    def _load(self, model: str, options: Options, grip: Grip) -> None:
        """Has the model loaded, as the answer's own request will want it; a server that cannot is not asked again."""
        self._asked[model] = options.num_ctx
        response = self._wire.post("/api/generate", grip, _body(model, options, stream=False))
        if response.status_code >= 500:
            raise meaning(self._wire.refusal(response), response.status_code, model=model, url=self.url)
        with closing(response):
            self._wire.read(response)
            self._wire.finish(response, grip)

    def _is_ready(self, model: str, options: Options, grip: Grip) -> bool:
        """Whether the model is in memory, or nobody can tell; notes how many tokens it sees at once."""
        try:
            running = ollama_models.running(model, self._get("/api/ps", grip))
        except (EngineError, ValueError):
            return True
        if running is None:
            return False
        self._contexts[model] = running.context
        # Another size of the context means that it is loaded anew; what is too large for a model is made smaller.
        if options.num_ctx is None:
            return self._asked.get(model) is None
        return running.context in (None, options.num_ctx) or self._asked.get(model) == options.num_ctx

    def _spoke_lately(self, model: str) -> bool:
        spoke = self._spoke.get(model)
        return spoke is not None and time.monotonic() - spoke < STILL_LOADED_SECONDS


def _named(model: str) -> bytes:
    return json.dumps({"model": model}).encode()


def _request(task: Task, model: str, think: bool | str | None) -> bytes:
    said: dict[str, Any] = {"messages": [_message(turn) for turn in task.turns]}
    if task.raw:
        said = {"prompt": task.raw, "raw": True}
    if think is not None:
        said["think"] = think
    if task.format is not None:
        said["format"] = task.format
    if task.tools:
        said["tools"] = task.tools
    return _body(model, task.options, stream=True, **said)


def _message(turn: Turn) -> dict[str, Any]:
    message: dict[str, Any] = {"role": turn.role, "content": turn.text}
    if turn.images:
        message["images"] = [base64.b64encode(each).decode("ascii") for each in turn.images]
    if turn.tool_calls:
        message["tool_calls"] = [
            {**({"id": call.id} if call.id else {}), "function": {"name": call.name, "arguments": call.arguments}}
            for call in turn.tool_calls
        ]
    return message | {
        name: text for name, text in (("tool_name", turn.tool_name), ("tool_call_id", turn.tool_call_id)) if text
    }


def _body(model: str, options: Options, **said: Any) -> bytes:
    wanted = {"num_predict": options.max_tokens, "num_ctx": options.num_ctx}
    request: dict[str, Any] = {
        "model": model,
        **said,
        # What does not fit is for us to leave out, and to say so: Ollama would drop the oldest messages silently.
        "truncate": False,
        "options": {name: value for name, value in wanted.items() if value is not None} | options.sampling,
    }
    if options.keep_alive is not None:
        request["keep_alive"] = _duration(options.keep_alive)
    return json.dumps(request).encode()  # json and not msgspec: its escapes carry lone surrogates too


def _duration(text: str) -> str | int:
    """Ollama reads "5m" as a text, but plain seconds (and -1, for ever) only as a number."""
    return int(text) if re.fullmatch(r"[+-]?\d+", text.strip()) else text
