"""A model cannot be fetched or removed.

InputError             (requests.py)
└── NotAModelName      no model of Ollama's can be called so
InsightError
├── ModelsNotManaged   the engine's models are somebody else's to fetch and remove
├── ModelInUse         a model that is to go writes an answer just now
├── NoRoomForModel     it is larger than what is free on the disk
└── PullFailed         Ollama did not fetch a model, or not all of it
    ├── PullUnknown    the library has none of this name
    ├── PullNoRoom     the disk was full before the end
    ├── PullOffline    Ollama cannot reach the library
    ├── PullForbidden  the library does not give it to everybody
    ├── PullOutdated   the model needs a newer Ollama
    ├── PullDamaged    what came is not what the library has
    └── PullCut        Ollama broke off, or said nothing any more
"""

from __future__ import annotations

from insight_app.errors.base import InsightError, Said
from insight_app.errors.requests import InputError


class NotAModelName(InputError):
    code = "not_a_model_name"
    cause = Said("No model can have this name.")
    next_step = Said("Write it as the library does, such as llama3.2, qwen2.5:0.5b or hf.co/somebody/a-model-GGUF.")


class ModelsNotManaged(InsightError):
    status = 409
    code = "models_not_managed"
    cause = Said("The models of this server are not managed from here.")
    next_step = Said("Start the model server with those that you want.")


class ModelInUse(InsightError):
    status = 409
    code = "model_in_use"
    cause = Said("This model is writing an answer just now.")
    next_step = Said("Wait for its end or stop it, then try again.")


class NoRoomForModel(InsightError):
    status = 507
    code = "no_room_for_model"
    cause = Said("This model takes %(size)s, and %(free)s are free on the disk of the models.")
    next_step = Said(
        "Make room there, remove a model, or choose a smaller one. If Ollama keeps models elsewhere, set OLLAMA_MODELS."
    )


class PullFailed(InsightError):
    """What a pull ended with. Ollama keeps what has come, so it can be gone on with."""

    status = 502
    code = "pull_failed"
    cause = Said("Ollama could not fetch this model.")
    next_step = Said("Go on to try again; if it lasts, look at Ollama's own log.")


class PullUnknown(PullFailed):
    status = 404
    code = "pull_unknown"
    cause = Said("The library has no model of this name.")
    next_step = Said("Look it up at ollama.com/library; what stands after the colon may be wrong too.")


class PullNoRoom(PullFailed):
    status = 507
    code = "pull_no_room"
    cause = Said("There is not enough room for this model on the disk of the models.")
    next_step = Said("Make room there or remove a model, then go on; or choose a smaller one.")


class PullOffline(PullFailed):
    status = 503
    code = "pull_offline"
    cause = Said("Ollama cannot reach the library of models.")
    next_step = Said("Check the connection of its machine to the internet, and its proxy, then go on.")


class PullForbidden(PullFailed):
    status = 403
    code = "pull_forbidden"
    cause = Said("The library does not give this model to everybody.")
    next_step = Said("Sign in there with Ollama and accept its terms, or choose another model.")


class PullOutdated(PullFailed):
    code = "pull_outdated"
    cause = Said("This model needs a newer Ollama, or another machine.")
    next_step = Said("Update Ollama, then go on; or choose another model.")


class PullDamaged(PullFailed):
    code = "pull_damaged"
    cause = Said("What came is not what the library has.")
    next_step = Said("Go on: Ollama fetches the damaged part anew.")


class PullCut(PullFailed):
    code = "pull_cut"
    cause = Said("Ollama broke off before all of it was here.")
    next_step = Said("Go on as soon as Ollama answers: it begins where it broke off.")
