"""The engine did not write the answer, or not all of it.

InsightError
└── EngineError            the engine did not write the answer, or not all of it
    ├── EngineUnreachable
    │   └── ModelAway      and the other ones have not the model that a program asks for
    ├── EngineForbids      it answers, but refuses this host or this request
    ├── ModelMissing
    ├── ModelElsewhere     the model would run on another machine
    │   └── RanElsewhere   the answer comes from one, which nobody could know before
    ├── NoModel            it answers, but has no model at all
    ├── ModelUnsuited      the model cannot chat
    ├── RequestUnsuited    the engine does not take the tools or the format that a program sends
    ├── OutOfMemory
    ├── EngineBusy
    ├── ContextFull        the message alone is longer than the model can read
    ├── EngineSilent       not a word for REQUEST_TIMEOUT_SECONDS
    ├── AnswerCut          the stream ended before its end mark
    ├── ServerStopped      the server ended while the answer was being written
    └── EngineBroke        anything else that went wrong on the engine's side
"""

from __future__ import annotations

from typing import ClassVar

from insight_app.errors.base import N_, ForPrograms, InsightError, Said


class EngineError(InsightError):
    """The engine did not write the answer; `passing` says whether the same request may succeed a little later."""

    status = 502
    code = "engine"
    passing: ClassVar[bool] = False


class EngineUnreachable(EngineError):
    status = 503
    code = "engine_unreachable"
    promise = Said(
        "Start Ollama, and the answer begins by itself",
        openai=N_("Start the model server, and the answer begins by itself"),
    )
    passing = True
    cause = Said("No engine answers at %(url)s.")
    next_step = Said(
        "Start Ollama (“ollama serve”, or its app) and try again.",
        openai=N_("Start the model server, or correct OPENAI_BASE_URL, and try again."),
    )


class ModelAway(EngineUnreachable):
    code = "model_away"
    cause = Said("The model “%(model)s” is not here, and no engine answers at %(url)s.")
    next_step = Said(
        "Start Ollama, or ask a model that is here.", openai=N_("Start the model server, or ask a model that is here.")
    )


class EngineForbids(EngineError):
    code = "engine_forbids"
    cause = Said("The engine at %(url)s refuses this request.")
    next_step = Said(
        "If it is behind a proxy, have the proxy send “Host: localhost:11434”, or check its sign-in.",
        openai=N_("Check OPENAI_API_KEY, and what a proxy in between lets through."),
    )


class ModelMissing(EngineError):
    status = 404
    code = "model_missing"
    cause = Said(
        "The model “%(model)s” is not on this machine.", openai=N_("The model “%(model)s” is not on the model server.")
    )
    next_step = Said(
        "Run “ollama pull %(model)s”, or choose another model.",
        openai=N_("Start the server with it, or choose another model."),
    )


class ModelElsewhere(EngineError):
    status = 403
    code = "model_elsewhere"
    cause = Said("The model “%(model)s” would run on another machine, and so read what you write there.")
    next_step = Said("Choose another model; whoever runs this server may allow it with ALLOW_REMOTE_MODELS.")


class RanElsewhere(ModelElsewhere):
    code = "ran_elsewhere"
    cause = Said(
        "The model “%(model)s” ran on another machine, though nothing said so before: it has read what was sent."
    )
    next_step = Said("The answer was broken off. Choose another model, or have whoever runs this server look into it.")


class NoModel(EngineError):
    status = 503
    code = "no_model"
    cause = Said("The engine at %(url)s has no model yet.")
    next_step = Said(
        "Run “ollama pull llama3.2” (or any other model) and try again.",
        openai=N_("Start the server with one and try again."),
    )


class ModelUnsuited(EngineError):
    status = 400
    code = "model_unsuited"
    cause = Said("The model “%(model)s” cannot do what was asked of it.")
    next_step = Said("Choose another model.")


class RequestUnsuited(EngineError):
    status = 400
    code = "request_unsuited"
    cause = ForPrograms("The engine does not take these tools, or this format.")
    next_step = ForPrograms("Check that both are JSON Schema, and simple: each engine knows a part of it.")


class OutOfMemory(EngineError):
    status = 503
    code = "out_of_memory"
    passing = True
    cause = Said("This machine has not enough free memory for the model “%(model)s”.")
    next_step = Said("Close other programs, choose a smaller model or a smaller context, and try again.")


class EngineBusy(EngineError):
    status = 503
    code = "engine_busy"
    passing = True
    cause = Said("The engine has too many requests waiting.")
    next_step = Said("Try again in a moment.")


class ContextFull(EngineError):
    status = 413
    code = "context_full"
    cause = Said("This message is longer than the model “%(model)s” can read at once (%(context)s).")
    next_step = Said(
        "Shorten it, send it in parts, or set a larger NUM_CTX.",
        openai=N_("Shorten it, send it in parts, or start the model server with a larger context."),
    )


class EngineSilent(EngineError):
    status = 504
    code = "engine_silent"
    passing = True
    cause = Said("The engine said nothing for %(seconds)s.")
    next_step = Said("Try again; if large models load slowly here, set a larger REQUEST_TIMEOUT_SECONDS.")


class AnswerCut(EngineError):
    code = "answer_cut"
    passing = True
    cause = Said("The engine broke off before the end of the answer.")
    next_step = Said("What it wrote is kept. Try again.")


class ServerStopped(EngineError):
    status = 503
    code = "server_stopped"
    passing = True
    cause = Said("The server was stopped before the end of the answer.")
    next_step = Said("What was written is kept. Try again.")


class EngineBroke(EngineError):
    code = "engine_broke"
    passing = True
    cause = Said("The engine had an error of its own.")
    next_step = Said("Try again; if it happens again, look at the engine's own log.")
