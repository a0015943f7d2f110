"""An OpenAI-compatible server on a real loopback socket, scripted as Ollama is (scripted_ollama.py).

`make` is what it says that it is: "llamacpp", "vllm", "lmstudio" or "" for one that nobody knows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from scripted_ollama import Answer, Ended, ScriptedOllama, Step, status

USAGE = {"prompt_tokens": 12, "completion_tokens": 34, "total_tokens": 46}


def chunk(reason: str | None = None, **delta: Any) -> Step:
    """An event that says something of the answer."""
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return event(choices=[choice])


def event(**said: Any) -> Step:
    return lambda answer: answer.send(written(**said))


def written(**said: Any) -> bytes:
    return b"data: %b\n\n" % json.dumps({"id": "x", "object": "chat.completion.chunk", **said}).encode()


def done(reason: str | None = "stop", usage: Mapping[str, int] | None = USAGE, **said: Any) -> Step:
    """The end as most servers have it: the reason, the figures, the mark."""

    def end(answer: Answer) -> None:
        chunk(reason)(answer)
        if usage or said:
            event(choices=[], **({"usage": usage} if usage else {}), **said)(answer)
        answer.send(b"data: [DONE]\n\n")
        answer.finish()
        raise Ended

    return end


def error(text: Any) -> Step:
    """The error that ends a stream."""

    def end(answer: Answer) -> None:
        answer.send(written(error=text if isinstance(text, dict) else {"message": text, "code": 500}))
        answer.finish()
        raise Ended

    return end


def refusal(code: int, message: str, kind: str = "BadRequestError") -> Step:
    return status(code, {"error": {"message": message, "type": kind, "code": code}})


class ScriptedOpenAI(ScriptedOllama):
    """The server. `prefills`: whether its template leaves the last turn open, where it has one that can be asked."""

    chat_path = "/v1/chat/completions"
    kind = "text/event-stream; charset=utf-8"

    def __init__(self, *, make: str = "vllm", prefills: bool = True, **options: Any) -> None:
        self.make = make
        self.prefills = prefills
        super().__init__(**options)

    def _say(self, answer: Answer, text: str) -> None:
        chunk(content=text)(answer)

    def _mark(self) -> Step:
        return done()

    def _about_missing(self, model: str) -> Any:
        return {"error": {"message": f"The model `{model}` does not exist.", "type": "NotFoundError", "code": 404}}

    def _pages(self, answer: Answer) -> dict[str, Callable[[], Any]]:
        found: dict[str, Callable[[], Any]] = {
            "/v1/models": lambda: {"object": "list", "data": [self._about(name) for name in self.models]},
        }
        if self.make in ("llamacpp", "vllm"):
            found["/health"] = lambda: {"status": "ok"}
        if self.make == "llamacpp":
            found["/props"] = lambda: {"default_generation_settings": {"n_ctx": self.context}}
            found["/apply-template"] = lambda: {"prompt": self._filled_in(answer.request.body)}
        if self.make == "vllm":
            found["/tokenize"] = lambda: {"tokens": [ord(each) for each in self._filled_in(answer.request.body)]}
            found["/detokenize"] = lambda: {"prompt": "".join(map(chr, answer.request.body["tokens"]))}
        if self.make == "lmstudio":
            found["/api/v0/models"] = lambda: {"data": [self._loaded(name) for name in self.models]}
        return found

    def _about(self, name: str) -> dict[str, Any]:
        about: dict[str, Any] = {"id": name, "object": "model", "owned_by": self.make or "somebody"}
        if self.make == "vllm":
            about["max_model_len"] = self.context
        return about

    def _loaded(self, name: str) -> dict[str, Any]:
        kind = "embeddings" if "embed" in name else "llm"
        about = {"id": name, "type": kind, "quantization": "Q4_K_M", "max_context_length": 131_072}
        return {**about, "state": "loaded", "loaded_context_length": self.context}

    def _filled_in(self, body: Any) -> str:
        told = self.make == "llamacpp" or body.get("continue_final_message")
        return body["messages"][-1]["content"] + ("" if told and self.prefills else "<end>")
