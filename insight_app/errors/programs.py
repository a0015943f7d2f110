"""What programs are told at the doors for them; what nobody else can read there is in English alone.

InputError              (requests.py)
├── BodyCompressed      a program sent its JSON compressed
├── NoSuchDays          a program asks what was used in days that cannot be
├── NotAChat            POST /api/chat with something else than a chat
├── NotJson             a program sent something else than a JSON object
├── NotACompletion      POST /v1/chat/completions with a field that is not as it must be
│   └── NotAPicture     what is sent as a picture, there or to /api/chat, is none
└── ForeignPage         a page of another site calls the door for programs
SignInNeeded            (accounts.py)
└── KeyRefused          a program's key is missing, wrong, revoked or expired
AdminsOnly              (accounts.py)
└── KeyTooNarrow        the key is not for this
InsightError
└── MetricsTokenNeeded  /metrics was asked without METRICS_TOKEN
NotThere                (requests.py)
└── AddressUnknown      a program asks at an address that there is not
"""

from __future__ import annotations

from insight_app.errors.accounts import AdminsOnly, SignInNeeded
from insight_app.errors.base import ForPrograms, InsightError, Said
from insight_app.errors.requests import InputError, NotThere


class BodyCompressed(InputError):
    status = 415
    code = "body_compressed"
    cause = Said("What was sent is compressed, and nothing here unpacks it.")
    next_step = Said("Send it as it is, without the header Content-Encoding.")


class NoSuchDays(InputError):
    code = "no_such_days"
    cause = ForPrograms("The number of days must be a whole number from 1 to %(limit)s.")
    next_step = ForPrograms("Send another one, or none: then it is the last 30 days.")


class NotAChat(InputError):
    status = 400
    code = "not_a_chat"
    cause = ForPrograms("The request is not a JSON object with a “message” that is text.")
    next_step = ForPrograms("Send an object with the field “message” and the header Content-Type: application/json.")


class NotJson(InputError):
    status = 400
    code = "not_json"
    cause = ForPrograms("The request is not a JSON object.")
    next_step = ForPrograms("Send one, with the header Content-Type: application/json.")


class NotACompletion(InputError):
    status = 400
    code = "invalid_request"
    cause = ForPrograms("The field “%(param)s” %(problem)s.")
    next_step = ForPrograms("What can be sent is described at /api/openapi.json.")


class NotAPicture(NotACompletion):
    code = "not_a_picture"
    cause = ForPrograms("What stands in “%(param)s” is not a picture (PNG, JPEG, WebP, GIF) in base64.")
    next_step = ForPrograms("Send the picture itself, since none is fetched; /api/openapi.json describes how.")


class ForeignPage(InputError):
    status = 403
    code = "foreign_page"
    cause = Said("A page of another site may not use this address.")
    next_step = Said("Call it from a program, or from a page of this server.")


class KeyRefused(SignInNeeded):
    code = "key_refused"
    cause = ForPrograms("This needs a key, and none came that holds: it is missing, wrong, revoked or expired.")
    next_step = ForPrograms("Make one on the account page and send it in the header “Authorization: Bearer …”.")


class KeyTooNarrow(AdminsOnly):
    code = "key_too_narrow"
    cause = ForPrograms("This key is not for that: it lacks “%(scope)s”.")
    next_step = ForPrograms("Make another one on the account page, with what is needed.")


class MetricsTokenNeeded(InsightError):
    status = 401
    code = "metrics_token_needed"
    cause = ForPrograms("The figures are for who has the token of this server.")
    next_step = ForPrograms("Have Prometheus send what METRICS_TOKEN is, in the header “Authorization: Bearer …”.")


class AddressUnknown(NotThere):
    code = "address_unknown"
    cause = ForPrograms("There is nothing for programs at this address.")
    next_step = ForPrograms("What there is, is described at /api/openapi.json.")
