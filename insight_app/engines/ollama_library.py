"""Ollama as the place where models are: what is there, fetched, removed, and taken out of memory."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from contextlib import closing

from insight_app import errors
from insight_app.engines import ollama_models
from insight_app.engines.base import Model, Stop
from insight_app.engines.interruptible import Grip
from insight_app.engines.lines import Lines
from insight_app.engines.ollama_errors import error_text
from insight_app.engines.ollama_errors import meaning as engine_meaning
from insight_app.engines.ollama_models import Loaded
from insight_app.engines.ollama_pulls import Step, meaning, steps
from insight_app.engines.wire import Wire, until
from insight_app.errors import AnswerCut, EngineError, EngineSilent, PullCut

# Ollama tells how far it is 16 times a second, but not while it looks for the library or checks what has come: 40 GB
# on a slow disk take ten minutes.
SILENCE_SECONDS = 900.0
# Removing is a few files, and unloading a message to a process.
SHORT_SECONDS = 30.0


class OllamaLibrary:
    """The models of the Ollama at `url`."""

    def __init__(self, url: str, *, may_run_elsewhere: bool = False) -> None:
        self._wire = Wire(url, SHORT_SECONDS, None, error_text=error_text)
        self._pulls = Wire(url, SILENCE_SECONDS, None, error_text=error_text)
        self.may_run_elsewhere = may_run_elsewhere
        self.url = self._wire.url

    def look(self) -> tuple[list[Model], list[Loaded]]:
        """What is there, and what of it is in memory. Waits a second for each; raises EngineError."""
        grip = Grip()
        try:
            models = ollama_models.everything(self._get("/api/tags", grip))
        except ValueError:
            raise errors.EngineBroke(url=self.url, because="a list that is not Ollama's") from None
        try:
            return models, ollama_models.loaded(self._get("/api/ps", grip))
        except (EngineError, ValueError):  # an older Ollama has no such list
            return models, []

    def pull(self, model: str, stop: Stop) -> Generator[Step, None, None]:
        """Has Ollama fetch it, or go on with what it has of it; Step("done") last.

        Ends without that only after stop.ask(). Raises PullFailed and EngineError.
        """
        if ollama_models.runs_elsewhere(model) and not self.may_run_elsewhere:
            raise errors.ModelElsewhere(model=model, url=self.url)
        with until(stop) as grip:
            try:
                yield from self._pull(model, grip)
            except (AnswerCut, EngineSilent):
                if not grip.broken:
                    raise PullCut from None

    def remove(self, model: str) -> None:
        """Raises ModelMissing, and other EngineErrors."""
        self._tell("DELETE", "/api/delete", model, {"model": model})

    def unload(self, model: str) -> None:
        """Has Ollama take it out of memory, when what it writes is done. Raises EngineError."""
        self._tell("POST", "/api/generate", model, {"model": model, "keep_alive": 0, "stream": False})

    def _pull(self, model: str, grip: Grip) -> Iterator[Step]:
        response = self._pulls.post("/api/pull", grip, json.dumps({"model": model}).encode())
        if response.status_code in (502, 503, 504):  # a proxy in between that found no Ollama behind it
            response.close()
            raise errors.EngineUnreachable(url=self.url)
        if response.status_code != 200:
            raise meaning(self._pulls.refusal(response), response.status_code)
        lines = Lines()
        with closing(response):
            while not grip.broken:
                data = self._pulls.read(response)
                for step in steps(lines.feed(data) if data else lines.last()):
                    yield step
                    if step.kind == "done":
                        self._pulls.finish(response, grip)
                        return
                if not data and not grip.broken:
                    raise PullCut

    def _tell(self, method: str, path: str, model: str, said: dict[str, object]) -> None:
        with closing(self._wire.send(method, path, Grip(), json.dumps(said).encode())) as response:
            if response.status_code != 200:
                text, status = self._wire.refusal(response), response.status_code
                if status == 404:
                    raise errors.ModelMissing(model=model, url=self.url)
                raise engine_meaning(text, status, model=model, url=self.url)
            self._wire.whole(response)

    def _get(self, path: str, grip: Grip) -> bytes:
        status, body = self._wire.get(path, grip)
        if status != 200:
            raise engine_meaning(error_text(body), status, model="", url=self.url)
        return body
