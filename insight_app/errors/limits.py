"""Somebody asks for more than there is, now or at all.

InsightError
├── TooManyRequests     more than SEND_RATE_LIMIT, KEY_RATE_LIMIT or ADDRESS_RATE_LIMIT
│   ├── TooManyTries    more than SIGN_IN_RATE_LIMIT
│   └── TooManySearches  more than SEARCH_RATE_LIMIT
├── QuotaReached        as many answers or tokens as a day or a month allows
├── ModelNotAllowed     people of this role may not ask this model
│   └── NoModelAllowed  none of the models that they may ask is there
├── TooManyWaiting      MAX_WAITING_ANSWERS are in line for the model already
│   └── TooManyOfYours  and half of them are of the one who asks
└── TakesNothingNew     no answer can begin now, whoever asks
    ├── RedisAway       Redis, through which processes know what each writes, does not answer
    └── ServerEnding    the process was asked to end, and lets what it writes end first
"""

from __future__ import annotations

from typing import ClassVar

from insight_app.errors.base import InsightError, Said


class TooManyRequests(InsightError):
    status = 429
    code = "too_many_requests"
    cause = Said("You sent a lot in a short time.")
    next_step = Said("Time to wait: %(wait)s. Then send again.")


class TooManyTries(TooManyRequests):
    code = "too_many_tries"
    cause = Said("Signing in was tried too often.")
    next_step = Said("Time to wait: %(wait)s. Then try again.")


class TooManySearches(TooManyRequests):
    code = "too_many_searches"
    cause = Said("You searched often in a short time.")
    next_step = Said("Time to wait: %(wait)s. Then search again.")


class QuotaReached(InsightError):
    status = 429
    code = "quota_reached"
    cause = Said("You have used all that is allowed.")
    next_step = Said("It begins anew later; an admin of this server can allow more.")


class ModelNotAllowed(InsightError):
    status = 403
    code = "model_not_allowed"
    cause = Said("You may not use the model “%(model)s”.")
    next_step = Said("Choose another one, or ask an admin of this server for it.")


class NoModelAllowed(ModelNotAllowed):
    status = 503
    code = "no_model_allowed"
    cause = Said("None of the models that you may use is there now.")
    next_step = Said("Try again later, or ask an admin of this server for another one.")


class TooManyWaiting(InsightError):
    """`retry_after` among its facts is in how many seconds there may be room, where that is known."""

    status = 503
    code = "too_many_waiting"
    cause = Said("Too many answers are waiting for this model already.")
    next_step = Said("Your text is kept: send it again in a while, or choose another model.")


class TooManyOfYours(TooManyWaiting):
    status = 429
    code = "too_many_of_yours"
    cause = Said("Too many answers of yours are waiting for this model already.")
    next_step = Said("Your text is kept: send it again when some of them are written, or stop some.")


class TakesNothingNew(InsightError):
    """What can be read can be read, and what is being written is written on."""

    status = 503
    code = "takes_nothing_new"
    seconds: ClassVar[int] = 5  # after which it makes sense to try again

    def __init__(self, **facts: object) -> None:
        super().__init__(retry_after=self.seconds, **facts)


class RedisAway(TakesNothingNew):
    code = "redis_away"
    cause = Said("Redis does not answer, and without it no new answer can begin.")
    next_step = Said(
        "Your text is kept: send it again in a moment; if it lasts, whoever runs this server looks after Redis."
    )


class ServerEnding(TakesNothingNew):
    code = "server_ending"
    seconds = 2
    cause = Said("This server is just being stopped or started anew.")
    next_step = Said("Send this again in a moment.")
