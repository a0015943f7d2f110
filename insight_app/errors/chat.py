"""A message cannot be sent as it is, or an answer ends before its time.

InputError               (requests.py)
├── EmptyPrompt
├── PromptTooLarge       longer than MAX_PROMPT_CHARS, before any engine saw it
├── TooManyKept          more presets or saved prompts than one could find again
└── ImportTooLarge       more than MAX_IMPORT_MB
NotThere                 (requests.py)
└── TemporaryOver        of a temporary chat that has ended
InsightError
├── TemporaryNotOffered  nowhere to hold a temporary chat
├── StillAnswering       this conversation already has an answer that is being written
├── LengthReached        the answer is as long as MAX_TOKEN_LIMIT lets it be
└── ContextEnded         the answer and what was read before it fill the model's context
"""

from __future__ import annotations

from insight_app.errors.base import N_, InsightError, Said
from insight_app.errors.requests import InputError, NotThere


class EmptyPrompt(InputError):
    code = "empty_prompt"
    cause = Said("The message is empty.")
    next_step = Said("Write something first.")


class PromptTooLarge(InputError):
    status = 413
    code = "prompt_too_large"
    cause = Said("The message has %(length)s characters; at most %(limit)s are possible.")
    next_step = Said("Shorten it, or send it in parts.")


class TooManyKept(InputError):
    status = 409
    code = "too_many_kept"
    cause = Said("You keep %(limit)s of these already.")
    next_step = Said("Delete some that you no longer need, then save again.")


class ImportTooLarge(InputError):
    status = 413
    code = "import_too_large"
    cause = Said("This file is larger than %(limit)s.")
    next_step = Said("Choose a smaller one. Packed as a ZIP file it may be small enough.")


class TemporaryOver(NotThere):
    code = "temporary_over"
    cause = Said("This temporary chat is over, and nothing of it was kept.")
    next_step = Said("Start another one: it lasts until it is ended, for a day, or until the server stops.")


class TemporaryNotOffered(InsightError):
    status = 503
    code = "temporary_not_offered"
    cause = Said("Temporary chats are not possible here.")
    next_step = Said("Several processes would have to share them, and this machine has no folder in memory (/dev/shm).")


class StillAnswering(InsightError):
    status = 409
    code = "still_answering"
    cause = Said("The last answer is still being written.")
    next_step = Said("Wait for its end or stop it, then send again.")


class LengthReached(InsightError):
    code = "length_reached"
    cause = Said("The answer has reached the longest length that is set (MAX_TOKEN_LIMIT).")
    next_step = Said("Continue it, or set a higher limit.")


class ContextEnded(InsightError):
    code = "context_ended"
    cause = Said("The conversation and this answer fill all that the model can read at once (%(context)s).")
    next_step = Said(
        "Continue it: the oldest messages are left out then. Or set a larger NUM_CTX.",
        openai=N_("Continue it: the oldest messages are left out then. Or start the server with a larger context."),
    )
