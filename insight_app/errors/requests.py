"""What a request is refused for, whoever sends it and whatever it asks for.

InsightError
├── InputError        what a person or a program sent cannot be taken as it is
│   ├── TooLarge      more than a request may hold
│   ├── FormExpired   a form without the token of this session
│   ├── WrongMethod   a POST where there is only GET, or the other way round
│   └── UnknownHost   the server was called by a name that is not its own
├── NotThere          no such conversation, answer or page, or not yours
└── ChangedMeanwhile  somebody else changed what is to be changed
"""

from __future__ import annotations

from insight_app.errors.base import InsightError, Said


class InputError(InsightError):
    status = 422
    code = "input"
    cause = Said("This request could not be understood.")
    next_step = Said("Check what was sent and try again.")


class TooLarge(InputError):
    status = 413
    code = "too_large"
    cause = Said("What was sent is larger than %(limit)s.")
    next_step = Said(
        "Shorten the text, or attach smaller files, and send it again; a browser still has it, one step back."
    )


class FormExpired(InputError):
    status = 400
    code = "form_expired"
    cause = Said("This page was open for too long, or your browser keeps no cookies.")
    next_step = Said("Your text is kept: send it again.")


class WrongMethod(InputError):
    status = 405
    code = "wrong_method"
    cause = Said("This address does not take such a request.")
    next_step = Said("Use the pages' own links and buttons; what programs can send is described at /api/openapi.json.")


class UnknownHost(InputError):
    status = 400
    code = "unknown_host"
    cause = Said("This server does not know the name it was called by.")
    next_step = Said("Add the name to ALLOWED_HOSTS if it is yours.")


class NotThere(InsightError):
    status = 404
    code = "not_there"
    cause = Said("There is nothing at this address.")
    next_step = Said("It may have been deleted. Choose another conversation or start a new one.")


class ChangedMeanwhile(InsightError):
    status = 409
    code = "changed_meanwhile"
    cause = Said("Somebody else changed this at the same time.")
    next_step = Said("Look at the page again, then decide anew.")
